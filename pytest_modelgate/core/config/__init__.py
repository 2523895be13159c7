"""Settings, profiles of limits, waivers: what is asked of a run."""
