"""The Pulumi program: a pure function of (config, overlay) that declares the whole load balancer."""
