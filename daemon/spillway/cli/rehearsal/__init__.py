"""The demo: a sandbox and a daemon as real child processes, a live table, and an honest comparison at the end."""
