"""What a model is judged by: plain Python, numpy and pandas; no files, clock, network, pytest or torch."""
