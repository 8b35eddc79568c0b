"""Steered splits on the sandbox: a moved weight is one PUT of the URL map, is routed by, read back, and respected when a person sets it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.engine.bench_config import document
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of
from tests.sandbox.conftest import ToyPlant

from spillway.adapters.compute import ComputeReader
from spillway.adapters.drift.guarded import GuardedDeployer
from spillway.adapters.google_http import sandbox_session
from spillway.config.fleet import fleet, starting_overlay
from spillway.config.model import Config
from spillway.config.names import url_map
from spillway.core.loop import fresh, health_step
from spillway.core.observe.rows import HealthReads, Lag, ListedService
from spillway.core.observe.snapshot import NOTHING_ASKED, observe
from spillway.core.values.decision import Lever
from spillway.core.values.overlay import Overlay
from spillway.core.values.snapshot import Absence, Missing
from spillway.ports import Outcome
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer

REGIONS = ("asia-northeast1", "europe-west4", "us-east4")


def split_config(**route: Any) -> Config:
    """Three Cloud Run services that share the requests of one host; a path of the route follows, another has a split of its own."""
    raw = document()
    topology = raw["topology"]
    topology["regions"] |= {region: {"groups": [{"serverless_neg": "run"}]} for region in REGIONS}
    topology["regions"]["us-central1"] = {
        "groups": [{"zone": "us-central1-a", "neg": "rest"}],
        "balancing": {"mode": "RATE", "max_rate_per_endpoint": 10},
    }
    topology["services"] = {
        "pool": {"health_check": "ready", "regions": ["us-central1"]},
        **{f"chat-{region}": {"regions": [region]} for region in REGIONS},
    }
    topology["routes"] = [
        {
            "hosts": ["chat.example.com"],
            "matcher": "chat",
            "split": [
                {
                    "service": f"chat-{region}",
                    "weight": weight,
                    **({"min_weight": 60} if weight == 200 else {}),
                }
                for region, weight in zip(REGIONS, (200, 400, 400), strict=True)
            ],
            "paths": [
                {"paths": ["/v1/*"], "timeout": "60s"},
                {"paths": ["/old/*"], "service": "pool"},
            ],
            "steer": True,
            **route,
        }
    ]
    return Config.model_validate(raw)


class Hands:
    """An engine, somebody else's requests, and what Compute answers."""

    def __init__(self, config: Config, folder: Path, kind: EngineForm, sandbox: SandboxServer) -> None:
        self.config, self.sandbox = config, sandbox
        engine = engine_of(config, folder, kind=kind, endpoint=sandbox.url)
        assert isinstance(engine, GuardedDeployer)
        self.engine = engine
        self.reader = ComputeReader(
            sandbox_session(2, "run"),
            project=PROJECT,
            deadline=10.0,
            parallel=2,
            compute=f"{sandbox.url}/compute/v1",
            network_services=f"{sandbox.url}/v1",
            url_map=url_map(config.naming),
            splits=[service for service in fleet(config).services if service.shared_out],
        )

    def close(self) -> None:
        self.engine.close()
        self.reader.close()

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        url = f"{self.sandbox.url}/compute/v1/projects/{PROJECT}/global/{path}"
        answer = requests.request(method, url, json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def matcher(self) -> dict[str, Any]:
        (found,) = self.send("GET", "urlMaps/lb")["pathMatchers"]
        return dict(found)

    def weights(self, action: dict[str, Any] | None = None) -> list[int]:
        action = action or self.matcher()["defaultRouteAction"]
        return [part["weight"] for part in action["weightedBackendServices"]]

    def edit(self, change: dict[str, Any], weights: dict[int, int] | None = None) -> None:
        """An edit of the path matcher by hand."""
        live = self.send("GET", "urlMaps/lb")
        matcher = live["pathMatchers"][0]
        for number, weight in (weights or {}).items():
            matcher["defaultRouteAction"]["weightedBackendServices"][number]["weight"] = weight
        matcher |= change
        self.send("PATCH", "urlMaps/lb", {"fingerprint": live["fingerprint"], "pathMatchers": [matcher]})

    def listed(self) -> ListedService | None:
        return self.reader.listing(0.0).services.get("lb/chat")


@pytest.fixture
def hands(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Hands]:
    sandbox.store.seed_groups(
        [
            SeedGroup(project=PROJECT, zone=region, name="run", kind="serverless_neg", endpoints=0)
            for region in REGIONS
        ]
        + [SeedGroup(project=PROJECT, zone="us-central1-a", name="rest", endpoints=2)]
    )
    made = Hands(split_config(), tmp_path, kind, sandbox)
    yield made
    made.close()


def moved(overlay: Overlay, region: str, scaler: float) -> Overlay:
    setting = overlay.service("chat")
    return overlay.with_service(setting.with_backend(replace(setting.backend(region), scaler=scaler)))


def test_a_moved_weight_is_one_write_of_the_url_map(hands: Hands) -> None:
    start = starting_overlay(hands.config)
    assert hands.engine.build(start).outcome is Outcome.DONE
    assert hands.weights() == [200, 400, 400]
    assert hands.engine.preview(start).changes == ()
    before = {name: hands.send("GET", f"backendServices/lb-chat-{name}")["fingerprint"] for name in REGIONS}

    applied = hands.engine.apply(moved(start, "europe-west4", 0.25))

    assert (applied.outcome, applied.changes) == (Outcome.DONE, (("update", "lb"),)), applied.sentence
    assert "weight of lb-chat-europe-west4" in applied.sentence
    assert hands.weights() == [200, 100, 400]
    rules = {tuple(rule["paths"]): rule for rule in hands.matcher()["pathRules"]}
    assert hands.weights(rules["/v1/*",]["routeAction"]) == [200, 100, 400], (
        "an entry without a target follows"
    )
    assert rules["/old/*",]["service"].endswith("lb-pool")
    after = {name: hands.send("GET", f"backendServices/lb-chat-{name}")["fingerprint"] for name in REGIONS}
    assert after == before
    assert hands.engine.preview(moved(start, "europe-west4", 0.25)).changes == ()
    # the world is told: europe gets a seventh
    plant = hands.sandbox.plant
    assert isinstance(plant, ToyPlant)
    route = next(r for r in plant.routed[-1][0] if r.host == "chat.example.com" and r.path == "/*")
    shares = dict(route.others) | {route.service: 1.0 - sum(share for _, share in route.others)}
    assert shares["lb-chat-europe-west4"] == pytest.approx(1 / 7)


def test_weights_are_listed_as_parts_of_the_configured_ones(hands: Hands) -> None:
    assert hands.listed() is None, "before the URL map stands nothing is known of it"
    start = starting_overlay(hands.config)
    hands.engine.build(moved(start, "europe-west4", 0.0))
    listed = hands.listed()
    assert listed is not None
    assert {group.key.scope: group.scaler for group in listed.groups} == {
        "asia-northeast1": 1.0,
        "europe-west4": 0.0,
        "us-east4": 1.0,
    }
    first = listed.fingerprint
    hands.edit({}, weights={0: 100, 1: 200, 2: 800})
    listed = hands.listed()
    assert listed is not None
    assert {group.key.scope: group.scaler for group in listed.groups} == {
        "asia-northeast1": 0.25,
        "europe-west4": 0.25,
        "us-east4": 1.0,
    }, "above the configured weight all are scaled down: the shares are the same"
    assert listed.fingerprint not in {"", first}


def test_a_weight_set_by_hand_is_no_drift_and_a_changed_route_is(hands: Hands) -> None:
    start = starting_overlay(hands.config)
    hands.engine.build(start)
    hands.edit({}, weights={1: 100})
    report = hands.engine.look(start)
    assert (report.drifts, report.problems) == ((), ())
    adopted = moved(start, "europe-west4", 0.25)
    assert hands.engine.apply(adopted).outcome in {Outcome.DONE, Outcome.UNCHANGED}
    assert hands.weights() == [200, 100, 400]

    rules = hands.matcher()["pathRules"]
    hands.edit({"pathRules": [rule for rule in rules if rule["paths"] != ["/old/*"]]})
    assert [drift.name for drift in hands.engine.look(adopted).drifts] == ["lb"]
    refused = hands.engine.apply(moved(adopted, "us-east4", 0.5))
    assert refused.outcome is Outcome.REFUSED, refused.sentence
    ((split, why),) = refused.refused
    assert (split, "whose routes are kept as a whole" in why) == ("chat", True)
    assert hands.weights() == [200, 100, 400]


def test_a_weight_set_by_hand_is_taken_over_and_pinned(hands: Hands) -> None:
    """As the daemon reads it: two listings that agree, then it is the new starting point for two hours."""
    overlay, memory = starting_overlay(hands.config), fresh()
    hands.engine.build(overlay)
    known = fleet(hands.config)

    def look(at: float) -> None:
        nonlocal overlay, memory
        snapshot = observe(
            known,
            at=at,
            readings=NOTHING_ASKED,
            listing=hands.reader.listing(at),
            policies=Missing(absence=Absence.NOT_ASKED),
            health=HealthReads(at=at, groups={}),
            lag=Lag(),
        )
        assert snapshot.problems == ()
        result = health_step(known, hands.config.policies, snapshot, overlay, memory)
        overlay, memory = result.overlay, result.memory

    look(1e9)
    hands.edit({}, weights={1: 100})
    look(1e9 + 20.0)
    assert overlay.service("chat").backend("europe-west4").scaler == 1.0, "one reading convinces nobody"
    look(1e9 + 40.0)
    assert overlay.service("chat").backend("europe-west4").scaler == 0.25
    pin = next(s for s in memory.services if s.service == "chat").backend("europe-west4").pin
    assert pin is not None
    assert pin.until == pytest.approx(1e9 + 40.0 + 7200.0)
    assert hands.engine.apply(overlay).outcome in {Outcome.DONE, Outcome.UNCHANGED}
    assert hands.weights() == [200, 100, 400]
    assert Lever.WEIGHT.value == "weight"
