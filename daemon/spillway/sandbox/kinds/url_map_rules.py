"""What a URL map refuses: missing or double targets, unknown matchers, odd paths, failing tests. Source: gcp.md 3."""

from __future__ import annotations

from collections import Counter

from spillway.sandbox import routing
from spillway.sandbox.kinds.base import Draft, Resource
from spillway.sandbox.kinds.url_map_actions import check_actions, check_errors, check_match
from spillway.sandbox.refusals import invalid, required

MOST_TESTS = 100
"""Tests of one URL map (Compute API, `UrlMap.tests`)."""


def check(draft: Draft) -> None:
    """Apply all rules, the map's own tests last."""
    check_map(draft)
    for at, test in enumerate(draft.resource.get("tests", [])):
        run_test(draft.resource, test, f"resource.tests[{at}]")


def check_map(draft: Draft) -> None:
    """Apply all rules but the map's own tests."""
    url_map = draft.resource
    _one_target(url_map, "resource", prefix="default")
    check_actions(draft, url_map, "resource", prefix="default")
    names = _check_matchers(draft)
    _check_hosts(url_map.get("hostRules", []), names)
    _check_https(draft)
    tests = url_map.get("tests", [])
    if len(tests) > MOST_TESTS:
        raise invalid("resource.tests", len(tests), f"At most {MOST_TESTS} values are allowed.")


def _one_target(node: Resource, place: str, *, prefix: str) -> None:
    names = [
        f"{prefix}{word}" if prefix else word[0].lower() + word[1:]
        for word in ("Service", "UrlRedirect", "RouteAction")
    ]
    service, redirect, action = names
    weights = node.get(action, {}).get("weightedBackendServices")
    given = [
        name
        for name, there in (
            (service, service in node),
            (redirect, redirect in node),
            (f"{action}.weightedBackendServices", bool(weights)),
        )
        if there
    ]
    if len(given) != 1:
        raise invalid(
            place,
            ", ".join(given),
            f"Exactly one of {service}, {redirect} and {action}.weightedBackendServices must be specified.",
        )
    if weights:
        _check_weights(weights, f"{place}.{action}.weightedBackendServices")
    if redirect in node:
        _check_redirect(node[redirect], f"{place}.{redirect}")


def _check_weights(weights: list[Resource], place: str) -> None:
    for at, weight in enumerate(weights):
        if "backendService" not in weight:
            raise required(f"{place}[{at}].backendService")
    if sum(weight.get("weight", 0) for weight in weights) == 0:
        raise invalid(place, 0, "The sum of the weights must be above 0.")


def _check_redirect(redirect: Resource, place: str) -> None:
    if "pathRedirect" in redirect and "prefixRedirect" in redirect:
        raise invalid(
            f"{place}.pathRedirect",
            redirect["pathRedirect"],
            "Only one of pathRedirect and prefixRedirect may be specified.",
        )
    if not any(
        redirect.get(name) for name in ("hostRedirect", "httpsRedirect", "pathRedirect", "prefixRedirect")
    ):
        raise invalid(place, "", "A redirect must change the host, the path or the scheme.")


def _check_https(draft: Draft) -> None:
    """A redirect to https is for target HTTP proxies alone (`HttpRedirectAction.httpsRedirect`)."""
    if not routing.redirects_to_https(draft.resource):
        return
    for user in draft.view.users(draft.key.path):
        if "/targetHttpsProxies/" in user:
            raise invalid(
                "resource.urlRedirect.httpsRedirect",
                "true",
                f"The URL map is used by the target HTTPS proxy '{user}'.",
            )


def _check_matchers(draft: Draft) -> set[str]:
    names: set[str] = set()
    pages = "defaultCustomErrorResponsePolicy"
    above = check_errors(draft.resource.get(pages), f"resource.{pages}", above=False)
    for at, matcher in enumerate(draft.resource.get("pathMatchers", [])):
        place = f"resource.pathMatchers[{at}]"
        if "name" not in matcher:
            raise required(f"{place}.name")
        if matcher["name"] in names:
            raise invalid(f"{place}.name", matcher["name"], "Path matcher names must be unique.")
        names.add(matcher["name"])
        _one_target(matcher, place, prefix="default")
        if "pathRules" in matcher and "routeRules" in matcher:
            raise invalid(place, matcher["name"], "Only one of pathRules and routeRules may be specified.")
        check_actions(draft, matcher, place, prefix="default")
        has_bucket = check_errors(matcher.get(pages), f"{place}.{pages}", above=above)
        _check_path_rules(matcher.get("pathRules", []), place)
        _check_route_rules(matcher.get("routeRules", []), place)
        for kind in ("pathRules", "routeRules"):
            for number, rule in enumerate(matcher.get(kind, [])):
                here = f"{place}.{kind}[{number}]"
                matches = rule.get("matchRules", [])
                templates = [m["pathTemplateMatch"] for m in matches if "pathTemplateMatch" in m]
                whole = templates if len(templates) == len(matches) else []
                check_actions(draft, rule, here, prefix="", templates=whole)
                check_errors(
                    rule.get("customErrorResponsePolicy"),
                    f"{here}.customErrorResponsePolicy",
                    above=has_bucket,
                )
    return names


