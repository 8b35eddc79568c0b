"""Routes with all that a URL map can do, built by every engine on the sandbox: what stands is what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from tests.engine.conftest import PROJECT
from tests.engine.routed import routed
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.adapters.engine.provider.kinds import without_zeros
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.ports import Outcome
from spillway.sandbox.server import SandboxServer


def config_of(raw: dict[str, Any]) -> Config:
    """As from a file, where lists are lists."""
    return Config.model_validate_json(json.dumps(raw))


def standing(sandbox: SandboxServer) -> dict[str, Any]:
    """The URL map as the API shows it, matchers by their first host."""
    found = requests.get(f"{sandbox.url}/compute/v1/projects/{PROJECT}/global/urlMaps/lb", timeout=10).json()
    names = {rule["pathMatcher"]: rule["hosts"][0] for rule in found["hostRules"]}
    return {names[matcher["name"]]: matcher for matcher in found["pathMatchers"]}


def test_routes_are_built_stay_as_they_are_and_change_in_place(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    raw = routed(buckets=True)
    config = config_of(raw)
    wanted = starting_overlay(config)
    engine = engine_of(config, tmp_path, kind=kind, endpoint=sandbox.url)
    applied = engine.apply(wanted)
    assert applied.outcome is Outcome.DONE, applied.sentence
    again = engine.build(wanted)
    assert again.outcome is Outcome.UNCHANGED, f"a refresh must not make differences: {again.sentence}"
    assert engine.preview(wanted).changes == ()

    found = standing(sandbox)
    assert found["www.example.com"]["defaultUrlRedirect"]["hostRedirect"] == "example.com"
    action = found["example.com"]["defaultRouteAction"]
    assert [part["weight"] for part in action["weightedBackendServices"]] == [95, 5]
    assert action["timeout"] == {"seconds": "60"}
    assert action["retryPolicy"] == {"numRetries": 1, "retryConditions": ["cancelled"]}
    rules = {tuple(rule["paths"]): rule for rule in found["example.com"]["pathRules"]}
    # The real provider writes out what is off.
    assert without_zeros(rules["/openai/*",]["routeAction"]) == {
        "urlRewrite": {"pathPrefixRewrite": "/"},
        "cachePolicy": {"cacheMode": "CACHE_ALL_STATIC", "defaultTtl": {"seconds": "60"}},
    }
    assert rules["/old/*",]["urlRedirect"] == {
        "prefixRedirect": "/new/", "redirectResponseCode": "PERMANENT_REDIRECT", "stripQuery": True,
    }  # fmt: skip
    assert rules["/chat",]["routeAction"]["requestMirrorPolicy"]["mirrorPercent"] == 10
    assert [rule["priority"] for rule in found["*"]["routeRules"]] == [10, *range(100000, 100004)]
    getattr(engine, "close")()  # noqa: B009 not part of the port

    raw["topology"]["routes"][1]["split"][1]["weight"] = 20
    raw["topology"]["routes"][2]["paths"][0]["headers"] = {"x-tier": "gold"}
    changed = engine_of(config_of(raw), tmp_path, kind=kind, endpoint=sandbox.url)
    applied = changed.apply(wanted)
    assert applied.changes == (("update", "lb"),), applied.sentence
    assert (
        standing(sandbox)["example.com"]["defaultRouteAction"]["weightedBackendServices"][1]["weight"] == 20
    )
    assert changed.preview(wanted).changes == ()
    getattr(changed, "close")()  # noqa: B009


def test_a_move_leaves_weights_alone(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> None:
    from dataclasses import replace

    config = config_of(routed(buckets=True))
    start = starting_overlay(config)
    engine = engine_of(config, tmp_path, kind=kind, endpoint=sandbox.url)
    assert engine.apply(start).outcome is Outcome.DONE
    before = standing(sandbox)
    moved = replace(start.service("canary").backend("us-east4"), scaler=0.3)
    applied = engine.apply(start.with_service(start.service("canary").with_backend(moved)))
    assert applied.changes == (("update", "lb-canary"),), applied.sentence
    assert standing(sandbox) == before
    getattr(engine, "close")()  # noqa: B009 not part of the port
