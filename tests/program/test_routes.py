"""Routes as path matchers: what is declared, in which of Google's two forms, and that both mean the same."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from tests.engine.routed import routed
from tests.program.sketch import sketch

from spillway.adapters.engine.provider.convert import to_body
from spillway.adapters.engine.provider.kinds import without_zeros
from spillway.adapters.program.build import urls
from spillway.adapters.program.path_matchers import Targets, path_matcher
from spillway.adapters.program.provider_fields import fields_of, keywords
from spillway.adapters.program.sdk import compute
from spillway.config.model import Config
from spillway.config.routes import PathRuleConfig, RouteConfig
from spillway.sandbox.routing import Request, find
from spillway.sim.matching import path_matches

TARGETS = Targets(
    default="projects/p/global/backendServices/pool",
    services={
        name: f"projects/p/global/backendServices/{name}" for name in ("pool", "canary", "premium", "shadow")
    },
    buckets={"assets": "projects/p/global/backendBuckets/assets"},
)


def route(**given: Any) -> RouteConfig:
    return RouteConfig.model_validate_json(json.dumps(given))


def matcher(**given: Any) -> dict[str, Any]:
    return path_matcher("m", route(**given), TARGETS)


def test_a_route_that_only_has_paths_gets_path_rules() -> None:
    made = matcher(paths=[{"paths": ["/a", "/a/*"], "service": "canary"}])
    assert made["pathRules"] == [{"paths": ["/a", "/a/*"], "service": TARGETS.services["canary"]}]
    assert made["defaultService"] == TARGETS.services["pool"]
    assert "routeRules" not in made


@pytest.mark.parametrize(
    "entry",
    [
        {"headers": {"x-tier": "gold"}},
        {"query": {"model": "big"}},
        {"methods": ["POST"]},
        {"priority": 3},
        {"ignore_case": True},
        {"request_headers": {"set": {"x-a": "b"}}},
        {"response_headers": {"remove": ["server"]}},
        {"paths": ["/a/{rest=**}"]},
    ],
)
def test_what_path_rules_cannot_say_makes_route_rules(entry: dict[str, Any]) -> None:
    given = {"paths": ["/a/*"], "service": "canary"}
    made = matcher(paths=[{**given, **entry}, {"paths": ["/b"], "service": "premium"}])
    assert len(made["routeRules"]) == 2
    assert "pathRules" not in made


def test_an_entry_without_a_target_goes_where_its_route_goes() -> None:
    split = [{"service": "pool", "weight": 3}, {"service": "canary", "weight": 1}]
    made = matcher(split=split, paths=[{"paths": ["/slow"], "timeout": "1h"}])
    (rule,) = made["pathRules"]
    shares = made["defaultRouteAction"]["weightedBackendServices"]
    assert rule["routeAction"] == {"weightedBackendServices": shares, "timeout": {"seconds": "3600"}}
    made = matcher(bucket="assets", paths=[{"paths": ["/slow"], "timeout": "1500ms"}])
    assert made["pathRules"][0]["service"] == made["defaultService"] == TARGETS.buckets["assets"]
    assert made["pathRules"][0]["routeAction"]["timeout"] == {"seconds": "1", "nanos": 500_000_000}


def test_retries_that_are_off_have_a_condition_that_no_plain_answer_meets() -> None:
    off = matcher(retries={"attempts": 0})["defaultRouteAction"]["retryPolicy"]
    assert off == {"numRetries": 1, "retryConditions": ["cancelled"]}
    usual = matcher(retries={"attempts": 2})["defaultRouteAction"]["retryPolicy"]
    assert usual == {"numRetries": 2, "retryConditions": ["gateway-error"]}


def test_error_pages_of_a_route_stand_on_the_matcher() -> None:
    pages = {"bucket": "assets", "rules": [{"codes": [404, "5xx"], "path": "/e.html", "code": 200}]}
    made = matcher(
        errors=pages, paths=[{"paths": ["/a"], "service": "canary", "errors": {"rules": pages["rules"]}}]
    )
    rules = [{"matchResponseCodes": ["404", "5xx"], "path": "/e.html", "overrideResponseCode": 200}]
    assert made["defaultCustomErrorResponsePolicy"] == {
        "errorResponseRules": rules, "errorService": TARGETS.buckets["assets"],
    }  # fmt: skip
    assert made["pathRules"][0]["customErrorResponsePolicy"] == {"errorResponseRules": rules}


def test_methods_are_alternatives_and_headers_are_not() -> None:
    made = matcher(
        paths=[
            {"paths": ["/a", "/b/*"], "methods": ["GET", "HEAD"], "headers": {"x": "1"}, "service": "canary"}
        ]
    )
    rules = [match for rule in made["routeRules"] for match in rule["matchRules"]]
    assert [(m.get("fullPathMatch") or m["prefixMatch"], m["headerMatches"][1]["exactMatch"]) for m in rules] == [
        ("/b/", "GET"), ("/b/", "HEAD"), ("/a", "GET"), ("/a", "HEAD"),
    ]  # fmt: skip
    assert {m["headerMatches"][0]["headerName"] for m in rules} == {"x"}


def leaves(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            path: leaf for name, part in value.items() for path, leaf in leaves(part, f"{at}.{name}").items()
        }
    if isinstance(value, list):
        return {
            path: leaf for i, part in enumerate(value) for path, leaf in leaves(part, f"{at}[{i}]").items()
        }
    return {at: value}


def test_the_provider_has_an_argument_for_all_that_is_declared() -> None:
    """`keywords` leaves out what a class does not have: nothing of a route may be lost so."""
    config = Config.model_validate_json(json.dumps(routed(buckets=True)))
    declared = sketch(config).of("URLMap")["lb"]["pathMatchers"]
    services = {name: f"id/BackendService/lb-{name}" for name in config.topology.services}
    buckets = {"assets": "id/BackendBucket/lb-assets"}
    targets = Targets(default=services["pool"], services=services, buckets=buckets)
    wanted = [
        path_matcher(f"route-{number}", given, targets)
        for number, given in enumerate(config.topology.routes, start=1)
    ]
    assert leaves(declared) == leaves(wanted)


PATHS = ("/a", "/a/*", "/a/b", "/a/b/*", "/a/b/c", "/b/*", "/c")
ASKED = ("/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/d", "/b", "/b/x", "/c", "/c/d", "/ab")


def meant(given: RouteConfig, request: Request) -> str:
    """The rule in words, not in Google's forms: entries with a priority first; then the longest path, then the most conditions."""

    def fits(entry: PathRuleConfig, path: str) -> bool:
        return (
            path_matches(path, request.path)
            and all(request.header(name) == match.exact for name, match in entry.headers.items())
            and (not entry.methods or request.method in entry.methods)
        )

    hits = [
        (
            entry.priority or 10**9,
            -len(path.rstrip("*")) if entry.priority is None else 0,
            -entry.conditions,
            number,
        )
        for number, entry in enumerate(given.paths)
        for path in entry.paths
        if fits(entry, path)
    ]
    return given.paths[min(hits)[3]].service or "" if hits else "default"


