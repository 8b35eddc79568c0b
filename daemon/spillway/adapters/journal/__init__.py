"""The journal: one SQLite file in the state folder, a memory of the last hours for when it cannot be read, and what is told of both."""
