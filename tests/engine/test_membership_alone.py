"""A service whose groups have no scaler: what leaves is detached, what returns is attached, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.engine.bench_config import document
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.core.values.overlay import Overlay
from spillway.ports import Outcome
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer

REGIONS = ("asia-northeast1", "europe-west4", "us-east4")


def serverless() -> Config:
    """One pool of three Cloud Run regions, the Asian one a standby."""
    raw = document()
    raw["topology"]["regions"] = {region: {"groups": [{"serverless_neg": "run"}]} for region in REGIONS}
    raw["topology"]["regions"]["asia-northeast1"]["standby"] = True
    raw["topology"]["services"] = {"pool": {"regions": "all"}}
    return Config.model_validate(raw)


def attached(sandbox: SandboxServer) -> set[str]:
    """Regions whose group the backend service lists."""
    services = {key.name: service for key, service in sandbox.store.all_of("backendServices")}
    return {backend["group"].split("/")[-3] for backend in services["lb-pool"]["backends"]}


def with_member(overlay: Overlay, region: str, *, member: bool) -> Overlay:
    setting = overlay.service("pool")
    backend = replace(setting.backend(region), member=member, scaler=1.0 if member else 0.0)
    return overlay.with_service(setting.with_backend(backend))


def test_regions_leave_and_return_whole(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.store.seed_groups(
        [
            SeedGroup(project=PROJECT, zone=region, name="run", kind="serverless_neg", endpoints=0)
            for region in REGIONS
        ]
    )
    config = serverless()
    engine = engine_of(config, tmp_path, kind=kind, endpoint=sandbox.url)
    start = starting_overlay(config)
    assert engine.apply(start).outcome is Outcome.DONE
    assert attached(sandbox) == {"europe-west4", "us-east4"}, "a standby waits detached"
    for region, member in (("asia-northeast1", True), ("europe-west4", False), ("europe-west4", True)):
        start = with_member(start, region, member=member)
        applied = engine.apply(start)
        assert applied.changes == (("update", "lb-pool"),), applied.sentence
        assert (region in attached(sandbox)) is member
        assert engine.apply(start).outcome is Outcome.UNCHANGED
    getattr(engine, "close")()  # noqa: B009 not part of the port
