"""Policies: their actions by definition, and how these are computed fast."""
