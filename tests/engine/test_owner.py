"""A second load balancer on the state of the first: refused in every engine, before anything is deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.bench_config import document, overlay
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.adapters.engine.ownership import OtherNameError, Ownership
from spillway.config import reading
from spillway.config.model import Config
from spillway.errors import TemporaryError
from spillway.ports import Applied, Deployer, Outcome
from spillway.sandbox.server import SandboxServer

Named = Callable[[str], Deployer]


@pytest.fixture
def named(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Named]:
    """Engines on one state, for configurations that differ in `name` alone."""
    made: list[Deployer] = []

    def make(name: str) -> Deployer:
        config = Config.model_validate({**document(), "name": name})
        made.append(engine_of(config, tmp_path, kind=kind, endpoint=sandbox.url))
        return made[-1]

    yield make
    for engine in made:
        getattr(engine, "close")()  # noqa: B009 not part of the port


def test_another_name_is_refused_until_the_first_is_destroyed(named: Named, tmp_path: Path) -> None:
    first, second = named("lb"), named("shop")
    assert first.build(overlay()).outcome is Outcome.DONE
    with pytest.raises(OtherNameError, match="built for name lb, and the configuration says shop") as told:
        second.preview(overlay())
    assert "`spillway destroy`" in told.value.remedy
    for refused in (second.build(overlay()), second.apply(overlay()), second.destroy()):
        assert refused.outcome is Outcome.REFUSED
        assert "built for name lb, and the configuration says shop" in refused.sentence
        assert "daemon.state_dir" in refused.sentence
    assert first.build(overlay()).outcome is Outcome.UNCHANGED
    assert first.destroy().outcome is Outcome.DONE
    applied = second.build(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert {operation for operation, _ in applied.changes} == {"create"}


def test_a_state_without_a_note_is_taken_over(named: Named, tmp_path: Path) -> None:
    assert named("lb").build(overlay()).outcome is Outcome.DONE
    (note,) = tmp_path.rglob("main.name")
    note.unlink()
    assert named("lb").build(overlay()).outcome is Outcome.UNCHANGED
    assert note.read_text() == "lb"


def test_a_first_build_that_was_refused_binds_nobody(tmp_path: Path) -> None:
    owner = Ownership(tmp_path / "state" / "main.name", "lb")
    owner.claim()
    owner.settle(Applied(outcome=Outcome.REFUSED, sentence="no"))
    Ownership(owner.path, "shop").claim()
    with pytest.raises(OtherNameError):
        owner.claim()
    owner.settle(Applied(outcome=Outcome.REFUSED, sentence="no"))
    assert owner.path.read_text() == "shop"


@pytest.mark.parametrize("spoil", [Path.mkdir, os.mkfifo])
def test_a_note_that_cannot_be_read_is_named_and_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(reading, "PIPE_SECONDS", 0.05)
    spoil(tmp_path / "main.name")
    with pytest.raises(TemporaryError, match="which tells for which name this was built, cannot be read"):
        Ownership(tmp_path / "main.name", "lb").check()
