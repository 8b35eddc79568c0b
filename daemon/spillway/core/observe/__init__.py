"""Readings become one snapshot."""
