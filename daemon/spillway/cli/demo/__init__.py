"""`spillway demo`: a sandbox and a daemon as real child processes, what happens as lines in order, and a comparison at the end."""
