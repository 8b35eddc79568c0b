"""What belongs together, of resources that the sandbox does not have: regional, internal and foreign ones."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import pytest

from spillway.adapters.adopt.layout import find_layout
from spillway.adapters.adopt.reading import CloudReader
from spillway.adapters.adopt.refusals import Refusal, Refusals, RefusedError

ROOT = "https://www.googleapis.com/compute/beta/projects/p"


class Cloud:
    """Answers as a `CloudReader` from what it is given."""

    project = "p"

    def __init__(self, regional: Iterable[dict[str, Any]] = (), **collections: list[dict[str, Any]]) -> None:
        self._regional = tuple(regional)
        self._global = collections

    def listed(self, collection: str) -> dict[str, dict[str, Any]]:
        return {
            f"projects/p/global/{collection}/{body['name']}": {
                **body,
                "selfLink": f"{ROOT}/global/{collection}/{body['name']}",
            }
            for body in self._global.get(collection, ())
        }

    def anywhere(self, collection: str, name: str) -> tuple[dict[str, Any], ...]:
        return tuple(b for b in self._regional if (b["collection"], b["name"]) == (collection, name))

    def each(self, paths: Iterable[str]) -> dict[str, dict[str, Any]]:
        known = {path: body for name in self._global for path, body in self.listed(name).items()}
        return {path: known[path] for path in paths if path in known}


def refused(cloud: Cloud, name: str) -> tuple[Refusal, ...]:
    refusals = Refusals()
    with suppress(RefusedError):
        find_layout(cast("CloudReader", cloud), name, refusals)
    return tuple(refusals.found)


@pytest.mark.parametrize(
    ("scheme", "words"),
    [("INTERNAL_MANAGED", "an internal load balancer"), ("EXTERNAL_MANAGED", "a regional load balancer")],
)
def test_one_of_a_region(scheme: str, words: str) -> None:
    rule = {
        "collection": "forwardingRules",
        "name": "r",
        "region": f"{ROOT}/regions/us-east4",
        "loadBalancingScheme": scheme,
    }
    (refusal,) = refused(Cloud(regional=[rule]), "r")
    assert (refusal.resource, refusal.field) == ("forwarding rule r", "region")
    assert f"{words} in us-east4" in refusal.sentence
    assert "spillway up" in refusal.remedy


def test_a_rule_that_leads_elsewhere() -> None:
    rule = {"name": "r", "IPAddress": "203.0.113.1", "target": f"{ROOT}/global/targetSslProxies/x"}
    (refusal,) = refused(Cloud(forwardingRules=[rule]), "r")
    assert refusal.field == "target"
    assert "targetSslProxies x" in refusal.sentence


def test_an_internal_one_that_serves_all_regions() -> None:
    service = {"name": "s", "loadBalancingScheme": "INTERNAL_MANAGED"}
    cloud = Cloud(
        forwardingRules=[
            {
                "name": "r",
                "IPAddress": "10.0.0.1",
                "loadBalancingScheme": "INTERNAL_MANAGED",
                "portRange": "80-80",
                "target": f"{ROOT}/global/targetHttpProxies/x",
            }
        ],
        targetHttpProxies=[{"name": "x", "urlMap": f"{ROOT}/global/urlMaps/m"}],
        urlMaps=[{"name": "m", "defaultService": f"{ROOT}/global/backendServices/s"}],
        backendServices=[service],
    )
    found = refused(cloud, "m")
    assert {(r.resource, r.field) for r in found} == {
        ("forwarding rule r", "loadBalancingScheme"),
        ("backend service s", "loadBalancingScheme"),
    }


def test_a_redirecting_map_leads_to_the_one_beside_it() -> None:
    rules = [
        {"name": "tls", "IPAddress": "203.0.113.1", "loadBalancingScheme": "EXTERNAL_MANAGED", "portRange": "443-443",
         "target": f"{ROOT}/global/targetHttpsProxies/t"},
        {"name": "plain", "IPAddress": "203.0.113.1", "loadBalancingScheme": "EXTERNAL_MANAGED", "portRange": "80-80",
         "target": f"{ROOT}/global/targetHttpProxies/p"},
    ]  # fmt: skip
    cloud = Cloud(
        forwardingRules=rules,
        targetHttpsProxies=[{"name": "t", "urlMap": f"{ROOT}/global/urlMaps/main"}],
        targetHttpProxies=[{"name": "p", "urlMap": f"{ROOT}/global/urlMaps/to-https"}],
        urlMaps=[
            {"name": "main", "defaultService": f"{ROOT}/global/backendServices/s"},
            {
                "name": "to-https",
                "defaultUrlRedirect": {"httpsRedirect": True, "redirectResponseCode": "FOUND"},
            },
        ],
        backendServices=[{"name": "s", "loadBalancingScheme": "EXTERNAL_MANAGED"}],
    )
    for name in ("plain", "to-https", "tls", "main"):
        refusals = Refusals()
        layout = find_layout(cast("CloudReader", cloud), name, refusals)
        assert refusals.found == []
        assert layout.url_map["name"] == "main"
        assert layout.redirect_map is not None
        assert layout.redirect_map["name"] == "to-https"
        assert [(f.protocol, f.redirects) for f in layout.frontends] == [("https", False), ("http", True)]
