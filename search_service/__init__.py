"""Owns the vector index."""
