"""Statistics of returns; nothing here knows models or limits."""
