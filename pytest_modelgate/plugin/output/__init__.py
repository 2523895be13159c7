"""Terminal, Markdown, JUnit."""
