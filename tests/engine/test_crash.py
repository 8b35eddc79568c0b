"""The embedded engine killed at every request of a build, an adjustment and a removal, and what comes after."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import Refuse, TinyCloud, serving, stall

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.program.build import build
from spillway.core.values.overlay import Posture
from spillway.ports import Outcome


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


def engine(cloud: TinyCloud, folder: Path, deadline: float = 20.0, **topology: Any) -> EmbeddedEngine:
    return EmbeddedEngine(
        lambda wanted: build(config(**topology), wanted),
        endpoint=cloud.url,
        folder=folder,
        stack="main",
        name="lb",
        deadline=deadline,
        parallel=4,
    )


def cut(cloud: TinyCloud, folder: Path, at: int, *, carried_out: bool, **topology: Any) -> EmbeddedEngine:
    """An engine whose process dies at its request number `at`: from then on nothing of it reaches state or cloud."""
    made = engine(cloud, folder, **topology)
    state_file = folder / "main.json"
    counter = iter(range(10_000))
    dead = threading.Event()
    frozen: list[bytes | None] = []

    def gone(_method: str, _path: str) -> None:
        if dead.is_set():
            raise Refuse(503, "dead")

    def die(method: str, path: str) -> None:
        gone(method, path)
        if method != "GET" and next(counter) == at:
            # Death comes first, the look at the state after it: what passes from now on is not in the state either.
            dead.set()
            frozen.append(state_file.read_bytes() if state_file.exists() else None)
            raise Refuse(503, "dead")

    cloud.before, cloud.after = (gone, die) if carried_out else (die, lambda _method, _path: None)
    made.died = lambda: _restore(state_file, frozen)  # type: ignore[attr-defined]
    return made


def _restore(state_file: Path, frozen: list[bytes | None]) -> bool:
    """Put the state back to the moment of death."""
    if frozen and frozen[0] is not None:
        state_file.write_bytes(frozen[0])
    return bool(frozen)


def calm(cloud: TinyCloud) -> None:
    cloud.before = cloud.after = lambda _method, _path: None


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("at", range(9))
def test_killed_build_is_taken_up_and_finished(
    cloud: TinyCloud, tmp_path: Path, at: int, carried_out: bool
) -> None:
    dying = cut(cloud, tmp_path, at, carried_out=carried_out)
    dying.apply(overlay())
    died = dying.died()  # type: ignore[attr-defined]
    dying.close()
    calm(cloud)
    heir = engine(cloud, tmp_path)
    said = heir.recover()
    assert (said is not None) == died
    applied = heir.apply(overlay())
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    assert len(cloud.store) == 7
    assert heir.recover() is None
    assert heir.apply(overlay()).outcome is Outcome.UNCHANGED
    assert heir.destroy().outcome is Outcome.DONE
    assert cloud.store == {}
    heir.close()


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("at", range(3))
def test_killed_adjustment_is_done_once(cloud: TinyCloud, tmp_path: Path, at: int, carried_out: bool) -> None:
    wanted = overlay({"europe-west4": 0.4}, posture=Posture.GUARDED)
    first = engine(cloud, tmp_path)
    first.apply(overlay())
    first.close()
    dying = cut(cloud, tmp_path, at, carried_out=carried_out)
    dying.apply(wanted)
    dying.died()  # type: ignore[attr-defined]
    dying.close()
    calm(cloud)
    heir = engine(cloud, tmp_path)
    heir.recover()
    applied = heir.apply(wanted)
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    assert not applied.foreign_edit
    service = cloud.store["projects/demo-project/global/backendServices/lb-pool"]
    assert [backend["capacityScaler"] for backend in service["backends"]] == [1, 0.4, 1]
    assert heir.apply(wanted).outcome is Outcome.UNCHANGED
    heir.close()


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("at", range(2))
def test_killed_replacement_is_finished(cloud: TinyCloud, tmp_path: Path, at: int, carried_out: bool) -> None:
    """A forwarding rule cannot change its port: it is deleted, and made anew under the same name."""
    moved: dict[str, Any] = {"frontends": {"http": {"port": 8080}}}
    first = engine(cloud, tmp_path)
    first.apply(overlay())
    first.close()
    dying = cut(cloud, tmp_path, at, carried_out=carried_out, **moved)
    dying.apply(overlay())
    assert dying.died()  # type: ignore[attr-defined]
    dying.close()
    calm(cloud)
    heir = engine(cloud, tmp_path, **moved)
    assert heir.recover() is not None
    applied = heir.apply(overlay())
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    assert [body["portRange"] for path, body in cloud.store.items() if "forwardingRules" in path] == ["8080"]
    assert len(cloud.store) == 7
    assert heir.apply(overlay()).outcome is Outcome.UNCHANGED
    heir.close()


@pytest.mark.parametrize("at", range(7))
def test_killed_removal_is_finished(cloud: TinyCloud, tmp_path: Path, at: int) -> None:
    first = engine(cloud, tmp_path)
    first.apply(overlay())
    first.close()
    dying = cut(cloud, tmp_path, at, carried_out=True)
    dying.destroy()
    dying.died()  # type: ignore[attr-defined]
    dying.close()
    calm(cloud)
    heir = engine(cloud, tmp_path)
    assert heir.destroy().outcome in {Outcome.DONE, Outcome.UNCHANGED}
    assert cloud.store == {}
    heir.close()


@pytest.mark.parametrize("deaths", [6, pytest.param(30, marks=pytest.mark.long)])
def test_random_deaths(cloud: TinyCloud, tmp_path: Path, deaths: int) -> None:
    chance = random.Random(7)
    for _ in range(deaths):
        wanted = overlay(
            {region: chance.choice([None, 0.0, 0.1, 0.5, 1.0]) for region in ("europe-west4", "us-east4")},
            posture=chance.choice(list(Posture)),
        )
        dying = cut(cloud, tmp_path, chance.randrange(4), carried_out=chance.random() < 0.5)
        dying.apply(wanted)
        dying.died()  # type: ignore[attr-defined]
        dying.close()
        calm(cloud)
        heir = engine(cloud, tmp_path)
        heir.recover()
        applied = heir.apply(wanted)
        assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
        assert not applied.foreign_edit
        assert heir.apply(wanted).outcome is Outcome.UNCHANGED
        heir.close()


def test_no_answer_is_unknown_and_looked_at_before_the_next_change(cloud: TinyCloud, tmp_path: Path) -> None:
    first = engine(cloud, tmp_path)
    first.apply(overlay())
    first.close()
    slow = engine(cloud, tmp_path, deadline=0.7)
    cloud.after = lambda method, _path: stall(1.5) if method == "PUT" else None
    applied = slow.apply(overlay({"europe-west4": 0.4}))
    slow.close()
    assert applied.outcome is Outcome.UNKNOWN
    calm(cloud)
    heir = engine(cloud, tmp_path)
    applied = heir.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.UNCHANGED
    assert applied.refreshed
    heir.close()


def test_the_state_file_has_no_secret_in_clear(cloud: TinyCloud, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_text("CERTIFICATE")
    key.write_text("PRIVATE-KEY-CONTENT")
    given = {"name": "own", "certificate_file": str(certificate), "private_key_file": str(key)}
    secured = config(frontends={"https": {"certificates": {"given": [given]}}})
    made = EmbeddedEngine(
        lambda wanted: build(secured, wanted),
        endpoint=cloud.url,
        folder=tmp_path,
        stack="main",
        name="lb",
        deadline=20,
        parallel=4,
    )
    assert made.apply(overlay()).outcome is Outcome.DONE
    (body,) = cloud.bodies("POST", "sslCertificates")
    assert body["privateKey"] == "PRIVATE-KEY-CONTENT"
    assert "PRIVATE-KEY-CONTENT" not in (tmp_path / "main.json").read_text()
    assert (tmp_path / "main.json").stat().st_mode & 0o077 == 0
    cloud.requests.clear()
    assert made.apply(overlay()).outcome is Outcome.UNCHANGED
    assert cloud.requests == []
    certificate.write_text("RENEWED")
    applied = made.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert {operation for operation, _ in applied.changes} == {"create", "update", "delete"}
    made.close()
