"""The real Pulumi CLI, killed in the middle of a call: its lock, its pending operations, and the way back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.kills import marked
from tests.engine.plugin import install
from tests.engine.standin_cli import StandInCliEngine
from tests.engine.tinycloud import Refuse, TinyCloud, serving

from spillway.adapters.engine.pulumi_cli.cli_engine import CliEngine
from spillway.adapters.engine.pulumi_cli.installation import find_cli, pulumi_home
from spillway.adapters.engine.pulumi_cli.workspace import Workspace
from spillway.adapters.program.build import build
from spillway.core.values.overlay import Overlay
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


def engine(cloud: TinyCloud, folder: Path, *, deadline: float = 60.0, **topology: Any) -> CliEngine:
    wanted = config(**topology)
    daemon = wanted.daemon.model_copy(
        update={"engine": wanted.daemon.engine.model_copy(update={"deadline": deadline})}
    )
    settings = wanted.model_copy(update={"daemon": daemon})
    return StandInCliEngine(settings, folder, cloud.url)


def killed_at(cloud: TinyCloud, made: CliEngine, wanted: Overlay, method: str, part: str) -> Applied:
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
    killed = killed_at(cloud, dying, overlay(), method, part)
    assert killed.outcome is Outcome.UNKNOWN, killed.sentence
    assert killed.sentence.startswith("the Pulumi CLI was killed (SIGKILL); it may have been carried out")
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


@pytest.mark.parametrize("kind", ["addresses", "backendServices", "urlMaps"])
def test_killed_create_that_arrives_after_recovery(cloud: TinyCloud, tmp_path: Path, kind: str) -> None:
    door = cloud.second_door()
    reached, arrive, landed = threading.Event(), threading.Event(), threading.Event()

    def before(method: str, path: str) -> None:
        if reached.is_set():
            raise Refuse(503, "dead")
        if method == "POST" and path.endswith(f"/{kind}"):
            reached.set()
            arrive.wait(60)

    def after(method: str, path: str) -> None:
        if method == "POST" and path.endswith(f"/{kind}"):
            landed.set()
            raise Refuse(503, "dead")

    def let_it_arrive(method: str, path: str) -> None:
        if method == "POST" and path.endswith(f"/{kind}"):
            arrive.set()
            assert landed.wait(20)

    with serving(door):
        door.before, door.after = before, after
        dying = engine(door, tmp_path)
        worker = threading.Thread(target=dying.apply, args=(overlay(),))
        worker.start()
        assert reached.wait(30)
        assert dying._ready is not None
        group = dying._ready[0]._group
        assert group is not None
        os.killpg(group, signal.SIGKILL)
        worker.join(30)
        heir = engine(cloud, tmp_path)
        heir.recover()
        cloud.before = let_it_arrive
        applied = heir.apply(overlay())
        assert applied.outcome is Outcome.DONE, applied.sentence
        assert applied.refreshed
        dying.close()
    assert len(cloud.store) == 7
    cloud.before = lambda _method, _path: None
    assert heir.apply(overlay()).outcome is Outcome.UNCHANGED
    heir.recover()
    assert heir.recover() is None
    assert heir.destroy().outcome is Outcome.DONE
    assert cloud.store == {}
    heir.close()


def test_closing_interrupts_what_runs_and_does_not_wait(cloud: TinyCloud, tmp_path: Path) -> None:
    made = engine(cloud, tmp_path)
    reached, go = threading.Event(), threading.Event()

    def hold(method: str, _path: str) -> None:
        if method == "POST":
            reached.set()
            go.wait(30)

    cloud.before = hold
    results: list[Applied] = []
    worker = threading.Thread(target=lambda: results.append(made.apply(overlay())))
    worker.start()
    assert reached.wait(30)
    begun = time.monotonic()
    made.close()
    made.close()
    assert time.monotonic() - begun < 2.0
    go.set()
    worker.join(30)
    assert results[0].outcome in {Outcome.FAILED, Outcome.UNKNOWN}, results[0].sentence
    assert "closed" in made.apply(overlay()).sentence
    cloud.before = lambda _method, _path: None
    heir = engine(cloud, tmp_path)
    heir.recover()
    applied = heir.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert len(cloud.store) == 7
    heir.close()


def test_killed_replacement(cloud: TinyCloud, tmp_path: Path) -> None:
    """A forwarding rule cannot change its port: it is deleted, and made anew under the same name."""
    moved: dict[str, Any] = {"frontends": {"http": {"port": 8080}}}
    first = engine(cloud, tmp_path)
    assert first.apply(overlay()).outcome is Outcome.DONE
    first.close()
    dying = engine(cloud, tmp_path, **moved)
    killed_at(cloud, dying, overlay(), "POST", "forwardingRules")
    dying.close()
    heir = engine(cloud, tmp_path, **moved)
    said = heir.recover()
    assert said is not None
    assert "adopted" in said
    applied = heir.apply(overlay())
    assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
    assert [body["portRange"] for path, body in cloud.store.items() if "forwardingRules" in path] == ["8080"]
    assert len(cloud.store) == 7
    assert heir.apply(overlay()).outcome is Outcome.UNCHANGED
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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_create_whose_plugin_was_killed_is_adopted(
    cloud: TinyCloud, tmp_path: Path, number: signal.Signals
) -> None:
    """The CLI takes the plugin's end for a refusal and forgets the create: every later one used to end with 409."""
    install(tmp_path / "home")
    command = find_cli(pulumi_home())
    assert command is not None
    settings = config()

    def made() -> CliEngine:
        workspace = Workspace(
            executable=command,
            installed=tmp_path / "home",
            config=settings,
            folder=tmp_path / "engine",
            endpoint=cloud.url,
        )
        return CliEngine(lambda wanted: build(settings, wanted), workspace)

    reached, go = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if method == "POST" and path.endswith("/backendServices"):
            reached.set()
            go.wait(20)

    cloud.after = hold
    dying = made()
    results: list[Applied] = []
    worker = threading.Thread(target=lambda: results.append(dying.apply(overlay())))
    worker.start()
    assert reached.wait(60)
    for pid, name in marked(tmp_path / "engine"):
        if name == "pulumi-resource":
            os.kill(pid, number)
    worker.join(60)
    go.set()
    dying.close()
    cloud.after = lambda _method, _path: None
    assert results[0].outcome is Outcome.UNKNOWN, results[0].sentence
    assert "the engine's plugin ended before it had answered" in results[0].sentence
    heir = made()
    assert "adopted" in str(heir.recover())
    applied = heir.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert len(cloud.store) == 7
    assert heir.recover() is None
    assert list(marked(tmp_path / "engine")) == []
    heir.close()
