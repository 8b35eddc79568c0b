"""The report of a backtest: one page that needs nothing else, and a CSV of every run."""
