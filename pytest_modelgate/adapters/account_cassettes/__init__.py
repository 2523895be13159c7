"""Recorded trading accounts: what of one is kept, the files it lies in, and what they say."""
