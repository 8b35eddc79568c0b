"""Google Cloud on loopback: Compute and Network Services over REST, Monitoring over gRPC, a simulated world behind them."""
