"""One pass of the loop, and what survives it."""
