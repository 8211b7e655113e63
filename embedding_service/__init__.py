"""Owns the models: text or pixels in, vectors out."""
