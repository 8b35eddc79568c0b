"""What Google publishes of its APIs: which fields each resource has, and what each may hold."""
