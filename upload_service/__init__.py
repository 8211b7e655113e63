"""Owns the catalogue and the originals."""
