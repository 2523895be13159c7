"""The plugin: the only floor that imports pytest."""