def _check_path_rules(rules: list[Resource], place: str) -> None:
    seen: Counter[str] = Counter()
    for at, rule in enumerate(rules):
        here = f"{place}.pathRules[{at}]"
        _one_target(rule, here, prefix="")
        if not rule.get("paths"):
            raise required(f"{here}.paths")
        for path in rule["paths"]:
            seen[path] += 1
            if (
                not path.startswith("/")
                or "*" in path[:-1]
                or (path.endswith("*") and not path.endswith("/*"))
            ):
                raise invalid(
                    f"{here}.paths",
                    path,
                    "Paths must start with '/', and '*' may only stand at the end, after a '/'.",
                )
            if seen[path] > 1:
                raise invalid(f"{here}.paths", path, "The path appears more than once in the path matcher.")


def _check_route_rules(rules: list[Resource], place: str) -> None:
    seen: set[int] = set()
    for at, rule in enumerate(rules):
        here = f"{place}.routeRules[{at}]"
        _one_target(rule, here, prefix="")
        priority = rule.get("priority", 0)
        if priority in seen:
            raise invalid(f"{here}.priority", priority, "Priorities must be unique.")
        seen.add(priority)
        if not rule.get("matchRules"):
            raise required(f"{here}.matchRules")
        for number, match in enumerate(rule["matchRules"]):
            check_match(match, f"{here}.matchRules[{number}]")


def _check_hosts(rules: list[Resource], matchers: set[str]) -> None:
    seen: set[str] = set()
    for at, rule in enumerate(rules):
        place = f"resource.hostRules[{at}]"
        if not rule.get("hosts"):
            raise required(f"{place}.hosts")
        if "pathMatcher" not in rule:
            raise required(f"{place}.pathMatcher")
        if rule["pathMatcher"] not in matchers:
            raise invalid(
                f"{place}.pathMatcher",
                rule["pathMatcher"],
                "The path matcher is not defined in pathMatchers.",
            )
        for host in rule["hosts"]:
            if host in seen:
                raise invalid(f"{place}.hosts", host, "The host appears in more than one host rule.")
            if "*" in host[1:] or (host.startswith("*") and host != "*" and host[1] not in ".-"):
                raise invalid(
                    f"{place}.hosts", host, "'*' may only stand at the start, followed by '.' or '-'."
                )
            seen.add(host)


def service_of(url_map: Resource, test: Resource) -> str:
    """The service that a test's request reaches; empty for a redirect."""
    return "".join(_tried(url_map, test).services[:1])


def run_test(url_map: Resource, test: Resource, place: str) -> None:
    """Hold one of the map's tests.

    Raises:
        Refusal: the request goes elsewhere, or the test lacks something.
    """
    for name in ("host", "path"):
        if name not in test:
            raise required(f"{place}.{name}")
    url = f"{test['host']}{test['path']}"
    route = _tried(url_map, test)
    if "service" in test and test["service"] not in route.services:
        found = route.services[0] if route.services else "a redirect"
        raise invalid(
            place,
            url,
            f"Test failure: Expect URL '{url}' to map to service '{test['service']}', but actually mapped to '{found}'.",
        )
    if "expectedRedirectResponseCode" in test and "urlRedirect" not in route.action:
        raise invalid(
            place,
            url,
            f"Test failure: Expect URL '{url}' to be redirected, but actually mapped to '{''.join(route.services[:1])}'.",
        )


def _tried(url_map: Resource, test: Resource) -> routing.Route:
    path, _, query = test["path"].partition("?")
    headers = {h["name"].lower(): h.get("value", "") for h in test.get("headers", []) if "name" in h}
    return routing.find(url_map, routing.Request(host=test["host"], path=path, query=query, headers=headers))
