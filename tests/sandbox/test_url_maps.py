"""What a URL map takes, refuses and means: conditions, actions, error pages; and what of it reaches the world."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.conftest import Cloud

from spillway.sandbox.bridge import _control
from spillway.sandbox.routing import Request, Route, find, redirects_to_https, services_of, table

S, OTHER = (f"global/backendServices/{name}" for name in "so")
GROUP = "zones/europe-west4-a/networkEndpointGroups/api-europe-west4"


@pytest.fixture
def ready(cloud: Cloud) -> Cloud:
    """Two services: `s` and `o`, and a serverless one, `run`."""
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    backend = {"group": GROUP, "balancingMode": "RATE", "maxRatePerEndpoint": 10}
    for name in "so":
        body = {"name": name, "loadBalancingScheme": "EXTERNAL_MANAGED", "backends": [backend]}
        cloud.call("POST", "global/backendServices", {**body, "healthChecks": ["global/healthChecks/hc"]})
    return cloud


def with_rule(**rule: Any) -> dict[str, Any]:
    return _map(pathRules=[{"paths": ["/a/*"], **({} if "urlRedirect" in rule else {"service": S}), **rule}])


def with_match(**match: Any) -> dict[str, Any]:
    return _map(routeRules=[{"matchRules": [{"prefixMatch": "/a/", **match}], "service": S}])


def with_action(**action: Any) -> dict[str, Any]:
    return with_rule(routeAction=action)


def _map(**matcher: Any) -> dict[str, Any]:
    return {
        "name": "um",
        "defaultService": S,
        "hostRules": [{"hosts": ["*"], "pathMatcher": "m"}],
        "pathMatchers": [{"name": "m", "defaultService": S, **matcher}],
    }


TEMPLATE = {"pathTemplateMatch": "/v1/{model=*}/{rest=**}", "prefixMatch": None}
TAKEN = [
    with_match(headerMatches=[{"headerName": "x-tier", "exactMatch": "gold"}, {"headerName": ":method", "exactMatch": "POST"}]),
    with_match(headerMatches=[{"headerName": "x", "rangeMatch": {"rangeStart": "1", "rangeEnd": "5"}, "invertMatch": True}]),
    with_match(queryParameterMatches=[{"name": "q", "presentMatch": True}], ignoreCase=True),
    _map(routeRules=[{"priority": 1, "matchRules": [{"pathTemplateMatch": "/v1/{a=*}"}], "service": S,
                      "routeAction": {"urlRewrite": {"pathTemplateRewrite": "/{a}"}}}]),
    _map(routeRules=[{"matchRules": [{"prefixMatch": "/"}], "service": S,
                      "headerAction": {"requestHeadersToAdd": [{"headerName": "x", "headerValue": "y"}]}}]),
    with_action(timeout={"seconds": 60}, retryPolicy={"numRetries": 1, "retryConditions": ["cancelled"]}),
    with_action(corsPolicy={"allowOrigins": ["https://a.example"], "maxAge": 600}),
    with_action(requestMirrorPolicy={"backendService": OTHER, "mirrorPercent": 10}),
    with_rule(urlRedirect={"prefixRedirect": "/b/", "redirectResponseCode": "FOUND"}),
]  # fmt: skip
REFUSED: list[tuple[dict[str, Any], str]] = [
    (with_match(fullPathMatch="/b"), "Exactly one of prefixMatch, fullPathMatch and pathTemplateMatch"),
    (with_match(prefixMatch="a"), "must start with '/'"),
    (with_match(prefixMatch=None, regexMatch="/a.*"), "Regex isn't allowed for resource.pathMatchers[0].routeRules[0].matchRules[0].regexMatch"),
    (with_match(headerMatches=[{"headerName": "x", "regexMatch": "a"}]), "Regex isn't allowed for resource.pathMatchers[0].routeRules[0].matchRules[0].headerMatches[0].regexMatch"),
    (with_match(headerMatches=[{"exactMatch": "a"}]), "headerName"),
    (with_match(headerMatches=[{"headerName": "x", "exactMatch": "a", "prefixMatch": "a"}]), "Exactly one of exactMatch"),
    (with_match(queryParameterMatches=[{"name": "q"}]), "Exactly one of exactMatch, presentMatch"),
    (with_match(prefixMatch=None, pathTemplateMatch="/{a}/{b}/{c}/{d}/{e}/{f}"), "At most 5 operators"),
    (with_match(prefixMatch=None, pathTemplateMatch="/{a}", ignoreCase=True), "must not be used with"),
    (_map(routeRules=[{"matchRules": [{"prefixMatch": "/"}], "service": S}] * 2), "Priorities must be unique"),
    (with_action(urlRewrite={"pathPrefixRewrite": "/", "pathTemplateRewrite": "/{a}"}), "Only one of pathPrefixRewrite"),
    (with_action(urlRewrite={"pathTemplateRewrite": "/{a}"}), "corresponding pathTemplateMatch"),
    (_map(routeRules=[{"matchRules": [{"pathTemplateMatch": "/{a}"}], "service": S,
                       "routeAction": {"urlRewrite": {"pathTemplateRewrite": "/{b}"}}}]), "variables must exist"),
    (with_action(retryPolicy={"numRetries": 0}), "at least 1"),
    (with_action(retryPolicy={"numRetries": 1, "retryConditions": ["500"]}), "retry condition is unknown"),
    (with_action(maxStreamDuration={"seconds": 5}), "INTERNAL_SELF_MANAGED"),
    (with_action(corsPolicy={"allowOriginRegexes": ["a"]}), "Regex isn't allowed"),
    (with_action(requestMirrorPolicy={"mirrorPercent": 10}), "requestMirrorPolicy.backendService"),
    (with_action(requestMirrorPolicy={"backendService": OTHER, "mirrorPercent": 101}), "between 0 and 100"),
    (with_action(faultInjectionPolicy={"abort": {"httpStatus": 500}}), "does not model"),
    (with_rule(urlRedirect={"hostRedirect": "b"}, routeAction={"timeout": {"seconds": 5}}), "must not both be specified"),
    (_map(headerAction={"requestHeadersToAdd": [{"headerName": "X-Google-A", "headerValue": "b"}]}), "reserved"),
    (_map(headerAction={"responseHeadersToRemove": ["Host"]}), "reserved"),
    (_map(defaultCustomErrorResponsePolicy={"errorResponseRules": [{"matchResponseCodes": ["404"], "path": "/e"}]}), "errorService"),
    ({**_map(), "tests": [{"host": "a", "path": "/", "service": S, "headers": [{"name": "x", "value": "y"}]}]} | with_match(headerMatches=[{"headerName": "x", "exactMatch": "y"}]) | {
        "tests": [{"host": "a", "path": "/a/b", "service": OTHER, "headers": [{"name": "X", "value": "y"}]}]}, "Test failure"),
]  # fmt: skip


@pytest.mark.parametrize("given", TAKEN)
def test_taken(ready: Cloud, given: dict[str, Any]) -> None:
    ready.call("POST", "global/urlMaps", given)
    assert ready.call("GET", "global/urlMaps/um")["pathMatchers"][0]["name"] == "m"


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_refused(ready: Cloud, given: dict[str, Any], words: str) -> None:
    assert words in ready.refused("POST", "global/urlMaps", given)[1]


def test_a_redirect_to_https_is_for_plain_frontends(ready: Cloud) -> None:
    given = with_rule(urlRedirect={"httpsRedirect": True})
    assert redirects_to_https(given)
    ready.call("POST", "global/urlMaps", given)
    ready.call("POST", "global/sslCertificates", {"name": "c", "managed": {"domains": ["a.example.com"]}})
    proxy = {"name": "t", "urlMap": "global/urlMaps/um", "sslCertificates": ["global/sslCertificates/c"]}
    assert "httpsRedirect" in ready.refused("POST", "global/targetHttpsProxies", proxy)[1]
    ready.call(
        "PUT",
        "global/urlMaps/um",
        {**_map(), "fingerprint": ready.call("GET", "global/urlMaps/um")["fingerprint"]},
    )
    ready.call("POST", "global/targetHttpsProxies", proxy)
    given["fingerprint"] = ready.call("GET", "global/urlMaps/um")["fingerprint"]
    assert "target HTTPS proxy" in ready.refused("PUT", "global/urlMaps/um", given)[1]


MATCHES: list[tuple[dict[str, Any], Request, bool]] = [
    ({"headerMatches": [{"headerName": "X-Tier", "exactMatch": "gold"}]}, Request(host="h", path="/", headers={"x-tier": "gold"}), True),
    ({"headerMatches": [{"headerName": "x-tier", "exactMatch": "gold"}]}, Request(host="h", path="/"), False),
    ({"headerMatches": [{"headerName": "x", "prefixMatch": "a"}]}, Request(host="h", path="/", headers={"x": "ab"}), True),
    ({"headerMatches": [{"headerName": "x", "suffixMatch": "a"}]}, Request(host="h", path="/", headers={"x": "ab"}), False),
    ({"headerMatches": [{"headerName": "x", "presentMatch": True}]}, Request(host="h", path="/", headers={"x": ""}), True),
    ({"headerMatches": [{"headerName": "x", "presentMatch": True, "invertMatch": True}]}, Request(host="h", path="/"), True),
    ({"headerMatches": [{"headerName": "x", "exactMatch": "a", "invertMatch": True}]}, Request(host="h", path="/"), True),
    ({"headerMatches": [{"headerName": "x", "rangeMatch": {"rangeStart": "-5", "rangeEnd": "0"}}]}, Request(host="h", path="/", headers={"x": "-3"}), True),
    ({"headerMatches": [{"headerName": "x", "rangeMatch": {"rangeStart": "-5"}}]}, Request(host="h", path="/", headers={"x": "0"}), False),
    ({"headerMatches": [{"headerName": "x", "rangeMatch": {"rangeEnd": "5"}}]}, Request(host="h", path="/", headers={"x": "3some"}), False),
    ({"headerMatches": [{"headerName": ":method", "exactMatch": "POST"}]}, Request(host="h", path="/", method="POST"), True),
    ({"headerMatches": [{"headerName": ":authority", "exactMatch": "h"}]}, Request(host="h", path="/"), True),
    ({"queryParameterMatches": [{"name": "q", "exactMatch": "1"}]}, Request(host="h", path="/", query="a=2&q=1"), True),
    ({"queryParameterMatches": [{"name": "q", "presentMatch": True}]}, Request(host="h", path="/", query="q"), True),
    ({"queryParameterMatches": [{"name": "q", "presentMatch": True}]}, Request(host="h", path="/"), False),
]  # fmt: skip


@pytest.mark.parametrize(("match", "request_", "fits"), MATCHES)
def test_conditions(match: dict[str, Any], request_: Request, fits: bool) -> None:
    assert Route("*", "/*", {}, match).matches(request_) is fits


def test_route_rules_are_tried_by_priority_and_a_rule_without_one_goes_first() -> None:
    rules = [{"priority": 2, "matchRules": [{"prefixMatch": "/"}], "service": "two"},
             {"matchRules": [{"fullPathMatch": "/A", "ignoreCase": True}], "service": "zero"}]  # fmt: skip
    given = _map(routeRules=rules)
    assert find(given, Request(host="h", path="/a")).services == ("zero",)
    assert find(given, Request(host="h", path="/b")).services == ("two",)


def test_what_reaches_the_world() -> None:
    """Weights and copies do; redirects and buckets lead nowhere, and hide what stands behind them."""
    split = [{"backendService": f"projects/p/{OTHER}", "weight": 5}, {"backendService": f"projects/p/{S}", "weight": 15},
             {"backendService": "projects/p/global/backendServices/off", "weight": 0}]  # fmt: skip
    mirror = {"backendService": "projects/p/global/backendServices/shadow", "mirrorPercent": 10}
    given = _map(
        pathRules=[
            {
                "paths": ["/split"],
                "routeAction": {"weightedBackendServices": split, "requestMirrorPolicy": mirror},
            },
            {"paths": ["/gone"], "urlRedirect": {"hostRedirect": "b"}},
            {"paths": ["/files/*"], "service": "projects/p/global/backendBuckets/b"},
        ]
    )
    given["defaultService"] = given["pathMatchers"][0]["defaultService"] = f"projects/p/{S}"
    controls = {route.path: _control(route) for route in table(given)}
    assert (controls["/split"].service, controls["/split"].others) == ("s", (("o", 0.25),))
    assert controls["/split"].mirror == ("shadow", 0.1)
    assert controls["/gone"].service == controls["/files/*"].service == ""
    assert [path.rpartition("/")[2] for path in services_of(given)] == ["o", "off", "s", "shadow"]


def test_a_map_is_validated_and_nothing_is_written(cloud: Cloud) -> None:
    for name in ("api", "other"):
        cloud.call("POST", "global/healthChecks", {"name": name, "type": "HTTP"})
        cloud.call(
            "POST",
            "global/backendServices",
            {
                "name": name,
                "loadBalancingScheme": "EXTERNAL_MANAGED",
                "healthChecks": [f"global/healthChecks/{name}"],
            },
        )
    service = "projects/p/global/backendServices/api"
    wanted = {
        "name": "m",
        "defaultService": service,
        "tests": [{"host": "x", "path": "/", "service": "projects/p/global/backendServices/other"}],
    }
    answer = cloud.call("POST", "global/urlMaps/m/validate", {"resource": wanted})["result"]
    assert (answer["loadSucceeded"], answer["testPassed"]) == (True, False)
    assert answer["testFailures"][0]["actualService"] == service
    broken = {
        "name": "m",
        "hostRules": [{"hosts": ["*"], "pathMatcher": "nosuch"}],
        "defaultService": service,
    }
    answer = cloud.call("POST", "global/urlMaps/m/validate", {"resource": broken})["result"]
    assert answer["loadSucceeded"] is False
    assert "nosuch" in answer["loadErrors"][0]
    assert "items" not in cloud.call("GET", "global/urlMaps")
