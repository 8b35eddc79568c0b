"""Cloud Monitoring v3 on loopback: the part that reads time series, over a simulated world.

`server.serve` starts it. What it does not know it refuses with an error that names it.
"""
