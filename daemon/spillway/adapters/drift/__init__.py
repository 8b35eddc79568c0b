"""What stands in the cloud against what the program would send: drift, and what others have set beside it."""
