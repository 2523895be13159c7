"""Work spread over pytest-xdist's workers."""
