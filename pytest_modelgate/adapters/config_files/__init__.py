"""Profiles and waivers from TOML files."""
