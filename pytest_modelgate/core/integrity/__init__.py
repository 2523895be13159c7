"""Whether a model is the function that was trained, and what it shows is real."""
