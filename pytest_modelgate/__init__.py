"""A pytest plugin that decides whether a freshly trained trading model may touch money."""
