"""Alpaca's market data API through alpaca-py."""
