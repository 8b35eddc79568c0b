"""Backend buckets: files of Cloud Storage behind the load balancer."""

from __future__ import annotations

from spillway.config.fields import Model


class BucketConfig(Model):
    """One bucket of Cloud Storage as a target of routes."""

    bucket: str
    """Name of the bucket in Cloud Storage."""
    cdn: bool = False
    """Let Cloud CDN keep copies of its files."""
