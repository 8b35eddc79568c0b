"""Spillway's own controller in a simulated world: the daemon's core, fed as the daemon feeds it, in virtual time."""
