"""Backend services: how each talks to its endpoints, where it runs, and how it is steered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from spillway.config.affinity import CookieConfig, HeaderName, ServiceMetricConfig
from spillway.config.balancing import BalancingConfig
from spillway.config.caching import Cdn
from spillway.config.fields import Between, Duration, Model, Name, PortName, Ratio, RegionName, Scaler, Shape
from spillway.config.groups import GroupConfig
from spillway.config.protection import IapConfig, RateLimitConfig, SecurityPolicyName, TlsSettingsConfig

LONGEST_DRAINING = "1h"
"""Longest connection draining that Google takes."""


FieldPath = Annotated[
    str,
    Shape("the path of a field of Compute's API", r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", "cdnPolicy.cacheMode"),
]


LogField = Annotated[
    str,
    Shape("the name of a log field", r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", "tls.protocol"),
]
"""A field that load balancers log on request; Google adds some, so there is no list here."""


def _word_or_list(value: Any) -> str:
    return "word" if isinstance(value, str) else "list"


LogFields = Annotated[
    Annotated[tuple[LogField, ...], Field(min_length=1), Tag("list")]
    | Annotated[Literal["NONE", "ALL"], Tag("word")],
    Discriminator(_word_or_list),
]
"""A list of fields, or one of two words."""


class BackendOverrideConfig(Model):
    """What differs for one region in one service; what is not given is the region's."""

    groups: Annotated[tuple[GroupConfig, ...], Field(min_length=1)] | None = None
    """Groups of this service alone, instead of the region's: every Kubernetes Service has its own NEG. They have a scaler of their own."""
    balancing: BalancingConfig | None = None
    """Replaces the region's as a whole."""
    scaler: Scaler | None = None
    """Capacity scaler at the first start, 0 or 0.1 to 1."""
    preference: Literal["PREFERRED", "DEFAULT"] | None = None
    """Whether this region fills before the others of this service."""
    standby: bool | None = None
    """Not a member of this service until the daemon needs it."""


Regions = Annotated[
    Annotated[tuple[RegionName, ...], Field(min_length=1), Tag("list")]
    | Annotated[Literal["all"], Tag("word")],
    Discriminator(_word_or_list),
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
    timeout: Annotated[Duration, Between("1s", "2147483647s", whole=True)] = 300.0
    """Longest request, answer included, up to Google's own limit. Long model answers need minutes. Serverless groups have a timeout of their own, and Google takes none here."""
    draining: Annotated[Duration, Between("0s", LONGEST_DRAINING, whole=True)] = 300.0
    """Time that requests in flight get when an endpoint leaves; 0s to 1h."""
    affinity: Literal[
        "NONE", "CLIENT_IP", "GENERATED_COOKIE", "HEADER_FIELD", "HTTP_COOKIE", "STRONG_COOKIE_AFFINITY"
    ] = "NONE"
    """What ties a client to an endpoint: nothing, its IP, a cookie that the balancer makes, a header such as the conversation's (for prompt caches), a cookie by name, or a cookie that holds the endpoint itself. Tied clients are slower to move."""
    affinity_header: HeaderName | None = None
    """Header whose value ties requests together, for HEADER_FIELD."""
    affinity_cookie: CookieConfig | None = None
    """The cookie, for the three affinities by cookie."""
    locality: (
        Literal["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV", "WEIGHTED_ROUND_ROBIN"]
        | None
    ) = None
    """How an endpoint is chosen inside a zone; Google's default where none is given: ROUND_ROBIN, or MAGLEV with affinity. LEAST_REQUEST suits answers of very different length; WEIGHTED_ROUND_ROBIN weighs endpoints by `custom_metrics`."""
    minimum_ring_size: Annotated[int, Field(ge=1, le=8_388_608)] | None = None
    """Virtual nodes of RING_HASH, at least; Google's 1024 where none is given. More spread the load more evenly."""
    custom_metrics: tuple[ServiceMetricConfig, ...] = ()
    """Metrics of WEIGHTED_ROUND_ROBIN, which endpoints report; those of `balancing` weigh groups instead."""
    log_sample_rate: Ratio = 0.0
    """Share of requests written to Cloud Logging; 0 turns it off."""
    log_fields: LogFields | None = None
    """Optional fields of the log: `ALL`, `NONE` (Google's default), or a list such as `[tls.protocol, serverInstance]`."""
    compression: Literal["AUTOMATIC", "DISABLED"] | None = None
    """Compress texts on the way to clients that take it."""
    custom_request_headers: tuple[str, ...] = ()
    """Headers for endpoints, `Name: value`, 16 at most; values may hold Google's variables, such as `{client_region}`. `Host: api.vendor.example` for a vendor behind an internet NEG."""
    custom_response_headers: tuple[str, ...] = ()
    """Headers for clients, likewise."""
    security_policy: SecurityPolicyName | None = None
    """Cloud Armor policy, by name or URL; it must exist."""
    rate_limit: RateLimitConfig | None = None
    """Makes a Cloud Armor policy with one limit, instead of `security_policy`."""
    edge_security_policy: SecurityPolicyName | None = None
    """Cloud Armor edge policy, which comes before the cache; by name or URL."""
    iap: IapConfig | None = None
    """Identity-Aware Proxy."""
    tls_settings: TlsSettingsConfig | None = None
    """TLS to the endpoints."""
    cdn: Cdn | None = None
    """Cloud CDN: `true` with Google's settings, `false`, or a section. Where it is not given, Spillway leaves it as it stands."""
    outlier_detection: OutlierDetectionConfig | None = None
    """Ejection of single erring endpoints; off where it is not given."""
    algorithm: Literal["WATERFALL_BY_REGION", "SPRAY_TO_REGION", "WATERFALL_BY_ZONE"] = "WATERFALL_BY_REGION"
    """Order in which groups fill. All three send to the closest region with room; they differ in their love for the nearest zone."""
    lb_policy: Literal["made", "none", "keep"] = "made"
    """Service LB policy: Spillway makes one and sets the failover posture by it (`made`), the service has none (`none`), or what stands stays as it is (`keep`). Without one of Spillway's there is no posture to set: Google fails over by its own defaults, or by the policy that stands."""
    health_check: Name | None = None
    """Name from `health_checks`; required unless all groups are serverless, internet or Private Service Connect."""
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
