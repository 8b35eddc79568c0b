"""URL maps: hosts and paths to backend services (Compute API v1 `urlMaps`). The rules are in `url_map_rules`."""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Kind
from spillway.sandbox.kinds.url_map_rules import check
from spillway.sandbox.schema import (
    BOOLEAN,
    BYTES,
    DURATION,
    STRING,
    STRINGS,
    Link,
    ListOf,
    Obj,
    choice,
    whole,
    words,
)

_SERVICE = Link(("backendServices",))

REDIRECT = Obj(
    {
        "hostRedirect": STRING,
        "httpsRedirect": BOOLEAN,
        "pathRedirect": STRING,
        "prefixRedirect": STRING,
        "redirectResponseCode": choice(
            "FOUND MOVED_PERMANENTLY_DEFAULT PERMANENT_REDIRECT SEE_OTHER TEMPORARY_REDIRECT"
        ),
        "stripQuery": BOOLEAN,
    },
)

ROUTE_ACTION = Obj(
    {
        "weightedBackendServices": ListOf(
            Obj({"backendService": _SERVICE, "weight": whole(0, 1000)}, unmodelled=words("headerAction"))
        ),
        "timeout": DURATION,
        "maxStreamDuration": DURATION,
        "retryPolicy": Obj({"numRetries": whole(1), "perTryTimeout": DURATION, "retryConditions": STRINGS}),
        "urlRewrite": Obj(
            {"hostRewrite": STRING, "pathPrefixRewrite": STRING},
            unmodelled=words("pathTemplateRewrite regexRewrite"),
        ),
    },
    unmodelled=words(
        "cachePolicy corsPolicy dynamicCompressionPolicy faultInjectionPolicy imageOptimizationPolicy requestMirrorPolicy"
    ),
)

_TARGET = {"service": _SERVICE, "routeAction": ROUTE_ACTION, "urlRedirect": REDIRECT}
_DEFAULTS = {"defaultService": _SERVICE, "defaultRouteAction": ROUTE_ACTION, "defaultUrlRedirect": REDIRECT}

_MATCH = Obj(
    {"prefixMatch": STRING, "fullPathMatch": STRING},
    unmodelled=words(
        "headerMatches ignoreCase metadataFilters pathTemplateMatch queryParameterMatches regexMatch"
    ),
)

PATH_MATCHER = Obj(
    {
        "name": STRING,
        "description": STRING,
        **_DEFAULTS,
        "pathRules": ListOf(
            Obj({"paths": STRINGS, **_TARGET}, unmodelled=words("customErrorResponsePolicy"))
        ),
        "routeRules": ListOf(
            Obj(
                {
                    "priority": whole(0, 2147483647),
                    "description": STRING,
                    "matchRules": ListOf(_MATCH),
                    **_TARGET,
                },
                unmodelled=words(
                    "customErrorResponsePolicy headerAction httpFilterConfigs httpFilterMetadata"
                ),
            ),
        ),
    },
    unmodelled=words("defaultCustomErrorResponsePolicy headerAction"),
)

URL_MAPS = Kind(
    collection="urlMaps",
    singular="urlMap",
    verbs=CRUD | {"update", "patch", "aggregatedList"},
    aggregated_kind="compute#urlMapsAggregatedList",
    fingerprint=True,
    shape=Obj(
        {
            "name": STRING,
            "description": STRING,
            "fingerprint": BYTES,
            **_DEFAULTS,
            "hostRules": ListOf(Obj({"hosts": STRINGS, "pathMatcher": STRING, "description": STRING})),
            "pathMatchers": ListOf(PATH_MATCHER),
            "tests": ListOf(
                Obj(
                    {
                        "description": STRING,
                        "host": STRING,
                        "path": STRING,
                        "service": _SERVICE,
                        "expectedOutputUrl": STRING,
                        "expectedRedirectResponseCode": whole(300, 399),
                    },
                    unmodelled=words("headers"),
                ),
                most=100,
            ),
        },
        unmodelled=words("defaultCustomErrorResponsePolicy headerAction status"),
    ),
    check=check,
)
