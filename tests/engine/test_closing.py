"""Closing an engine: at once, as often as one likes, and from another thread than the one that works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import TinyCloud, serving

from spillway.adapters.engine import exclusive_calls
from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.engine.exclusive_calls import ExclusiveCalls, engine_lock
from spillway.adapters.engine.pulumi_cli.command import Command, EngineDeadline
from spillway.adapters.program.build import build
from spillway.errors import TemporaryError
from spillway.ports import Applied, Outcome

AT_ONCE = 2.0
"""Seconds on a busy machine; what is not at once here takes 20 or more."""


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


@pytest.fixture
def engine(cloud: TinyCloud, tmp_path: Path) -> EmbeddedEngine:
    return EmbeddedEngine(
        lambda wanted: build(config(), wanted),
        endpoint=cloud.url,
        folder=tmp_path,
        stack="main",
        name="lb",
        deadline=60.0,
        parallel=4,
    )


def test_a_running_call_ends_at_once_and_its_outcome_is_unknown(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    asked = threading.Event()
    cloud.slow_operations = 1_000_000
    cloud.before = lambda _method, path: asked.set() if "/operations/" in path else None
    results: list[Applied] = []
    worker = threading.Thread(target=lambda: results.append(engine.apply(overlay())))
    worker.start()
    assert asked.wait(30)
    begun = time.monotonic()
    engine.close()
    assert time.monotonic() - begun < AT_ONCE
    worker.join(30)
    assert results[0].outcome is Outcome.UNKNOWN, results[0].sentence


def test_a_closed_engine_says_so(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    assert engine.apply(overlay()).outcome is Outcome.DONE
    engine.close()
    engine.close()
    cloud.requests.clear()
    applied = engine.apply(overlay({"europe-west4": 0.4}))
    assert applied.outcome is Outcome.FAILED
    assert "closed" in applied.sentence
    assert cloud.requests == []
    with pytest.raises(TemporaryError, match="closed"):
        engine.preview(overlay())


def test_whoever_comes_last_frees() -> None:
    freed: list[str] = []
    calls = ExclusiveCalls(lambda: freed.append("freed"))
    with calls.exclusive(1.0):
        calls.close()
        assert freed == [], "the call still needs it"
    assert freed == ["freed"]
    with pytest.raises(TemporaryError, match="closed"), calls.exclusive(1.0):
        pytest.fail("no turn is left")


def test_one_turn_at_a_time() -> None:
    calls = ExclusiveCalls(lambda: None)
    with calls.exclusive(1.0), pytest.raises(TemporaryError, match="has not ended"), calls.exclusive(0.01):
        pytest.fail("the turn is taken")


def appears(file: Path) -> None:
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end, f"{file.name} did not appear"
        time.sleep(0.01)


def test_an_interrupted_cli_ends_and_none_is_started_after_it(tmp_path: Path) -> None:
    script = tmp_path / "pulumi"
    # Not a shell's trap: that cannot undo an ignored SIGINT, which every background job inherits.
    script.write_text(
        f"#!{sys.executable} -I\n"
        "import pathlib, signal, sys, time\n"
        "if 'version' in sys.argv: sys.exit(print('v3.272.0'))\n"
        "signals = []\n"
        "signal.signal(signal.SIGINT, lambda *_: signals.append(1))\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "(here / 'started').touch()\n"
        "while not signals: time.sleep(0.02)\n"
        "(here / 'told').touch()\n"
        "while not (here / 'end').exists(): time.sleep(0.02)\n"
        "sys.exit(10 + len(signals))\n"
    )
    script.chmod(0o755)
    command = Command(str(script), {"PATH": "/usr/bin:/bin"}, tmp_path)
    command.allow(60.0)
    codes: list[str] = []

    def run() -> None:
        from pulumi.automation.errors import CommandError

        try:
            command.run(["up"], str(tmp_path), {})
        except CommandError as error:
            codes.append(str(error))

    worker = threading.Thread(target=run)
    worker.start()
    appears(tmp_path / "started")
    begun = time.monotonic()
    command.interrupt()
    assert time.monotonic() - begun < AT_ONCE
    appears(tmp_path / "told")
    command.interrupt()
    (tmp_path / "end").touch()
    worker.join(30)
    assert "code: 11" in codes[0], "a second signal would end the engine in the middle of its step"
    with pytest.raises(EngineDeadline, match="closing"):
        command.run(["up"], str(tmp_path), {})
    assert command.processes == 2


def test_a_folder_that_somebody_else_owns_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `sudo spillway plan` on the daemon's state folder."""

    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    with (
        pytest.raises(TemporaryError, match=r"cannot be used: .*Permission denied") as told,
        engine_lock(tmp_path / "lock", 1.0),
    ):
        pass
    assert "daemon's user" in told.value.remedy


HOLDER = """
import sys, pathlib
from spillway.adapters.file_lock import FileLock
FileLock(pathlib.Path(sys.argv[1]), mode=0o600).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_another_process_is_waited_for_within_a_bound_and_its_holder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exclusive_calls, "LOCK_WAIT", 0.2)
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        name = rf"process {holder.pid}, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        begun = time.monotonic()
        with (
            pytest.raises(TemporaryError, match=rf"another process \({name}\) holds .* within 0.2 s") as told,
            engine_lock(path, 900.0),
        ):
            pytest.fail("another process has the lock")
        assert 0.2 <= time.monotonic() - begun < 5.0
        assert "state_dir" in told.value.remedy
        assert re.search(rf"\({name}\) holds", caplog.text), "whoever waits is told at once"
        holder.kill()
        holder.wait(10)
    with engine_lock(path, 0.0):
        assert path.read_text().strip() == str(os.getpid())
        assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == ""
