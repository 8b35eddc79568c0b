"""What to build: address, frontends, routes, health checks, regions with their groups, services."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spillway.config.fields import Duration, Model, Port, Ratio

Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$")]
RegionName = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)+[0-9]+$")]
"""Shape of a region's name, such as europe-west4; no frozen list: Google adds regions."""
ZoneName = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)+[0-9]+-[a-z]$")]
"""Shape of a zone's name, such as europe-west4-b."""


class AddressConfig(Model):
    """The reserved global address."""

    name: Name | None = None
    """Name of the address resource; made from the config's `name` where none is given."""
    ip_version: Literal["IPV4", "IPV6"] = "IPV4"
    existing: str | None = None
    """An address that is reserved already (an IP such as 203.0.113.7, or its resource URL); then none is made."""


class SslPolicyConfig(Model):
    """Which TLS versions and ciphers clients may use."""

    profile: Literal["COMPATIBLE", "MODERN", "RESTRICTED"] = "MODERN"
    min_tls: Literal["TLS_1_0", "TLS_1_1", "TLS_1_2"] = "TLS_1_2"


class GivenCertificateConfig(Model):
    """A certificate of your own, in PEM files on this machine."""

    name: Name
    certificate_file: str
    private_key_file: str


class CertificatesConfig(Model):
    """Exactly one of the three."""

    managed: tuple[str, ...] | None = None
    """Domains for which Google obtains and renews a certificate; their DNS must point at the address."""
    given: tuple[GivenCertificateConfig, ...] | None = None
    map: str | None = None
    """A certificate map of Certificate Manager: its name, or `//certificatemanager.googleapis.com/projects/...`."""


class HttpConfig(Model):
    """The plain HTTP frontend."""

    port: Port = 80
    redirect_to_https: bool = False
    """Answer every request with a redirect to the HTTPS frontend."""


class HttpsConfig(Model):
    """The HTTPS frontend."""

    port: Port = 443
    certificates: CertificatesConfig
    ssl_policy: SslPolicyConfig | None = None
    quic: Literal["NONE", "ENABLE", "DISABLE"] = "NONE"


class FrontendsConfig(Model):
    """At least one of the two."""

    http: HttpConfig | None = None
    https: HttpsConfig | None = None


class PathRuleConfig(Model):
    """Paths that go to a service of their own."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Such as `/europe` and `/europe/*`; a star only as the last part."""
    service: Name


class RouteConfig(Model):
    """Hosts and what becomes of their paths."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    paths: tuple[PathRuleConfig, ...] = ()
    service: Name | None = None
    """Service for all other paths of these hosts; `default_service` where none is given."""


class HealthCheckConfig(Model):
    """How the balancer asks an endpoint if it is well."""

    type: Literal["http", "https", "http2", "tcp", "grpc"] = "http"
    path: str = "/healthz"
    """For http, https and http2."""
    port: Port | None = None
    """Port to probe; the serving port where none is given."""
    host: str | None = None
    """Host header, for http, https and http2."""
    grpc_service: str | None = None
    """Service name in the gRPC health protocol."""
    interval: Duration = 5.0
    timeout: Duration = 5.0
    """Not longer than the interval."""
    healthy: Annotated[int, Field(ge=1, le=10)] = 2
    """Good answers in a row until an endpoint counts as healthy."""
    unhealthy: Annotated[int, Field(ge=1, le=10)] = 2
    """Bad answers in a row until it does not."""
    log: bool = False


class CreateConfig(Model):
    """Settings of a group that Spillway makes; it starts empty and whoever runs the endpoints fills it."""

    network: str = "default"
    subnetwork: str | None = None
    port: Port | None = None
    """Default port of a zonal NEG."""
    named_ports: dict[str, Port] = Field(default_factory=dict)
    """Named ports of an instance group; the service's `port_name` must be among them."""


class GroupConfig(Model):
    """One group of endpoints: a URL, or exactly one kind with its name."""

    url: str | None = None
    """Full URL, `https://www.googleapis.com/compute/v1/projects/P/zones/Z/networkEndpointGroups/N` or `.../instanceGroups/N`."""
    zone: ZoneName | None = None
    """Zone of a zonal group."""
    neg: Name | None = None
    """Zonal NEG of VM addresses (GCE_VM_IP_PORT)."""
    hybrid_neg: Name | None = None
    """Zonal hybrid NEG (NON_GCP_PRIVATE_IP_PORT)."""
    instance_group: Name | None = None
    serverless_neg: Name | None = None
    """Regional serverless NEG (Cloud Run); has no scaler, so Spillway cannot steer it."""
    internet_neg: Name | None = None
    """Global internet NEG; has no scaler either."""
    create: CreateConfig | None = None
    """Make this group; without it the group must exist."""


