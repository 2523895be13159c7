"""A seeded market and a local server that speaks Alpaca's bars wire; every price here is generated."""
