"""The simulated world: clients, regions, the balancer's rules, monitoring's delays, and faults. Deterministic by seed."""