class CustomMetricConfig(Model):
    """A load metric that endpoints report in their answers (ORCA)."""

    name: str
    max_utilization: Annotated[float, Field(gt=0, le=1)] = 0.8
    dry_run: bool = False


class BalancingConfig(Model):
    """How load is measured, and the target at scaler 1."""

    mode: Literal["RATE", "UTILIZATION", "IN_FLIGHT", "CUSTOM_METRICS"]
    max_rate: Annotated[float, Field(gt=0)] | None = None
    """Requests/s of a whole group."""
    max_rate_per_instance: Annotated[float, Field(gt=0)] | None = None
    max_rate_per_endpoint: Annotated[float, Field(gt=0)] | None = None
    max_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    max_in_flight: Annotated[int, Field(gt=0)] | None = None
    """Requests in flight of a whole group."""
    max_in_flight_per_instance: Annotated[int, Field(gt=0)] | None = None
    max_in_flight_per_endpoint: Annotated[int, Field(gt=0)] | None = None
    custom_metrics: tuple[CustomMetricConfig, ...] = ()


class RegionConfig(Model):
    """One region: its groups and what they can take."""

    groups: Annotated[tuple[GroupConfig, ...], Field(min_length=1)]
    balancing: BalancingConfig | None = None
    """None for serverless and internet groups, required for all others."""
    scaler: float | None = None
    """Capacity scaler at the first start, 0 or 0.1 to 1; afterwards the daemon's."""
    preference: Literal["PREFERRED", "DEFAULT"] = "DEFAULT"
    cost: Annotated[float, Field(gt=0)] = 1.0
    """Relative price of a request here; only ratios matter."""
    standby: bool = False
    """Not a member until the daemon needs it."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Place, for regions that Spillway does not know yet."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None


class BackendOverrideConfig(Model):
    """What differs for one region in one service."""

    balancing: BalancingConfig | None = None
    scaler: float | None = None
    preference: Literal["PREFERRED", "DEFAULT"] | None = None
    standby: bool | None = None


class OutlierDetectionConfig(Model):
    """Ejection of single endpoints that err; the share ejected comes from the posture."""

    consecutive_errors: Annotated[int, Field(ge=1)] = 5
    """5xx answers in a row."""
    consecutive_gateway_failures: Annotated[int, Field(ge=1)] = 3
    """502, 503 and 504 answers in a row."""
    interval: Duration = 1.0
    base_ejection: Duration = 30.0
    """First time that an endpoint is out; grows with each ejection."""


class ServiceConfig(Model):
    """One backend service."""

    protocol: Literal["HTTP", "HTTPS", "HTTP2", "H2C", "GRPC"] = "HTTP"
    port_name: str | None = None
    """Named port of instance groups; not for NEGs."""
    timeout: Duration = 300.0
    """Longest request, answer included. Long model answers need minutes."""
    draining: Duration = 300.0
    """Time that requests in flight get when an endpoint leaves; 0s to 1h."""
    affinity: Literal["NONE", "CLIENT_IP", "GENERATED_COOKIE", "HEADER_FIELD", "HTTP_COOKIE"] = "NONE"
    locality: (
        Literal["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV", "WEIGHTED_ROUND_ROBIN"]
        | None
    ) = None
    log_sample_rate: Ratio = 0.0
    """Share of requests written to Cloud Logging; 0 turns it off."""
    outlier_detection: OutlierDetectionConfig | None = None
    algorithm: Literal["WATERFALL_BY_REGION", "SPRAY_TO_REGION", "WATERFALL_BY_ZONE"] = "WATERFALL_BY_REGION"
    health_check: Name | None = None
    """Name from `health_checks`; required unless all groups are serverless or internet."""
    policy: str = "default"
    regions: tuple[RegionName, ...] | Literal["all"] | None = None
    """Regions of a global pool."""
    home: RegionName | None = None
    """Region of a pinned service."""
    failover: tuple[RegionName, ...] = ()
    """Regions that a pinned service falls back to; without any its paths die with the region."""
    backends: dict[RegionName, BackendOverrideConfig] = Field(default_factory=dict)
    """What differs for single regions."""


class TopologyConfig(Model):
    """The load balancer."""

    address: AddressConfig = AddressConfig()
    frontends: FrontendsConfig
    default_service: Name
    """Service for every request that no route names."""
    routes: tuple[RouteConfig, ...] = ()
    health_checks: dict[Name, HealthCheckConfig] = Field(default_factory=dict)
    regions: Annotated[dict[RegionName, RegionConfig], Field(min_length=1)]
    services: Annotated[dict[Name, ServiceConfig], Field(min_length=1)]
