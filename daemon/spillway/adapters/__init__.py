"""Everything that touches Google, Pulumi, Prometheus, the scheduler or the disk."""
