"""What to build: address, frontends, routes, health checks, regions with their groups, services."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from spillway.config.fields import (
    Between,
    Duration,
    GroupName,
    Model,
    Name,
    NetworkName,
    Port,
    PortName,
    Ratio,
    RegionName,
    Scaler,
    Shape,
    SubnetworkName,
    ZoneName,
)
from spillway.config.frontends import (
    AddressConfig,
    FrontendsConfig,
    GivenCertificateConfig,
    HttpsConfig,
)

__all__ = [
    "BackendOverrideConfig",
    "BalancingConfig",
    "CreateConfig",
    "CustomMetricConfig",
    "GivenCertificateConfig",
    "GroupConfig",
    "HealthCheckConfig",
    "HttpsConfig",
    "Name",
    "OutlierDetectionConfig",
    "PathRuleConfig",
    "RegionConfig",
    "RegionName",
    "RouteConfig",
    "ServiceConfig",
    "TopologyConfig",
    "ZoneName",
]


LONGEST_DRAINING = "1h"
"""Longest connection draining that Google takes."""


FieldPath = Annotated[
    str,
    Shape("the path of a field of Compute's API", r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", "cdnPolicy.cacheMode"),
]


class PathRuleConfig(Model):
    """Paths that go to a service of their own."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Such as `/europe` and `/europe/*`; a star only as the last part. The longest match wins, whatever the order."""
    service: Name
    """Service that gets them."""


class RouteConfig(Model):
    """Hosts and what becomes of their paths."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Host names such as `api.example.com` or `*.example.com`; `*` is every other host. Without port."""
    paths: tuple[PathRuleConfig, ...] = ()
    """Paths that go to services of their own."""
    service: Name | None = None
    """Service for all other paths of these hosts; `default_service` where none is given."""


class HealthCheckConfig(Model):
    """How the balancer asks an endpoint if it is well."""

    type: Literal["http", "https", "http2", "tcp", "grpc"] = "http"
    """How to ask. `tcp` only sees that a port is open: a model that hangs passes."""
    path: str = "/healthz"
    """For http, https and http2."""
    port: Port | None = None
    """Port to probe; the serving port where none is given."""
    host: str | None = None
    """Host header, for http, https and http2."""
    grpc_service: str | None = None
    """Service name in the gRPC health protocol."""
    interval: Annotated[Duration, Between("1s", "5m", whole=True)] = 5.0
    """Time between two probes of one prober; several probe at once, so endpoints see more."""
    timeout: Annotated[Duration, Between("1s", "5m", whole=True)] = 5.0
    """Time in which a probe must be answered; not longer than the interval."""
    healthy: Annotated[int, Field(ge=1, le=10)] = 2
    """Good answers in a row until an endpoint counts as healthy."""
    unhealthy: Annotated[int, Field(ge=1, le=10)] = 2
    """Bad answers in a row until it does not."""
    log: bool = False
    """Write changes of health to Cloud Logging."""


class CreateConfig(Model):
    """Settings of a group that Spillway makes; it starts empty and whoever runs the endpoints fills it."""

    network: NetworkName = "default"
    """Network of the endpoints: a name in the project, or `projects/P/global/networks/N`."""
    subnetwork: SubnetworkName | None = None
    """Subnetwork of a zonal NEG: a name in the project and the group's region, or `projects/P/regions/R/subnetworks/N`; the network's own where none is given."""
    port: Port | None = None
    """Default port of a zonal NEG."""
    named_ports: dict[PortName, Port] = Field(default_factory=dict)
    """Named ports of an instance group; the service's `port_name` must be among them."""


