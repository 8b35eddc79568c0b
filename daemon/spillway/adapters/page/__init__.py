"""The live page: one document, its style and its scripts, served from the package under a strict content policy."""
