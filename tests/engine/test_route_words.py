"""What a plan says of routes."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.engine.routed import routed
from tests.program.sketch import sketch

from spillway.adapters.engine.describe import describe, describe_new
from spillway.adapters.engine.provider.diff import compare
from spillway.adapters.engine.provider.kinds_url_map import URL_MAP
from spillway.config.model import Config


def inputs() -> dict[str, Any]:
    made: dict[str, Any] = sketch(Config.model_validate_json(json.dumps(routed(buckets=True)))).of("URLMap")[
        "lb"
    ]
    text = json.dumps(made).replace("id/BackendService/", "projects/p/global/backendServices/")
    return json.loads(text)  # type: ignore[no-any-return]


def test_a_new_map() -> None:
    tier = "x-tier begins with prem and x-model ends with -large and x-tokens is from 1000 to below 100000"
    rest = "x-debug is not there and x-team is not red"
    big = [
        f"/v1/* if {tier} and {rest} and :method is {m} and model is big and beta is there"
        for m in ("POST", "PUT")
    ]
    split = "95 % lb-pool and 5 % lb-canary"
    retries = "timeout 150s, 2 retries on 5xx, connect-failure, 10 % mirrored to lb-shadow, error pages"
    assert list(describe_new(inputs())) == [
        "hosts www.example.com -> redirect 301 to example.com",
        "paths /openai/* -> lb-pool, prefix rewritten to /",
        "paths /old/* -> redirect 308 to /new/",
        f"paths /chat -> {split}, host rewritten to models.internal, {retries}",
        f"hosts example.com -> {split}, timeout 60s, no retries, CORS, headers changed",
        "paths /Status -> lb-canary",
        "paths /models/{model=*}/{rest=**} -> lb-premium, path rewritten to /{rest}",
        "paths /static/* -> lb-assets",
        f"paths {', '.join(big)} -> lb-canary, headers changed",
        "paths /v1/* if x-tier is premium -> lb-premium",
        "hosts * -> lb-pool, error pages",
    ]


def changes(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    return list(describe(compare(URL_MAP, olds, olds, news).differences, olds, news))


def test_changes() -> None:
    olds = inputs()
    news = copy.deepcopy(olds)
    edge = news["pathMatchers"][1]
    edge["defaultRouteAction"]["weightedBackendServices"][1]["weight"] = 20
    edge["pathRules"][0]["routeAction"]["urlRewrite"]["pathPrefixRewrite"] = "/v2/"
    edge["pathRules"][2]["routeAction"]["timeout"]["seconds"] = "30"
    news["hostRules"][1]["hosts"].append("example.org")
    del news["pathMatchers"][0]
    del news["hostRules"][0]
    assert changes(olds, news) == [
        "hosts example.com -> example.com, example.org (route-2)",
        "weight of lb-canary 5 -> 20 (example.com, example.org)",
        "prefix rewritten to / -> /v2/ (example.com, example.org /openai/*)",
        "timeout seconds 150 -> 30 (example.com, example.org /chat)",
        "route there -> nothing (www.example.com)",
    ]
