"""Backtests: scenarios x policies x seeds, run over the cores of this machine or of a Dask cluster."""
