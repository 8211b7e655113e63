"""Serves bytes: originals and cached renditions."""
