"""What a training run says about its models, and whether it is good enough."""
