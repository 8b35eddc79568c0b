"""A create that outlives its engine: the cloud carries it out after recovery has looked for it and found nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import Refuse, TinyCloud, serving

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.program.build import build
from spillway.ports import Outcome

KINDS = ("healthChecks", "serviceLbPolicies", "addresses", "backendServices", "urlMaps", "forwardingRules")


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


def engine(cloud: TinyCloud, folder: Path) -> EmbeddedEngine:
    return EmbeddedEngine(
        lambda wanted: build(config(), wanted),
        endpoint=cloud.url,
        folder=folder,
        stack="main",
        name="lb",
        deadline=30.0,
        parallel=4,
    )


def is_create(method: str, path: str, kind: str) -> bool:
    return method == "POST" and path.endswith(f"/{kind}")


@pytest.fixture
def left_behind(cloud: TinyCloud, tmp_path: Path) -> Iterator[Callable[[str], Callable[[], None]]]:
    """Build until the create of `kind` is on its way and die there; the result lets the request arrive."""
    arrive = threading.Event()
    door = cloud.second_door()
    workers: list[threading.Thread] = []

    def begin(kind: str) -> Callable[[], None]:
        dead, kept, landed = threading.Event(), threading.Event(), threading.Event()
        dying = engine(stack.enter_context(serving(door)), tmp_path / "dead")

        def before(method: str, path: str) -> None:
            if dead.is_set():
                raise Refuse(503, "dead")
            if is_create(method, path, kind):
                dead.set()
                (tmp_path / "main.json").write_bytes((tmp_path / "dead" / "main.json").read_bytes())
                kept.set()
                arrive.wait(20)

        def after(method: str, path: str) -> None:
            if is_create(method, path, kind):
                landed.set()
                raise Refuse(503, "dead")

        def live() -> None:
            dying.apply(overlay())
            dying.close()

        door.before, door.after = before, after
        workers.append(threading.Thread(target=live))
        workers[0].start()
        assert kept.wait(20)

        def let_it_arrive() -> None:
            arrive.set()
            assert landed.wait(20)

        return let_it_arrive

    with ExitStack() as stack:
        yield begin
        arrive.set()
        for worker in workers:
            worker.join(30)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_adopted_when_its_name_turns_out_to_be_taken(
    cloud: TinyCloud, tmp_path: Path, left_behind: Callable[[str], Callable[[], None]], kind: str
) -> None:
    let_it_arrive = left_behind(kind)
    heir = engine(cloud, tmp_path)
    assert "is not there so far" in str(heir.recover())
    assert heir.recover() is None, "nothing new is known"

    def before(method: str, path: str) -> None:
        if is_create(method, path, kind):
            let_it_arrive()

    cloud.before = before
    applied = heir.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert not applied.foreign_edit
    assert len(cloud.store) == 7
    service = cloud.store["projects/demo-project/global/backendServices/lb-pool"]
    assert [backend["capacityScaler"] for backend in service["backends"]] == [1, 0.4, 1]
    cloud.before = lambda _method, _path: None
    assert heir.recover() is None
    assert heir.apply(overlay({"europe-west4": 0.4})).outcome is Outcome.UNCHANGED
    assert heir.destroy().outcome is Outcome.DONE
    assert cloud.store == {}
    heir.close()


def test_it_is_adopted_by_the_next_look(
    cloud: TinyCloud, tmp_path: Path, left_behind: Callable[[str], Callable[[], None]]
) -> None:
    let_it_arrive = left_behind("backendServices")
    heir = engine(cloud, tmp_path)
    heir.recover()
    let_it_arrive()
    assert "backend service lb-pool had been made" in str(heir.recover())
    applied = heir.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert ("create", "lb-pool") not in applied.changes
    heir.close()


def test_what_no_engine_of_ours_began_is_left_alone(cloud: TinyCloud, tmp_path: Path) -> None:
    first = engine(cloud, tmp_path / "first")
    first.apply(overlay())
    first.close()
    before = {path: dict(body) for path, body in cloud.store.items()}
    other = engine(cloud, tmp_path / "without-state")
    applied = other.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.REFUSED
    assert "already exists" in applied.sentence
    assert "bring back the copy of state_dir/engine" in applied.sentence
    assert cloud.store == before
    other.close()
