"""What ties a client to an endpoint, and what the choice of an endpoint weighs."""

from __future__ import annotations

from typing import Annotated

from spillway.config.balancing import METRIC_NAME
from spillway.config.fields import Between, Duration, Model, Shape

HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""Pattern of the name of a header or cookie (RFC 7230)."""

HeaderName = Annotated[str, Shape("the name of a header", HEADER_NAME, "x-conversation")]


class CookieConfig(Model):
    """The cookie that carries the affinity."""

    name: Annotated[str, Shape("the name of a cookie", HEADER_NAME, "session")] | None = None
    """Its name, for HTTP_COOKIE and STRONG_COOKIE_AFFINITY; Google names that of GENERATED_COOKIE itself."""
    path: Annotated[str, Shape("the path of a cookie", r"/\S*", "/v1")] | None = None
    """Its path, for the same two."""
    ttl: Annotated[Duration, Between("0s", "14d", whole=True)] = 0.0
    """Its lifetime; 0s lasts as long as the browser's session."""


class ServiceMetricConfig(Model):
    """A load metric that weighs endpoints against each other (WEIGHTED_ROUND_ROBIN)."""

    name: Annotated[str, METRIC_NAME]
    """Name under which endpoints report it (ORCA), without the prefix `named_metrics.`."""
    dry_run: bool = False
    """Report it to Cloud Monitoring, but weigh nothing by it."""