class GroupConfig(Model):
    """One group of endpoints: a URL, or exactly one kind with its name."""

    url: str | None = None
    """Full URL, `https://www.googleapis.com/compute/v1/projects/P/zones/Z/networkEndpointGroups/N` or `.../instanceGroups/N`."""
    zone: ZoneName | None = None
    """Zone of a zonal group."""
    neg: GroupName | None = None
    """Zonal NEG of VM addresses (GCE_VM_IP_PORT)."""
    hybrid_neg: GroupName | None = None
    """Zonal hybrid NEG (NON_GCP_PRIVATE_IP_PORT)."""
    instance_group: GroupName | None = None
    """Zonal instance group, managed or not; regional ones cannot be steered."""
    serverless_neg: GroupName | None = None
    """Regional serverless NEG (Cloud Run), one for each region; has no scaler, so Spillway cannot steer it."""
    internet_neg: GroupName | None = None
    """Global internet NEG; has no scaler either."""
    create: CreateConfig | None = None
    """Make this group; without it the group must exist."""


class CustomMetricConfig(Model):
    """A load metric that endpoints report in their answers (ORCA)."""

    name: Annotated[
        str,
        Shape(
            "the name of a metric",
            r"[a-z]([a-z0-9._-]{0,62}[a-z0-9])?",
            "vllm.kv-cache",
            "64 characters at most",
        ),
    ]
    """Name under which endpoints report it, without the prefix `named_metrics.`."""
    max_utilization: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Value at which the group counts as full."""
    dry_run: bool = False
    """Report it to Cloud Monitoring, but balance nothing by it."""


class BalancingConfig(Model):
    """How load is measured, and the target at scaler 1."""

    mode: Literal["RATE", "UTILIZATION", "IN_FLIGHT", "CUSTOM_METRICS"]
    """`RATE` counts requests per second; `IN_FLIGHT` requests under way, right for answers that take longer than a second; `UTILIZATION` the CPU of instance groups; `CUSTOM_METRICS` what endpoints report."""
    max_rate: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of each zonal group as a whole."""
    max_rate_per_instance: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of each VM of an instance group."""
    max_rate_per_endpoint: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of each endpoint of a NEG. Google multiplies by all endpoints, healthy or not."""
    max_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Mean CPU utilization at which an instance group is full, for UTILIZATION."""
    max_in_flight: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of each zonal group as a whole."""
    max_in_flight_per_instance: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of each VM of an instance group."""
    max_in_flight_per_endpoint: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of each endpoint of a NEG."""
    traffic_duration: Literal["SHORT", "LONG"] | None = None
    """Whether requests end within a second (SHORT) or not (LONG, a preview of Google's). Limits in flight are LONG, rates are SHORT; so it is set where none is given."""
    custom_metrics: tuple[CustomMetricConfig, ...] = ()
    """Metrics of mode CUSTOM_METRICS; the first that reaches its limit makes the group full."""


class RegionConfig(Model):
    """One region: its groups and what they can take."""

    groups: Annotated[tuple[GroupConfig, ...], Field(min_length=1)]
    """Zonal groups; they share one scaler, one preference and one membership."""
    balancing: BalancingConfig | None = None
    """None for serverless and internet groups, required for all others."""
    scaler: Scaler | None = None
    """Capacity scaler at the first start, 0 or 0.1 to 1; afterwards the daemon's."""
    preference: Literal["PREFERRED", "DEFAULT"] = "DEFAULT"
    """PREFERRED regions fill to their target before all others get anything. Has no say in pinned services."""
    cost: Annotated[float, Field(gt=0)] = 1.0
    """Relative price of a request here; only ratios matter."""
    standby: bool = False
    """Not a member until the daemon needs it."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Place, for regions that Spillway does not know yet."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Place; always together with `latitude`."""


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


class TopologyConfig(Model):
    """The load balancer."""

    address: AddressConfig = AddressConfig()
    """The address that clients connect to."""
    frontends: FrontendsConfig
    """What listens there."""
    default_service: Name
    """Service for every request that no route names."""
    routes: tuple[RouteConfig, ...] = ()
    """Which host and path goes to which service."""
    health_checks: dict[Name, HealthCheckConfig] = Field(default_factory=dict)
    """Health checks by name; services refer to them."""
    regions: Annotated[dict[RegionName, RegionConfig], Field(min_length=1)]
    """Regions by name, with their groups and what these can take; shared by all services."""
    services: Annotated[dict[Name, ServiceConfig], Field(min_length=1)]
    """Backend services by name: global pools and pinned services side by side."""
