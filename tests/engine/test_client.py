"""The client side of the CLI engine, against the rig: one process a change, locks, errors, deadlines, silence."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.standin_cli import engine_of
from tests.engine.tinycloud import Refuse, TinyCloud, serving

from spillway.adapters.engine.pulumi_cli.command import Command, EngineDeadline
from spillway.ports import Deployer, Outcome

POOL = "projects/demo-project/global/backendServices/lb-pool"
ROOT = Path(__file__).resolve().parents[2]


def executable(folder: Path, text: str) -> Path:
    file = folder / "bin" / "pulumi"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


@pytest.fixture
def engine(cloud: TinyCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployer]:
    home = tmp_path / "home"
    home.mkdir()
    script = f'#!/bin/sh\nPYTHONPATH={ROOT / "daemon"}:{ROOT} exec {sys.executable} -W ignore {ROOT / "tests/engine/rig.py"} "$@"\n'
    executable(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_HOME", str(home))
    made = engine_of(config(), tmp_path, kind="cli+standin", endpoint=cloud.url)
    yield made
    made.close()


def calls(tmp_path: Path) -> list[str]:
    lines = (tmp_path / "engine" / "pulumi" / "home" / "calls").read_text().splitlines()
    return [next(word for word in line.split() if not word.startswith("--")) for line in lines]


def test_one_process_for_each_change(engine: Deployer, cloud: TinyCloud, tmp_path: Path) -> None:
    preview = engine.preview(overlay())
    assert {change.operation for change in preview.changes} == {"create"}
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.engine_processes == 1
    assert dict(applied.outputs)["load_balancer_ip"].startswith("203.0.113.")
    assert engine.outputs() == dict(applied.outputs)
    before = len(calls(tmp_path))
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.changes == (("update", "lb-pool"),)
    assert calls(tmp_path)[before:] == ["up"]
    assert engine.apply(overlay({"europe-west4": 0.4})).outcome is Outcome.UNCHANGED
    assert engine.destroy().outcome is Outcome.DONE
    assert cloud.store == {}
    assert engine.outputs() == {}
    assert list((tmp_path / "home").iterdir()) == [], "where the engine is installed may be read-only"


def test_refusals_and_conflicts_are_told_apart(engine: Deployer, cloud: TinyCloud) -> None:
    engine.apply(overlay())

    def refuse(method: str, _path: str) -> None:
        if method == "PUT":
            raise Refuse(status, "no" if status == 400 else "Invalid fingerprint.")

    cloud.before = refuse
    status = 400
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.REFUSED, applied.sentence
    status = 412
    cloud.edit(POOL, timeoutSec=7)
    cloud.requests.clear()
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.CONFLICT
    assert "backend service lb-pool" in applied.sentence
    assert applied.engine_processes == 2
    assert applied.refreshed
    assert applied.foreign_edit
    methods = [method for method, _ in cloud.calls()]
    assert methods[methods.index("PUT") :] == ["PUT", "GET"], "what was refused is read, and it alone"


def test_a_conflict_whose_edit_touched_nothing_of_ours_is_tried_once_more(
    engine: Deployer, cloud: TinyCloud
) -> None:
    engine.apply(overlay())
    cloud.edit(POOL, description="by hand")
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.engine_processes == 3
    assert applied.foreign_edit


def test_an_edit_that_the_new_overlay_takes_over_is_tried_once_more(
    engine: Deployer, cloud: TinyCloud
) -> None:
    engine.apply(overlay())
    first, *others = cloud.store[POOL]["backends"]
    cloud.edit(POOL, backends=[{**first, "capacityScaler": 0.5}, *others])
    assert engine.apply(overlay({"europe-west4": 0.4})).outcome is Outcome.CONFLICT
    cloud.edit(POOL, backends=[{**first, "capacityScaler": 0.6}, *others])
    applied = engine.apply(overlay({"asia-northeast1": 0.6, "europe-west4": 0.4}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.foreign_edit


@pytest.mark.parametrize("alive", [False, True])
def test_locks(engine: Deployer, cloud: TinyCloud, tmp_path: Path, alive: bool) -> None:
    engine.apply(overlay())
    folder = tmp_path / "engine/pulumi/state/.pulumi/locks/organization/spillway/main"
    pid, when = (os.getpid(), "2099-01-01T00:00:00Z") if alive else (os.getpid(), "2001-01-01T00:00:00Z")
    held = {"pid": pid, "username": "u", "hostname": socket.gethostname(), "timestamp": when}
    (folder / "one.json").write_text(json.dumps(held))
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    if alive:
        assert applied.outcome is Outcome.FAILED
        assert "locked by u@" in applied.sentence
    else:
        assert applied.outcome is Outcome.DONE, applied.sentence
        assert applied.refreshed


def test_recovery_adopts_what_a_killed_create_has_made(
    engine: Deployer, cloud: TinyCloud, tmp_path: Path
) -> None:
    engine.apply(overlay())
    state = tmp_path / "engine/pulumi/state"
    token = "gcp:compute/globalAddress:GlobalAddress"

    def opened(name: str) -> dict[str, Any]:
        urn = f"urn:pulumi:main::spillway::{token}::{name}"
        resource = {"urn": urn, "type": token, "inputs": {"name": name, "project": "demo-project"}}
        return {"type": "creating", "resource": resource}

    pending = [opened("lb-address"), opened("lb-late")]
    deployment = {"resources": [], "pending_operations": pending}
    (state / "exported.json").write_text(json.dumps({"version": 3, "deployment": deployment}))
    assert engine.recover() == (
        "closed 2 operation(s) that a crash had left open: address lb-address had been made and is adopted;"
        " address lb-late is not there so far"
    )
    kept = json.loads((state / "exported.json").read_text())["deployment"]
    assert "pending_operations" not in kept
    assert [one["id"] for one in kept["resources"]] == ["projects/demo-project/global/addresses/lb-address"]
    assert engine.recover() is None
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.UNCHANGED, applied.sentence
    assert applied.refreshed, "a refresh follows a recovery"
    assert not engine.apply(overlay()).refreshed


def test_a_child_that_ignores_signals_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spillway.adapters.engine.pulumi_cli import command as module

    monkeypatch.setattr(
        module, "_GRACE", ((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))
    )
    stubborn = executable(
        tmp_path,
        f"#!/bin/sh\n[ \"$2\" = version ] && echo v3.272.0 && exit\ntrap '' INT TERM\nsleep 60 &\necho $! > {tmp_path}/child\nwait\nwait\nwait\n",
    )
    command = Command(str(stubborn), dict(os.environ), tmp_path)
    command.allow(0.3)
    begun = time.monotonic()
    with pytest.raises(EngineDeadline):
        command.run(["up"], str(tmp_path), {})
    assert time.monotonic() - begun < 10
    assert command.processes == 2
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_the_caller_s_cloud_settings_do_not_reach_a_sandbox(
    engine: Deployer, cloud: TinyCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/secret.json")
    workspace = engine._engine._workspace  # type: ignore[attr-defined]
    workspace.prepare()
    environment = workspace.command()._environment
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in environment
    assert environment["PULUMI_SKIP_UPDATE_CHECK"] == "true"
    assert workspace._google()["GOOGLE_COMPUTE_CUSTOM_ENDPOINT"] == f"{cloud.url}/compute/beta/"
