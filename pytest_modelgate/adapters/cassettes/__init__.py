"""Recorded conversations with Alpaca: vcrpy, and the files it fills."""
