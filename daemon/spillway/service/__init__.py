"""The life of the daemon's process: start, signals, reload, readiness, stop."""
