"""What the API refuses around services: policies, caches, keys, headers, affinity, regional groups; and what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.sandbox.conftest import Cloud, make_cloud
from tests.sandbox.discovery import Discovery
from tests.sandbox.test_published import KEY, THROTTLE
from tests.sandbox.test_rules import EU, body, prepare

from spillway.sandbox.seeds import SeedGroup

REGIONAL = {
    "group": "regions/us-east4/instanceGroups/mig",
    "balancingMode": "UTILIZATION",
    "maxUtilization": 0.8,
}


@pytest.fixture(scope="module")
def edge(discovery: Discovery) -> Iterator[Cloud]:
    made = make_cloud(discovery)
    with made.server:
        prepare(made)
        mig = SeedGroup(project="p", zone="us-east4", name="mig", kind="regional_instance_group", endpoints=3)
        made.server.store.seed_groups([mig])
        for policy in ({"name": "waf"}, {"name": "edge", "type": "CLOUD_ARMOR_EDGE"}):
            made.call("POST", "global/securityPolicies", policy)
        made.policy("POST", "serviceLbPolicies", {}, serviceLbPolicyId="lb")
        yield made


def limited(**options: Any) -> dict[str, Any]:
    rule: dict[str, Any] = THROTTLE
    return {**rule, "rateLimitOptions": {**rule["rateLimitOptions"], **options}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (body({**REGIONAL, "preference": "PREFERRED"}), "Preference is not supported for regional"),
    (body({**REGIONAL, "balancingMode": "RATE", "maxRate": 5}), "use max rate per instance"),
    (
        body(REGIONAL, serviceLbPolicy="//networkservices.googleapis.com/projects/p/locations/global/serviceLbPolicies/lb"),
        "not supported with regional managed instance groups",
    ),
    (body(EU, customRequestHeaders=["x"]), "The header is invalid"),
    (body(EU, customRequestHeaders=["X-Goog-A: b"]), "The header is invalid"),
    (body(EU, customRequestHeaders=["a: b", "A: c"]), "may appear once"),
    (body(EU, customRequestHeaders=[f"a{i}: b" for i in range(17)]), "At most 16"),
    (body(EU, enableCDN=True, cdnPolicy={"defaultTtl": 90000}), "must not exceed max_ttl"),
    (body(EU, enableCDN=True, cdnPolicy={"cacheMode": "USE_ORIGIN_HEADERS", "defaultTtl": 5}), "cannot be set with cache mode"),
    (body(EU, cdnPolicy={"negativeCaching": False, "negativeCachingPolicy": [{"code": 404, "ttl": 5}]}), "must be enabled"),
    (body(EU, sessionAffinity="HEADER_FIELD"), "consistentHash.httpHeaderName"),
    (body(EU, sessionAffinity="STRONG_COOKIE_AFFINITY"), "strongSessionAffinityCookie"),
    (body(EU, localityLbPolicy="WEIGHTED_MAGLEV"), "not supported by this load balancing scheme"),
    (body(EU, protocol="HTTPS", tlsSettings={"subjectAltNames": [{"dnsName": c} for c in "abcdef"]}), "At most 5"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_an_unlawful_service_is_refused(edge: Cloud, given: dict[str, Any], words: str) -> None:
    _, message = edge.refused("POST", "global/backendServices", given)
    assert words in message


RULES: list[tuple[dict[str, Any], str]] = [
    ({**THROTTLE, "rateLimitOptions": None}, "Rate limit options must be set"),
    ({**THROTTLE, "action": "deny(429)", "rateLimitOptions": None}, "action is not supported"),
    (limited(exceedAction="deny(500)"), "action is not supported"),
    (limited(conformAction="deny(403)"), "Must be allow"),
    (limited(enforceOnKey="HTTP_HEADER"), "A name goes with"),
    (limited(rateLimitThreshold={"count": 5, "intervalSec": 90}), "Must be one of [10, 30, 60"),
    ({**THROTTLE, "priority": 2147483647}, "same priorities"),
]


@pytest.mark.parametrize(("rule", "words"), RULES)
def test_an_unlawful_rule_is_refused(edge: Cloud, rule: dict[str, Any], words: str) -> None:
    _, message = edge.refused("POST", "global/securityPolicies/waf/addRule", rule)
    assert words in message
    assert len(edge.call("GET", "global/securityPolicies/waf")["rules"]) == 1


def test_a_policy_ends_with_a_rule_that_nobody_removes(edge: Cloud) -> None:
    (last,) = edge.call("GET", "global/securityPolicies/waf")["rules"]
    assert (last["action"], last["priority"]) == ("allow", 2147483647)
    _, message = edge.refused("POST", "global/securityPolicies/waf/removeRule", {}, priority="2147483647")
    assert "cannot be removed" in message


def test_a_policy_is_attached_by_its_type_and_stays_while_it_is_used(edge: Cloud) -> None:
    edge.call("POST", "global/backendServices", body(EU))
    waf, shown = "global/securityPolicies/waf", "global/backendServices/s"
    _, message = edge.refused(
        "POST", f"{shown}/setSecurityPolicy", {"securityPolicy": "global/securityPolicies/edge"}
    )
    assert "must be of type CLOUD_ARMOR" in message
    edge.call(
        "POST", f"{shown}/setSecurityPolicy", {"securityPolicy": "global/securityPolicies/none"}, status=404
    )
    edge.call("POST", f"{shown}/setSecurityPolicy", {"securityPolicy": waf})
    live = edge.call("GET", shown)
    assert live["securityPolicy"].endswith(waf)
    live = edge.call("PUT", shown, {**live, "timeoutSec": 40}) and edge.call("GET", shown)
    assert live["securityPolicy"].endswith(waf), "a PUT leaves it alone"
    reason, _ = edge.refused("DELETE", waf)
    assert reason == "resourceInUseByAnotherResource"
    edge.call("POST", f"{shown}/setSecurityPolicy", {})
    assert "securityPolicy" not in edge.call("GET", shown)
    edge.call("DELETE", shown)


def test_keys_are_checked_and_never_shown(edge: Cloud) -> None:
    edge.call("POST", "global/backendBuckets", {"name": "b", "bucketName": "assets", "enableCdn": True})
    add = "global/backendBuckets/b/addSignedUrlKey"
    _, message = edge.refused("POST", add, {"keyName": "k", "keyValue": "short"})
    assert "128 bits" in message
    assert "short" not in message
    for name in "klm":
        edge.call("POST", add, {"keyName": name, "keyValue": KEY})
    assert "At most 3" in edge.refused("POST", add, {"keyName": "n", "keyValue": KEY})[1]
    shown = edge.call("GET", "global/backendBuckets/b")
    assert shown["cdnPolicy"]["signedUrlKeyNames"] == ["k", "l", "m"]
    assert KEY not in str(shown)
    edge.call("PUT", "global/backendBuckets/b", {"name": "b", "bucketName": "assets", "enableCdn": True})
    shown = edge.call("GET", "global/backendBuckets/b")
    assert shown["cdnPolicy"]["signedUrlKeyNames"] == ["k", "l", "m"], "a PUT leaves them alone"
    _, message = edge.refused("POST", "global/backendBuckets/b/deleteSignedUrlKey", {}, keyName="z")
    assert "no such key" in message
    edge.call("DELETE", "global/backendBuckets/b")


def test_a_regional_group_is_balanced_and_probed(edge: Cloud) -> None:
    edge.call("POST", "global/backendServices", body(REGIONAL))
    found = edge.call("POST", "global/backendServices/s/getHealth", {"group": REGIONAL["group"]})
    zones = {entry["instance"].split("/zones/")[1].partition("/")[0] for entry in found["healthStatus"]}
    assert zones == {"us-east4-a", "us-east4-b", "us-east4-c"}
    edge.call("POST", "regions/us-east4/instanceGroups", {"name": "new"}, status=404)
    edge.call("DELETE", "global/backendServices/s")
