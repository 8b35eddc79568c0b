"""The pure core: values in, values out.

No clock, randomness, files, network, threads or logging belong here; import contracts in `pyproject.toml` hold it to that.
Times are UTC seconds since 1970 as floats, durations are seconds, rates are requests per second,
latencies are seconds, ratios are 0..1.
"""
