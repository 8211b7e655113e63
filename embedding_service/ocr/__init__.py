"""Reads the words that stand in pictures, in a process of its own."""
