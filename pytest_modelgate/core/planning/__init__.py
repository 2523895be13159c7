"""What a run has to show, and in which order it is worked off."""
