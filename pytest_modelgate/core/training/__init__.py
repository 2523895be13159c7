"""Facts of a training run, and their classification."""
