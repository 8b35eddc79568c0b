"""Snapshot and state become a belief about each backend and about demand."""
