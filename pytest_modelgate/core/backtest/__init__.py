"""A policy in a market: accounts, simulations, metrics."""