@pytest.mark.parametrize("seed", range(40))
def test_both_forms_mean_the_same(seed: int) -> None:
    """A random table of entries against random requests: by the words of the docs, and by the map that is built."""
    rng = random.Random(seed)
    conditional = seed % 2 == 1
    seen: set[tuple[str, str]] = set()
    entries = []
    for number in range(rng.randint(1, 6)):
        extra: dict[str, Any] = {}
        if conditional and rng.random() < 0.6:
            names = rng.sample(["x-a", "x-b"], rng.randint(1, 2))
            extra["headers"] = {name: rng.choice("01") for name in sorted(names)}
        if conditional and rng.random() < 0.3:
            extra["methods"] = ["POST"]
        if conditional and rng.random() < 0.2:
            extra["priority"] = number + 1
        paths = [p for p in rng.sample(PATHS, rng.randint(1, 3)) if (p, json.dumps(extra)) not in seen]
        seen |= {(path, json.dumps(extra)) for path in paths}
        if paths:
            entries.append({"paths": paths, "service": f"s{number}", **extra})
    given = route(service="default", paths=entries)
    services = {name: name for name in ("default", *(entry["service"] for entry in entries))}
    made = path_matcher("m", given, Targets(default=services["default"], services=services))
    url_map = to_body(
        "UrlMap",
        without_zeros({"hostRules": [{"hosts": ["*"], "pathMatcher": "m"}], "pathMatchers": [made]}),
    )
    assert ("routeRules" in made) == any(set(entry) > {"paths", "service"} for entry in entries)
    for path in ASKED:
        headers = {name: rng.choice("01") for name in ("x-a", "x-b") if rng.random() < 0.7}
        request = Request(host="h", path=path, method=rng.choice(["GET", "POST"]), headers=headers)
        assert find(url_map, request).services == (meant(given, request),), (path, headers, entries)


def test_the_classes_of_the_three_kinds_of_rules_are_alike() -> None:
    """A matcher's default, a path rule and a route rule take the same actions, but for templates."""
    default = fields_of(compute.URLMapPathMatcherDefaultRouteActionArgs)
    for other in (
        compute.URLMapPathMatcherPathRuleRouteActionArgs,
        compute.URLMapPathMatcherRouteRuleRouteActionArgs,
    ):
        assert set(fields_of(other)) == set(default)
    assert keywords(compute.URLMapPathMatcherArgs, {"name": "m"}) == {"name": "m"}


def test_only_paths_that_lead_somewhere_by_themselves_have_a_url() -> None:
    config = Config.model_validate_json(json.dumps(routed()))
    told = urls(config, "203.0.113.7")
    assert [path for path in told if path.startswith("/")] == ["/Status"]
    assert told["example.com/openai/*"] == "http://example.com/openai/"
