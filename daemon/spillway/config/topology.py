"""What to build: address, frontends, routes, health checks, regions with their groups, services."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from spillway.config.balancing import BalancingConfig
from spillway.config.buckets import BucketConfig
from spillway.config.fields import (
    API,
    RESOURCE,
    Between,
    Duration,
    LabelKey,
    LabelValue,
    Model,
    Name,
    Port,
    RegionName,
    Scaler,
    Shape,
)
from spillway.config.frontends import AddressConfig, FrontendsConfig
from spillway.config.groups import GroupConfig
from spillway.config.routes import RouteConfig, UrlMapConfig
from spillway.config.services import ServiceConfig

BackendServiceUrl = Annotated[
    str,
    Shape(
        "the path of a global backend service",
        rf"{API}projects/[^/\s]+/global/backendServices/{RESOURCE}",
        "projects/other-project/global/backendServices/chat",
    ),
]


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
    extra: dict[str, Any] = Field(default_factory=dict)
    """Anything else that the provider's HealthCheck takes, by its names; `check` compares it with the pinned provider. What has a key of its own, names, references and secrets do not belong here."""


class RegionConfig(Model):
    """One region: its groups and what they can take."""

    groups: Annotated[tuple[GroupConfig, ...], Field(min_length=1)] = ()
    """Groups of every service that brings none of its own here (`backends`); they share one scaler, one preference and one membership."""
    balancing: BalancingConfig | None = None
    """None for serverless, internet and Private Service Connect groups, required for all others; also for groups that a service brings without a balancing of its own."""
    scaler: Scaler | None = None
    """Capacity scaler at the first start, 0 or 0.1 to 1; afterwards the daemon's."""
    preference: Literal["PREFERRED", "DEFAULT"] = "DEFAULT"
    """PREFERRED regions fill to their target before all others get anything. Has no say in pinned services."""
    cost: Annotated[float, Field(gt=0)] = 1.0
    """Relative price of a request here; only ratios matter."""
    standby: bool = False
    """Not a member until the daemon needs it. Serverless and internet groups join at once with all of their load."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Place, for regions that Spillway does not know yet."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Place; always together with `latitude`."""


class TopologyConfig(Model):
    """The load balancer."""

    address: AddressConfig = AddressConfig()
    """The address that clients connect to."""
    frontends: FrontendsConfig
    """What listens there."""
    default_service: Name | None = None
    """Service for every request that no route names. Exactly one of `default_service` and `default_bucket`."""
    default_bucket: Name | None = None
    """Name from `buckets` for every request that no route names: a load balancer of files needs no service at all."""
    routes: tuple[RouteConfig, ...] = ()
    """Which host and path goes where."""
    url_map: UrlMapConfig = UrlMapConfig()
    health_checks: dict[Name, HealthCheckConfig] = Field(default_factory=dict)
    """Health checks by name; services refer to them."""
    regions: dict[RegionName, RegionConfig] = Field(default_factory=dict)
    """Regions by name, with their groups and what these can take; shared by all services. None where there are no services."""
    services: dict[Name, ServiceConfig] = Field(default_factory=dict)
    """Backend services by name: global pools and pinned services side by side. None where buckets answer everything: then nothing is steered."""
    buckets: dict[Name, BucketConfig] = Field(default_factory=dict)
    """Backend buckets by name: files of Cloud Storage; routes refer to them."""
    references: dict[Name, BackendServiceUrl] = Field(default_factory=dict)
    """Backend services of other projects by name, as `projects/P/global/backendServices/N`; routes name them like services. Spillway neither builds nor steers them."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels of everything that Spillway makes and that takes labels: address, forwarding rules, service LB policies, security policies. Backend services, buckets and health checks take none."""
