"""Policies, what their actions are, and how they are found fast."""
