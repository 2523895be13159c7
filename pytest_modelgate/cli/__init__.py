"""The command ``modelgate``."""
