"""Backend services: the levers' home (Compute API v1 `backendServices`). The rules are in `backend_rules`."""

from __future__ import annotations

from collections.abc import Callable

from spillway.sandbox.kinds.backend_health import GET_HEALTH
from spillway.sandbox.kinds.backend_rules import check
from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource
from spillway.sandbox.schema import (
    BOOLEAN,
    BYTES,
    DURATION,
    INT,
    LABELS,
    NUMBER,
    PORT,
    RATIO,
    STRING,
    STRINGS,
    Link,
    ListOf,
    Obj,
    Scalar,
    choice,
    whole,
    words,
)

_PERCENT = whole(0, 100)

BACKEND = Obj(
    {
        "group": Link(("instanceGroups", "networkEndpointGroups")),
        "description": STRING,
        "balancingMode": choice("UTILIZATION RATE CONNECTION IN_FLIGHT CUSTOM_METRICS"),
        "capacityScaler": NUMBER,
        "maxRate": whole(0),
        "maxRatePerInstance": Scalar("number", low=0),
        "maxRatePerEndpoint": Scalar("number", low=0),
        "maxUtilization": RATIO,
        "maxInFlightRequests": whole(0),
        "maxInFlightRequestsPerInstance": whole(0),
        "maxInFlightRequestsPerEndpoint": whole(0),
        "customMetrics": ListOf(Obj({"name": STRING, "maxUtilization": RATIO, "dryRun": BOOLEAN})),
        "preference": choice("DEFAULT PREFERRED PREFERENCE_UNSPECIFIED"),
        "trafficDuration": choice("SHORT LONG TRAFFIC_DURATION_UNSPECIFIED"),
    },
    unmodelled=words(
        "failover maxConnections maxConnectionsPerEndpoint maxConnectionsPerInstance orchestrationInfo service"
    ),
)

OUTLIER_DETECTION = Obj(
    {
        "baseEjectionTime": DURATION,
        "interval": DURATION,
        "consecutiveErrors": whole(0, 1000),
        "consecutiveGatewayFailure": whole(0, 1000),
        "enforcingConsecutiveErrors": _PERCENT,
        "enforcingConsecutiveGatewayFailure": _PERCENT,
        "enforcingSuccessRate": _PERCENT,
        "maxEjectionPercent": _PERCENT,
        "successRateMinimumHosts": INT,
        "successRateRequestVolume": INT,
        "successRateStdevFactor": INT,
    },
)

CDN_POLICY = Obj(
    {
        "bypassCacheOnRequestHeaders": ListOf(Obj({"headerName": STRING})),
        "cacheKeyPolicy": Obj(
            {
                **dict.fromkeys(("includeHost", "includeProtocol", "includeQueryString"), BOOLEAN),
                **dict.fromkeys(("includeHttpHeaders", "includeNamedCookies"), STRINGS),
                **dict.fromkeys(("queryStringBlacklist", "queryStringWhitelist"), STRINGS),
            }
        ),
        "cacheMode": choice("CACHE_ALL_STATIC FORCE_CACHE_ALL USE_ORIGIN_HEADERS INVALID_CACHE_MODE"),
        **dict.fromkeys(("clientTtl", "defaultTtl", "maxTtl", "serveWhileStale"), whole(0)),
        "negativeCaching": BOOLEAN,
        "negativeCachingPolicy": ListOf(Obj({"code": INT, "ttl": whole(0)})),
        "requestCoalescing": BOOLEAN,
        "signedUrlCacheMaxAgeSec": Scalar("int64", low=0),
        "signedUrlKeyNames": STRINGS,
    }
)

_LOGGED_HEADER = ListOf(Obj({"headerName": STRING}))


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
    shape=Obj(
        {
            "name": STRING,
            "description": STRING,
            "fingerprint": BYTES,
            "backends": ListOf(BACKEND),
            "healthChecks": ListOf(Link(("healthChecks",)), most=1),
            "loadBalancingScheme": choice("EXTERNAL EXTERNAL_MANAGED INTERNAL_MANAGED INTERNAL_SELF_MANAGED"),
            "protocol": choice("HTTP HTTPS HTTP2 H2C GRPC"),
            "port": PORT,
            "portName": STRING,
            "timeoutSec": whole(1, 2147483647),
            "connectionDraining": Obj({"drainingTimeoutSec": whole(0, 3600)}),
            "sessionAffinity": choice(
                "NONE CLIENT_IP GENERATED_COOKIE HEADER_FIELD HTTP_COOKIE STRONG_COOKIE_AFFINITY"
            ),
            "affinityCookieTtlSec": whole(0, 1209600),
            "strongSessionAffinityCookie": Obj({"name": STRING, "path": STRING, "ttl": DURATION}),
            "consistentHash": Obj(
                {
                    "httpCookie": Obj({"name": STRING, "path": STRING, "ttl": DURATION}),
                    "httpHeaderName": STRING,
                    "minimumRingSize": Scalar("int64", low=1),
                },
            ),
            "localityLbPolicy": choice(
                "ROUND_ROBIN LEAST_REQUEST RING_HASH RANDOM MAGLEV WEIGHTED_ROUND_ROBIN"
            ),
            "outlierDetection": OUTLIER_DETECTION,
            "serviceLbPolicy": Link(("serviceLbPolicies",)),
            "logConfig": Obj(
                {
                    "enable": BOOLEAN,
                    "sampleRate": RATIO,
                    "optionalMode": choice("INCLUDE_ALL_OPTIONAL EXCLUDE_ALL_OPTIONAL CUSTOM"),
                    "optionalFields": STRINGS,
                    "loggingHttpRequestHeaders": _LOGGED_HEADER,
                    "loggingHttpResponseHeaders": _LOGGED_HEADER,
                },
            ),
            "customMetrics": ListOf(Obj({"name": STRING, "dryRun": BOOLEAN})),
            "customRequestHeaders": STRINGS,
            "customResponseHeaders": STRINGS,
            "enableCDN": BOOLEAN,
            "cdnPolicy": CDN_POLICY,
            "maxStreamDuration": DURATION,
            "metadatas": LABELS,
            "compressionMode": choice("AUTOMATIC DISABLED"),
            "iap": Obj(
                {
                    "enabled": BOOLEAN,
                    "oauth2ClientId": STRING,
                    "oauth2ClientSecret": STRING,
                    "oauth2ClientSecretSha256": STRING,
                }
            ),
        },
        unmodelled=words(
            "circuitBreakers connectionTrackingPolicy dynamicForwarding externalManagedMigrationState "
            "externalManagedMigrationTestingPercentage failoverPolicy haPolicy ipAddressSelectionPolicy localityLbPolicies "
            "network networkPassThroughLbTrafficPolicy orchestrationInfo params securitySettings serviceBindings "
            "subsetting tlsSettings",
        ),
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
