"""What a set of ceilings does, and what it may not break."""
