"""One run of the gate inside a session of pytest."""
