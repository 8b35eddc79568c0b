"""The engine inside this process, against a recording server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import Refuse, TinyCloud, serving

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.program.build import build
from spillway.core.values.overlay import Posture
from spillway.errors import PermanentError
from spillway.ports import Outcome

POOL = "projects/demo-project/global/backendServices/lb-pool"


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


@pytest.fixture
def engine(cloud: TinyCloud, tmp_path: Path) -> Iterator[EmbeddedEngine]:
    made = EmbeddedEngine(
        lambda wanted: build(config(), wanted),
        endpoint=cloud.url,
        folder=tmp_path,
        stack="main",
        name="lb",
        deadline=20.0,
        parallel=8,
    )
    yield made
    made.close()


def test_first_apply_builds_everything_and_tells_the_address(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert {path.split("/")[-2] for path in cloud.store} == {
        "addresses", "backendServices", "forwardingRules", "healthChecks", "serviceLbPolicies", "targetHttpProxies", "urlMaps",
    }  # fmt: skip
    outputs = dict(applied.outputs)
    assert outputs["load_balancer_ip"].startswith("203.0.113.")
    assert outputs["urls.http"] == f"http://{outputs['load_balancer_ip']}/"
    assert engine.outputs() == outputs
    assert applied.sentence == "7 created"


def test_second_apply_asks_nothing(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())
    cloud.requests.clear()
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.UNCHANGED
    assert cloud.requests == []


def test_one_scaler_is_one_put_over_what_stands(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())
    cloud.requests.clear()
    applied = engine.apply(overlay({"europe-west4": 0.4, "asia-northeast1": 0.0}))
    assert applied.outcome is Outcome.DONE
    assert [method for method, _ in cloud.calls()] == ["GET", "PUT", "GET"]
    (body,) = cloud.bodies("PUT", "backendServices/lb-pool")
    assert [backend["capacityScaler"] for backend in body["backends"]] == [0, 0.4, 1]
    assert body["iap"] is None
    assert "scaler 1.0 -> 0.4 (europe-west4)" in applied.sentence
    assert "scaler 1.0 -> 0 (asia-northeast1)" in applied.sentence


def test_posture_is_one_patch_of_the_policy_and_one_put_of_outlier_detection(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.apply(overlay())
    cloud.requests.clear()
    engine.apply(overlay(posture=Posture.SCARCE))
    patches = cloud.calls("PATCH")
    assert patches == [
        (
            "PATCH",
            "/v1/projects/demo-project/locations/global/serviceLbPolicies/lb-pool?alt=json&updateMask=failoverConfig",
        )
    ]
    (body,) = cloud.bodies("PUT", "backendServices")
    assert body["outlierDetection"]["maxEjectionPercent"] == 10


def test_membership_removes_and_adds_the_region(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay({"us-east4": None}))
    assert len(cloud.store[POOL]["backends"]) == 2
    applied = engine.apply(overlay({"us-east4": 0.1}))
    assert len(cloud.store[POOL]["backends"]) == 3
    assert "joins: us-east4 at scaler 0.1" in applied.sentence
    applied = engine.apply(overlay({"us-east4": None}))
    assert "leaves: us-east4" in applied.sentence


def test_foreign_edit_is_read_and_overwritten_once(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())
    cloud.edit(POOL, timeoutSec=7)
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.foreign_edit
    assert applied.refreshed
    assert cloud.store[POOL]["timeoutSec"] == 300


def test_endless_foreign_edits_are_a_conflict(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())

    def before(method: str, path: str) -> None:
        if method == "PUT":
            cloud.edit(path, description="mine")

    cloud.before = before
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.CONFLICT
    assert applied.foreign_edit


def test_refusal_changes_nothing_and_the_next_apply_works(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())

    def before(method: str, path: str) -> None:
        if method == "PUT":
            raise Refuse(400, "capacityScaler is illegal")

    cloud.before = before
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.REFUSED
    assert "capacityScaler is illegal" in applied.sentence
    cloud.before = lambda _method, _path: None
    assert engine.apply(overlay({"europe-west4": 0.5})).outcome is Outcome.DONE


def test_preview_tells_and_touches_nothing(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    before_build = engine.preview(overlay())
    assert {change.operation for change in before_build.changes} == {"create"}
    assert len(before_build.changes) == 7
    assert cloud.requests == []
    engine.apply(overlay())
    cloud.requests.clear()
    preview = engine.preview(overlay({"europe-west4": 0.4}))
    assert {method for method, _, _ in cloud.requests} == {"GET"}
    (change,) = preview.changes
    assert (change.operation, change.kind, change.name) == ("update", "backend service", "lb-pool")
    assert change.details == ("scaler 1.0 -> 0.4 (europe-west4)",)
    assert preview.same == 6


def test_a_cloud_that_does_not_answer_is_told_before_anything_is_begun(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.build(overlay())

    def before(method: str, path: str) -> None:
        raise Refuse(403, "Required permission is missing", "forbidden")

    cloud.before = before
    applied = engine.build(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.REFUSED
    assert applied.sentence.startswith("what stands cannot be read: ")
    assert applied.sentence.endswith("; nothing was changed")
    with pytest.raises(PermanentError, match="what stands cannot be read"):
        engine.preview(overlay())
    cloud.before = lambda _method, _path: None
    assert engine.build(overlay({"europe-west4": 0.4})).outcome is Outcome.DONE


def test_destroy_removes_everything_in_order(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())
    applied = engine.destroy()
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert cloud.store == {}
    assert engine.outputs() == {}
    assert engine.apply(overlay()).outcome is Outcome.DONE


def test_operations_that_run_are_waited_for(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    cloud.slow_operations = 2
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.DONE
    assert any("/operations/" in path for _, path in cloud.calls("GET"))
