"""Market features: the reference set, and what others have to offer."""
