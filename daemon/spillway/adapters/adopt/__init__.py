"""Taking over a load balancer that stands: read it, say it as a configuration, refuse what cannot be said."""
