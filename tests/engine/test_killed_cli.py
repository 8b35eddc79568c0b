"""The real Pulumi CLI, killed in the middle of a call: its lock, its pending operations, and the way back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import TinyCloud, serving

from spillway.adapters.engine.choose import choose, find_cli, pulumi_home
from spillway.adapters.engine.cli import Cli
from spillway.adapters.engine.workspace import Workspace
from spillway.adapters.program.build import build
from spillway.core.overlay import Overlay
from spillway.ports import Applied, Outcome

pytestmark = pytest.mark.engine
HOME = os.environ.get("PULUMI_HOME")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyCloud]:
    if HOME:
        monkeypatch.setenv("PULUMI_HOME", HOME)
    if find_cli(pulumi_home()) is None:
        pytest.skip("SKIPPED LOUDLY: there is no `pulumi` on PATH; `spillway setup` gets it")
    with serving(TinyCloud()) as served:
        yield served


def engine(cloud: TinyCloud, folder: Path, *, deadline: float = 60.0) -> Cli:
    wanted = config()
    daemon = wanted.daemon.model_copy(
        update={"engine": wanted.daemon.engine.model_copy(update={"deadline": deadline})}
    )
    settings = wanted.model_copy(update={"daemon": daemon})
    choice = choose(settings, "cli+standin")
    return Cli(
        lambda o: build(settings, o),
        Workspace(choice=choice, config=settings, folder=folder, endpoint=cloud.url),
    )


def killed_at(cloud: TinyCloud, made: Cli, wanted: Overlay, method: str, part: str) -> Applied:
    """Apply, and kill the CLI with all that belongs to it while this request is held."""
    reached, go = threading.Event(), threading.Event()

    def hold(arrived: str, path: str) -> None:
        if arrived == method and part in path:
            reached.set()
            go.wait(20)

    cloud.after = hold
    results: list[Applied] = []
    worker = threading.Thread(target=lambda: results.append(made.apply(wanted)))
    worker.start()
    assert reached.wait(30)
    assert made._ready is not None
    group = made._ready[0]._group
    assert group is not None
    os.killpg(group, signal.SIGKILL)
    go.set()
    worker.join(30)
    cloud.after = lambda _method, _path: None
    return results[0]


@pytest.mark.parametrize(
    ("method", "part"), [("POST", "backendServices"), ("POST", "healthChecks"), ("POST", "forwardingRules")]
)
def test_killed_create(cloud: TinyCloud, tmp_path: Path, method: str, part: str) -> None:
    dying = engine(cloud, tmp_path)
    assert killed_at(cloud, dying, overlay(), method, part).outcome is Outcome.FAILED
    dying.close()
    heir = engine(cloud, tmp_path)
    said = heir.recover()
    assert said is not None
    assert "lock" in said
    assert "adopted" in said
    applied = heir.apply(overlay())
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    assert len(cloud.store) == 7
    assert heir.apply(overlay()).outcome is Outcome.UNCHANGED
    assert heir.destroy().outcome is Outcome.DONE
    assert cloud.store == {}
    heir.close()


def test_killed_update(cloud: TinyCloud, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dying = engine(cloud, tmp_path)
    dying.apply(overlay())
    killed_at(cloud, dying, overlay({"europe-west4": 0.4}), "PUT", "backendServices")
    dying.close()
    heir = engine(cloud, tmp_path)
    assert heir.recover() is not None
    applied = heir.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    assert not applied.foreign_edit
    assert heir.apply(overlay({"europe-west4": 0.5})).outcome is Outcome.DONE
    heir.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err


def test_deadline_stops_the_cli_and_the_outcome_is_unknown(cloud: TinyCloud, tmp_path: Path) -> None:
    made = engine(cloud, tmp_path)
    made.apply(overlay())
    made.close()
    short = engine(cloud, tmp_path, deadline=5.0)
    release = threading.Event()

    def hold(method: str, _path: str) -> None:
        if method == "PUT":
            release.wait(20)

    cloud.before = hold
    applied = short.apply(overlay({"europe-west4": 0.4}))
    release.set()
    cloud.before = lambda _method, _path: None
    assert applied.outcome is Outcome.UNKNOWN, applied.sentence
    short.close()
    heir = engine(cloud, tmp_path)
    heir.recover()
    applied = heir.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    heir.close()
