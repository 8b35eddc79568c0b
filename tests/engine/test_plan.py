"""What a plan says is what a build does, in every engine: what goes is told as well as what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import document, overlay
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.config.model import Config
from spillway.ports import Outcome
from spillway.sandbox.server import SandboxServer

HTTP_AND_HTTPS = {"http": {}, "https": {"certificates": {"managed": ["api.example.com"]}}}


def renamed() -> dict[str, Any]:
    return document(
        services={"tank": {"health_check": "ready", "regions": "all", "outlier_detection": {}}},
        default_service="tank",
    )


@pytest.mark.parametrize(
    ("after", "service", "gone"),
    [
        (document(), "pool", {"lb-https"}),
        (renamed(), "tank", {"lb-pool", "lb-https"}),
    ],
    ids=["a frontend goes", "a service has another name"],
)
def test_what_was_planned_is_what_is_built(
    kind: EngineForm,
    sandbox: SandboxServer,
    tmp_path: Path,
    after: dict[str, Any],
    service: str,
    gone: set[str],
) -> None:
    before = engine_of(
        Config.model_validate(document(frontends=HTTP_AND_HTTPS)), tmp_path, kind=kind, endpoint=sandbox.url
    )
    assert before.build(overlay()).outcome is Outcome.DONE
    getattr(before, "close")()  # noqa: B009 not part of the port
    engine = engine_of(Config.model_validate(after), tmp_path, kind=kind, endpoint=sandbox.url)
    wanted = overlay(service=service)
    planned = sorted((change.operation, change.name) for change in engine.preview(wanted).changes)
    assert gone <= {name for operation, name in planned if operation == "delete"}
    applied = engine.build(wanted)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert sorted(applied.changes) == planned
    assert engine.preview(wanted).changes == ()
    getattr(engine, "close")()  # noqa: B009 not part of the port


def test_a_destroy_removes_all_at_once_where_dependencies_were_lost(
    sandbox: SandboxServer, tmp_path: Path
) -> None:
    """A group that Spillway made and that is then given stays in use by a service that no longer depends on it."""

    def with_group(**create: Any) -> Config:
        raw = document(services={"pool": {"health_check": "ready", "regions": ["europe-west1"]}})
        raw["topology"]["regions"] = {
            "europe-west1": {
                "groups": [{"zone": "europe-west1-b", "neg": "new", **create}],
                "balancing": {"mode": "RATE", "max_rate_per_endpoint": 10},
            }
        }
        return Config.model_validate(raw)

    wanted = overlay(regions=("europe-west1",))
    for config in (with_group(create={"port": 8080}), with_group()):
        engine = engine_of(config, tmp_path, kind="embedded", endpoint=sandbox.url)
        applied = engine.build(wanted)
    assert "already being used" in applied.sentence
    applied = engine.destroy()
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert [name for _, name in applied.changes][-1] == "new in europe-west1-b"
    assert engine.destroy().outcome is Outcome.UNCHANGED
    getattr(engine, "close")()  # noqa: B009 not part of the port
