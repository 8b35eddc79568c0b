"""Backend services: the levers' home (Compute API v1 `backendServices`). The rules are in `backend_rules`."""

from __future__ import annotations

from spillway.sandbox.kinds import caching
from spillway.sandbox.kinds.backend_health import GET_HEALTH
from spillway.sandbox.kinds.backend_rules import check
from spillway.sandbox.kinds.base import CRUD, Action, Kind
from spillway.sandbox.kinds.security_policies import REFERENCE, refer
from spillway.sandbox.schema import (
    DURATION,
    PORT,
    RATIO,
    STRING,
    Link,
    ListOf,
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
            **under("cdnPolicy", caching.POLICY),
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
            "securityPolicy": Link(("securityPolicies",)),
            "edgeSecurityPolicy": Link(("securityPolicies",)),
            "serviceLbPolicy": Link(("serviceLbPolicies",)),
            "logConfig.sampleRate": RATIO,
            "maxStreamDuration": DURATION,
            "iap.oauth2ClientSecretSha256": STRING,
        },
        unmodelled="backends.failover backends.maxConnections backends.maxConnectionsPerEndpoint "
        "backends.maxConnectionsPerInstance backends.orchestrationInfo backends.service "
        "circuitBreakers connectionTrackingPolicy dynamicForwarding externalManagedMigrationState "
        "externalManagedMigrationTestingPercentage failoverPolicy haPolicy localityLbPolicies "
        "network networkPassThroughLbTrafficPolicy orchestrationInfo params securitySettings.authentication "
        "serviceBindings subsetting",
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
        Action(name="setSecurityPolicy", body=REFERENCE, change=refer("securityPolicy", "CLOUD_ARMOR")),
        Action(
            name="setEdgeSecurityPolicy",
            body=REFERENCE,
            change=refer("edgeSecurityPolicy", "CLOUD_ARMOR_EDGE"),
        ),
        *caching.KEY_ACTIONS,
    ),
)
