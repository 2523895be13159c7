"""Evidence that a run has to show, and in which order it is gained."""
