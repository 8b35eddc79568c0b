"""Backend buckets: files of Cloud Storage behind the load balancer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from spillway.config.caching import BucketCdn
from spillway.config.fields import Model, Shape
from spillway.config.protection import SecurityPolicyName

BucketName = Annotated[
    str,
    Shape(
        "the name of a bucket",
        r"[a-z0-9]([a-z0-9._-]{1,220}[a-z0-9])",
        "acme-assets",
        "without gs://; small letters, digits, . _ -",
    ),
]


class BucketConfig(Model):
    """One backend bucket; routes name it with `bucket`. Nothing of it is steered."""

    bucket: BucketName
    """Bucket of Cloud Storage; it must exist, and clients must be allowed to read it."""
    cdn: BucketCdn = False
    """Cloud CDN: `true` with Google's settings, `false`, or a section."""
    compression: Literal["AUTOMATIC", "DISABLED"] | None = None
    """Compress texts on the way to clients that take it."""
    custom_response_headers: tuple[str, ...] = ()
    """Headers for clients, `Name: value`, as with services; 16 at most."""
    edge_security_policy: SecurityPolicyName | None = None
    """Cloud Armor edge policy, by name or URL."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the provider's BackendBucket, by their names in Python."""
