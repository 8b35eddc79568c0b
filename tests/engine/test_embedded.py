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


def scalers(cloud: TinyCloud) -> list[float]:
    return [backend["capacityScaler"] for backend in cloud.store[POOL]["backends"]]


def edit_scaler(cloud: TinyCloud, scaler: float) -> None:
    """Somebody sets the scaler of the first backend by hand."""
    first, *others = cloud.store[POOL]["backends"]
    cloud.edit(POOL, backends=[{**first, "capacityScaler": scaler}, *others])


def test_a_foreign_edit_of_a_lever_is_a_conflict_and_stays(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    engine.apply(overlay())
    edit_scaler(cloud, 0.5)
    cloud.requests.clear()
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.CONFLICT, applied.sentence
    assert applied.foreign_edit
    assert applied.refreshed
    assert "backend service lb-pool" in applied.sentence
    assert scalers(cloud) == [0.5, 1, 1], "nothing is written over"
    assert cloud.calls() == [
        ("GET", f"/compute/beta/{POOL}?alt=json"),
        ("PUT", f"/compute/beta/{POOL}?alt=json"),
        ("GET", f"/compute/beta/{POOL}?alt=json"),
    ]
    decided_anew = overlay({"asia-northeast1": 0.5, "europe-west4": 0.4})
    applied = engine.apply(decided_anew)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert not applied.foreign_edit
    assert scalers(cloud) == [0.5, 0.4, 1]


def test_an_edit_that_the_new_overlay_takes_over_costs_one_more_try(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    """The loop saw the edit before it decided; only the engine's memory is older."""
    engine.apply(overlay())
    edit_scaler(cloud, 0.5)
    applied = engine.apply(overlay({"asia-northeast1": 0.5, "europe-west4": 0.4}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.foreign_edit
    assert "nothing of theirs was overwritten" in applied.sentence
    assert scalers(cloud) == [0.5, 0.4, 1]


def test_a_foreign_edit_of_a_setting_that_we_make_is_a_conflict(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.apply(overlay())
    cloud.edit(POOL, timeoutSec=7)
    assert engine.apply(overlay({"europe-west4": 0.5})).outcome is Outcome.CONFLICT
    assert cloud.store[POOL]["timeoutSec"] == 7
    assert engine.apply(overlay({"europe-west4": 0.5})).outcome is Outcome.DONE
    assert cloud.store[POOL]["timeoutSec"] == 300, "the state is true again, so the difference shows"


def test_a_foreign_edit_of_what_is_not_ours_costs_one_more_try(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.apply(overlay())
    cloud.edit(POOL, description="by hand")
    cloud.requests.clear()
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.foreign_edit
    assert "backend service lb-pool" in applied.sentence
    assert [method for method, _ in cloud.calls()] == ["GET", "PUT", "GET", "GET", "PUT", "GET"]


def test_an_edit_between_the_reading_and_the_write_of_a_build_is_a_conflict(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.build(overlay())

    def before(method: str, _path: str) -> None:
        if method == "PUT":
            cloud.before = lambda _method, _path: None
            edit_scaler(cloud, 0.5)

    cloud.before = before
    applied = engine.build(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.CONFLICT, applied.sentence
    assert scalers(cloud) == [0.5, 1, 1]


def test_a_conflict_whose_edit_cannot_be_read_is_one_all_the_same(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.apply(overlay())
    edit_scaler(cloud, 0.5)

    written: list[str] = []

    def before(method: str, path: str) -> None:
        if method == "PUT":
            written.append(path)
        if method == "GET" and written:
            raise Refuse(403, "Required permission is missing", "forbidden")

    cloud.before = before
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.CONFLICT, applied.sentence
    assert "could not be read" in applied.sentence
    cloud.before = lambda _method, _path: None
    assert engine.apply(overlay({"europe-west4": 0.4})).outcome is Outcome.CONFLICT
    assert scalers(cloud) == [0.5, 1, 1]


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
