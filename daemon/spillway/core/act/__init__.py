"""The ordered plan, and what became of earlier ones."""
