"""Backend services: how each talks to its endpoints, where it runs, and how it is steered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from spillway.config.balancing import BalancingConfig
from spillway.config.fields import Between, Duration, Model, Name, PortName, Ratio, RegionName, Scaler, Shape

LONGEST_DRAINING = "1h"
"""Longest connection draining that Google takes."""


FieldPath = Annotated[
    str,
    Shape("the path of a field of Compute's API", r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", "cdnPolicy.cacheMode"),
]


class BackendOverrideConfig(Model):
    """What differs for one region in one service; what is not given is the region's."""

    balancing: BalancingConfig | None = None
    """Replaces the region's as a whole."""
    scaler: Scaler | None = None
    """Capacity scaler at the first start, 0 or 0.1 to 1."""
    preference: Literal["PREFERRED", "DEFAULT"] | None = None
    """Whether this region fills before the others of this service."""
    standby: bool | None = None
    """Not a member of this service until the daemon needs it."""


def _form_of_regions(value: Any) -> str:
    return "word" if isinstance(value, str) else "list"


Regions = Annotated[
    Annotated[tuple[RegionName, ...], Field(min_length=1), Tag("list")]
    | Annotated[Literal["all"], Tag("word")],
    Discriminator(_form_of_regions),
]
"""A list of regions, or the word `all`."""


class OutlierDetectionConfig(Model):
    """Ejection of single endpoints that err; the share ejected comes from the posture."""

    consecutive_errors: Annotated[int, Field(ge=1)] = 5
    """5xx answers in a row."""
    consecutive_gateway_failures: Annotated[int, Field(ge=1)] = 3
    """502, 503 and 504 answers in a row."""
    interval: Annotated[Duration, Between("1s", "5m")] = 1.0
    """Time between two looks at the counters."""
    base_ejection: Annotated[Duration, Between("1s", "5m")] = 30.0
    """First time that an endpoint is out; grows with each ejection."""


class ServiceConfig(Model):
    """One backend service."""

    protocol: Literal["HTTP", "HTTPS", "HTTP2", "H2C"] = "HTTP"
    """How the balancer talks to endpoints. gRPC goes over HTTP2 (with TLS) or H2C (without)."""
    port_name: PortName | None = None
    """Named port of instance groups; not for NEGs."""
    timeout: Annotated[Duration, Between("1s", "1d", whole=True)] = 300.0
    """Longest request, answer included. Long model answers need minutes. Serverless groups have a timeout of their own, and Google takes none here."""
    draining: Annotated[Duration, Between("0s", LONGEST_DRAINING, whole=True)] = 300.0
    """Time that requests in flight get when an endpoint leaves; 0s to 1h."""
    affinity: Literal["NONE", "CLIENT_IP", "GENERATED_COOKIE"] = "NONE"
    """What ties a client to an endpoint: nothing, its IP, or a cookie that the balancer makes. Tied clients are slower to move."""
    locality: Literal["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV"] | None = None
    """How an endpoint is chosen inside a zone; Google's default where none is given: ROUND_ROBIN, or MAGLEV with affinity. LEAST_REQUEST suits answers of very different length."""
    log_sample_rate: Ratio = 0.0
    """Share of requests written to Cloud Logging; 0 turns it off."""
    outlier_detection: OutlierDetectionConfig | None = None
    """Ejection of single erring endpoints; off where it is not given."""
    algorithm: Literal["WATERFALL_BY_REGION", "SPRAY_TO_REGION", "WATERFALL_BY_ZONE"] = "WATERFALL_BY_REGION"
    """Order in which groups fill. All three send to the closest region with room; they differ in their love for the nearest zone."""
    lb_policy: Literal["made", "none", "keep"] = "made"
    """Service LB policy: Spillway makes one and sets the failover posture by it (`made`), the service has none (`none`), or what stands stays as it is (`keep`). Without one of Spillway's there is no posture to set: Google fails over by its own defaults, or by the policy that stands."""
    health_check: Name | None = None
    """Name from `health_checks`; required unless all groups are serverless or internet."""
    policy: str = "default"
    """Name from `policies`: how this service is steered."""
    regions: Regions | None = None
    """Regions of a global pool, or `all`. Exactly one of `regions` and `home`."""
    home: RegionName | None = None
    """Region of a pinned service; it is PREFERRED where there is `failover`."""
    failover: tuple[RegionName, ...] = ()
    """Regions that a pinned service falls back to, members with preference DEFAULT; without any its paths die with the region."""
    backends: dict[RegionName, BackendOverrideConfig] = Field(default_factory=dict)
    """What differs for single regions."""
    may_lose: tuple[FieldPath, ...] = ()
    """Settings that somebody has made, that no write can carry and that may go, such as `metadatas` or `iap`. Without it a service that has one is not written."""
    leave: tuple[Literal["log_config", "outlier_detection", "port_name"], ...] = ()
    """Arguments of the provider that stay as they stand, for a service that stood before Spillway: their keys (`log_sample_rate`, `outlier_detection`, `port_name`) are then not given."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's BackendService takes, by its names; `check` compares it with the pinned provider. What has a key of its own, names, references and secrets do not belong here."""
