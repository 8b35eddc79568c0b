"""Backend services: the levers' home (Compute API v1 `backendServices`). The rules are in `backend_rules`."""

from __future__ import annotations

from collections.abc import Callable

from spillway.sandbox.kinds.backend_health import GET_HEALTH
from spillway.sandbox.kinds.backend_rules import check
from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource
from spillway.sandbox.schema import (
    DURATION,
    PORT,
    RATIO,
    STRING,
    Link,
    ListOf,
    Obj,
    Scalar,
    Shape,
    choice,
    whole,
)
from spillway.sandbox.shapes import published, under

_PERCENT = whole(0, 100)

_BACKEND: dict[str, Shape] = {
    "group": Link(("instanceGroups", "networkEndpointGroups")),
    "maxRate": whole(0),
    "maxRatePerInstance": Scalar("number", low=0),
    "maxRatePerEndpoint": Scalar("number", low=0),
    "maxUtilization": RATIO,
    "maxInFlightRequests": whole(0),
    "maxInFlightRequestsPerInstance": whole(0),
    "maxInFlightRequestsPerEndpoint": whole(0),
    "customMetrics.maxUtilization": RATIO,
}
_OUTLIER_DETECTION: dict[str, Shape] = {
    "baseEjectionTime": DURATION,
    "interval": DURATION,
    "consecutiveErrors": whole(0, 1000),
    "consecutiveGatewayFailure": whole(0, 1000),
    "enforcingConsecutiveErrors": _PERCENT,
    "enforcingConsecutiveGatewayFailure": _PERCENT,
    "enforcingSuccessRate": _PERCENT,
    "maxEjectionPercent": _PERCENT,
}
_CDN_POLICY: dict[str, Shape] = dict.fromkeys(
    ("clientTtl", "defaultTtl", "maxTtl", "serveWhileStale", "negativeCachingPolicy.ttl"), whole(0)
)


def _set_policy(field: str) -> Callable[[Draft, Resource], None]:
    """SetSecurityPolicy and setEdgeSecurityPolicy: replace the reference; an empty one takes it away."""

    def change(draft: Draft, body: Resource) -> None:
        if body.get("securityPolicy"):
            draft.resource[field] = body["securityPolicy"]
        else:
            draft.resource.pop(field, None)

    return change


_POLICY_REFERENCE = Obj({"securityPolicy": STRING})

BACKEND_SERVICES = Kind(
    collection="backendServices",
    singular="backendService",
    verbs=CRUD | {"update", "patch", "aggregatedList"},
    aggregated_kind="compute#backendServiceAggregatedList",
    fingerprint=True,
    shape=published(
        "BackendService",
        {
            **under("backends", _BACKEND),
            **under("outlierDetection", _OUTLIER_DETECTION),
            **under("cdnPolicy", _CDN_POLICY),
            "healthChecks": ListOf(Link(("healthChecks",)), most=1),
            "loadBalancingScheme": choice("EXTERNAL EXTERNAL_MANAGED INTERNAL_MANAGED INTERNAL_SELF_MANAGED"),
            "protocol": choice("HTTP HTTPS HTTP2 H2C GRPC"),
            "port": PORT,
            "timeoutSec": whole(1, 2147483647),
            "connectionDraining.drainingTimeoutSec": whole(0, 3600),
            "affinityCookieTtlSec": whole(0, 1209600),
            "strongSessionAffinityCookie.ttl": DURATION,
            "consistentHash.httpCookie.ttl": DURATION,
            "consistentHash.minimumRingSize": Scalar("int64", low=1),
            "serviceLbPolicy": Link(("serviceLbPolicies",)),
            "logConfig.sampleRate": RATIO,
            "maxStreamDuration": DURATION,
            "iap.oauth2ClientSecretSha256": STRING,
        },
        unmodelled="backends.failover backends.maxConnections backends.maxConnectionsPerEndpoint "
        "backends.maxConnectionsPerInstance backends.orchestrationInfo backends.service "
        "circuitBreakers connectionTrackingPolicy dynamicForwarding externalManagedMigrationState "
        "externalManagedMigrationTestingPercentage failoverPolicy haPolicy ipAddressSelectionPolicy localityLbPolicies "
        "network networkPassThroughLbTrafficPolicy orchestrationInfo params securitySettings serviceBindings "
        "subsetting tlsSettings",
    ),
    defaults={
        "description": "",
        "affinityCookieTtlSec": 0,
        "enableCDN": False,
        "loadBalancingScheme": "EXTERNAL",
        "port": 80,
        "portName": "http",
        "protocol": "HTTP",
        "sessionAffinity": "NONE",
        "timeoutSec": 30,
    },
    outputs=frozenset({"usedBy", "securityPolicy", "edgeSecurityPolicy"}),
    check=check,
    actions=(
        GET_HEALTH,
        Action(name="setSecurityPolicy", body=_POLICY_REFERENCE, change=_set_policy("securityPolicy")),
        Action(
            name="setEdgeSecurityPolicy", body=_POLICY_REFERENCE, change=_set_policy("edgeSecurityPolicy")
        ),
    ),
)
