"""Bound listeners, and their route tables."""
