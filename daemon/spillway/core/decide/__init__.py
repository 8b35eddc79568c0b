"""Limits first, then proposals, then the search."""
