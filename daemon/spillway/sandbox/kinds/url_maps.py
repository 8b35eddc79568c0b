"""URL maps: hosts and paths to backend services and buckets (Compute API v1 `urlMaps`). The rules are in `url_map_rules`."""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Kind
from spillway.sandbox.kinds.url_map_rules import check
from spillway.sandbox.schema import DURATION, Link, Shape, whole
from spillway.sandbox.shapes import published, under

_SERVICE = Link(("backendServices",))
_TARGET = Link(("backendServices", "backendBuckets"))
_BUCKET = Link(("backendBuckets",))

_ACTION: dict[str, Shape] = {
    "weightedBackendServices.backendService": _SERVICE,
    "weightedBackendServices.weight": whole(0, 1000),
    "requestMirrorPolicy.backendService": _SERVICE,
    **{f"cachePolicy.{name}": DURATION for name in ("clientTtl", "defaultTtl", "maxTtl", "serveWhileStale")},
    "timeout": DURATION,
    "maxStreamDuration": DURATION,
    "retryPolicy.numRetries": whole(1),
    "retryPolicy.perTryTimeout": DURATION,
}
_UNMODELLED_ACTION = "faultInjectionPolicy urlRewrite.regexRewrite"
_RULE: dict[str, Shape] = {
    "service": _TARGET,
    "customErrorResponsePolicy.errorService": _BUCKET,
    **under("routeAction", _ACTION),
}
_DEFAULT: dict[str, Shape] = {
    "defaultService": _TARGET,
    "defaultCustomErrorResponsePolicy.errorService": _BUCKET,
    **under("defaultRouteAction", _ACTION),
}


def _places(prefix: str, names: str) -> str:
    return " ".join(f"{prefix}.{name}" for name in names.split())


_UNMODELLED = " ".join(
    [
        "pathMatchers.routeRules.httpFilterConfigs pathMatchers.routeRules.httpFilterMetadata",
        "pathMatchers.routeRules.matchRules.metadataFilters",
        *(
            _places(place, _UNMODELLED_ACTION)
            for place in (
                *("defaultRouteAction", "pathMatchers.defaultRouteAction"),
                *("pathMatchers.pathRules.routeAction", "pathMatchers.routeRules.routeAction"),
            )
        ),
    ]
)

URL_MAPS = Kind(
    collection="urlMaps",
    singular="urlMap",
    verbs=CRUD | {"update", "patch", "aggregatedList"},
    aggregated_kind="compute#urlMapsAggregatedList",
    fingerprint=True,
    shape=published(
        "UrlMap",
        {
            **_DEFAULT,
            **under("pathMatchers", _DEFAULT),
            **under("pathMatchers.pathRules", _RULE),
            **under("pathMatchers.routeRules", _RULE),
            "pathMatchers.routeRules.priority": whole(0, 2147483647),
            "tests.service": _TARGET,
            "tests.expectedRedirectResponseCode": whole(300, 399),
        },
        unmodelled=_UNMODELLED,
    ),
    check=check,
)
