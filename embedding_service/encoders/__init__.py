"""Encoders: text and pixels into one vector space."""
