"""URL maps: hosts and paths to backend services and buckets (Compute API v1 `urlMaps`). The rules are in `url_map_rules`."""

from __future__ import annotations

from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind, Resource
from spillway.sandbox.kinds.url_map_rules import check, check_map, run_test, service_of
from spillway.sandbox.refusals import Refusal, required
from spillway.sandbox.schema import DURATION, STRINGS, Link, Obj, Shape, whole
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

_SHAPE = published(
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
)


def validate(draft: Draft, body: Resource) -> Resource:
    """Validate: the checks of a write, and nothing is written."""
    if "resource" not in body:
        raise required("resource.resource")
    url_map = body["resource"]
    try:
        check_map(Draft(key=draft.key, resource=url_map, before=None, view=draft.view))
    except Refusal as refusal:
        return {"result": {"loadSucceeded": False, "loadErrors": [refusal.message]}}
    failures = [found for test in url_map.get("tests", []) if (found := _failure(url_map, test)) is not None]
    result: Resource = {"loadSucceeded": True, "testPassed": not failures}
    return {"result": result | ({"testFailures": failures} if failures else {})}


def _failure(url_map: Resource, test: Resource) -> Resource | None:
    try:
        run_test(url_map, test, "resource.tests")
    except Refusal:
        failure: Resource = {name: test[name] for name in ("host", "path") if name in test}
        if "service" in test:
            failure["expectedService"] = test["service"]
        if len(failure) > 1 and (actual := service_of(url_map, test)):
            failure["actualService"] = actual
        return failure
    return None


def invalidate(draft: Draft, body: Resource) -> None:
    """InvalidateCache: there is no cache here, so nothing changes; a path must be given."""
    del draft
    if "path" not in body and "cacheTags" not in body:
        raise required("resource.path")


URL_MAPS = Kind(
    collection="urlMaps",
    singular="urlMap",
    verbs=CRUD | {"update", "patch", "aggregatedList"},
    aggregated_kind="compute#urlMapsAggregatedList",
    fingerprint=True,
    shape=_SHAPE,
    check=check,
    actions=(
        Action(
            name="validate",
            body=Obj({"resource": _SHAPE, "loadBalancingSchemes": STRINGS}),
            answer=validate,
            needs_resource=False,
            bare=True,
            request_id=False,
        ),
        Action(name="invalidateCache", body=published("CacheInvalidationRule"), change=invalidate),
    ),
)
