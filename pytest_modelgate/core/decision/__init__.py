"""From evidence to one decision per model."""
