"""Bars, what must be recorded of them, and what they must be like."""
