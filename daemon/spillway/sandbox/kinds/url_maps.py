"""URL maps: hosts and paths to backend services (Compute API v1 `urlMaps`). The rules are in `url_map_rules`."""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Kind
from spillway.sandbox.kinds.url_map_rules import check
from spillway.sandbox.schema import DURATION, Link, Shape, whole
from spillway.sandbox.shapes import published, under

_SERVICE = Link(("backendServices",))

_ACTION: dict[str, Shape] = {
    "weightedBackendServices.backendService": _SERVICE,
    "weightedBackendServices.weight": whole(0, 1000),
    "timeout": DURATION,
    "maxStreamDuration": DURATION,
    "retryPolicy.numRetries": whole(1),
    "retryPolicy.perTryTimeout": DURATION,
}
_UNMODELLED_ACTION = (
    "cachePolicy corsPolicy dynamicCompressionPolicy faultInjectionPolicy imageOptimizationPolicy requestMirrorPolicy "
    "urlRewrite.pathTemplateRewrite urlRewrite.regexRewrite weightedBackendServices.headerAction"
)
_RULE: dict[str, Shape] = {"service": _SERVICE, **under("routeAction", _ACTION)}
_DEFAULT: dict[str, Shape] = {"defaultService": _SERVICE, **under("defaultRouteAction", _ACTION)}


def _places(prefix: str, names: str) -> str:
    return " ".join(f"{prefix}.{name}" for name in names.split())


_UNMODELLED = " ".join(
    [
        "defaultCustomErrorResponsePolicy headerAction tests.headers",
        "pathMatchers.defaultCustomErrorResponsePolicy pathMatchers.headerAction",
        "pathMatchers.pathRules.customErrorResponsePolicy",
        _places(
            "pathMatchers.routeRules",
            "customErrorResponsePolicy headerAction httpFilterConfigs httpFilterMetadata",
        ),
        _places(
            "pathMatchers.routeRules.matchRules",
            "headerMatches ignoreCase metadataFilters pathTemplateMatch queryParameterMatches regexMatch",
        ),
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
            "tests.service": _SERVICE,
            "tests.expectedRedirectResponseCode": whole(300, 399),
        },
        unmodelled=_UNMODELLED,
    ),
    check=check,
)
