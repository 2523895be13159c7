"""The page about a verdict: made of the verdict and its evidence, whoever carries it."""
