"""From a configuration to the simulated world: what is built parts and copies the requests as the routes say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import REGIONS, document
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import engine_of
from tests.sim.worlds import client, setup

from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.ports import Outcome
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.world_plant import WorldPlant
from spillway.sandbox.writes import Timing
from spillway.sim.monitoring import MonitoringView
from spillway.sim.world import World

SERVICE = {"health_check": "ready", "regions": ["europe-west4", "us-east4"]}
SPLIT = [{"service": "pool", "weight": 80}, {"service": "canary", "weight": 20}]


def served(routes: list[dict[str, Any]], folder: Path) -> dict[str, float]:
    """Requests of a client of api.example.com, by service: shares of all that it sent."""
    services = {name: dict(SERVICE) for name in ("pool", "canary", "shadow")}
    config = Config.model_validate_json(json.dumps(document(services=services, routes=routes)))
    built = setup(clients=[client("paris", 40.0, 48.9, 2.4, host="api.example.com", path="/v1/chat")])
    world = World(built, controls=(), routes=())
    plant = WorldPlant(world)
    server = SandboxServer(
        plant,
        clock=ScaledClock(speed=1.0, epoch=plant.epoch),
        timing=Timing(write_time=0.0, propagation=0.0),
        groups=[
            SeedGroup(project=PROJECT, zone=f"{region}-{zone}", name=f"api-{region}", endpoints=10)
            for region, zone in REGIONS.items()
        ],
    )
    with server:
        engine = engine_of(config, folder, kind="embedded", endpoint=server.url)
        applied = engine.apply(starting_overlay(config))
        assert applied.outcome is Outcome.DONE, applied.sentence
        getattr(engine, "close")()  # noqa: B009 not part of the port
    before = world.time
    world.advance(before + 1200.0)
    assert world.samples is not None
    end = world.epoch + world.time
    counts: dict[str, float] = {}
    for sample in MonitoringView(world.samples).counts(world.epoch, end, end + 3600):
        counts[sample.service.removeprefix("lb-")] = (
            counts.get(sample.service.removeprefix("lb-"), 0.0) + sample.count
        )
    sent = 40.0 * 1200.0
    return {name: count / sent for name, count in counts.items() if count > 0.01 * sent}


@pytest.mark.parametrize(
    ("routes", "shares"),
    [
        ([{"hosts": ["*"], "split": SPLIT, "mirror": {"service": "shadow", "percent": 10}}], {"pool": 0.8, "canary": 0.2, "shadow": 0.1}),
        ([{"hosts": ["api.example.com"], "redirect": {"host": "example.com"}}], {}),
        ([{"paths": [{"paths": ["/v1/*"], "headers": {"x-tier": "gold"}, "service": "canary"}]}], {"pool": 1.0}),
        ([{"paths": [{"paths": ["/v1/*"], "methods": ["POST"], "service": "canary"}]}], {"canary": 1.0}),
        ([{"paths": [{"paths": ["/{version=*}/chat"], "service": "canary"}]}], {"canary": 1.0}),
    ],
    ids=["split and mirror", "redirect", "header", "method", "template"],
)  # fmt: skip
def test_shares(routes: list[dict[str, Any]], shares: dict[str, float], tmp_path: Path) -> None:
    assert served(routes, tmp_path) == pytest.approx(shares, abs=0.03)
