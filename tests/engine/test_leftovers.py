"""Processes of an engine call end with it, whoever is killed: told by the mark in their environment, never by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError

from spillway.adapters.engine.pulumi_cli import command as module
from spillway.adapters.engine.pulumi_cli.command import Command, EngineDeadline, EngineLostError
from spillway.adapters.engine.pulumi_cli.leftovers import MARK, end_leftovers, reap_orphans
from spillway.errors import PermanentError

STUBBORN = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PATIENT = "import time; print('up', flush=True); time.sleep(60)"


def sleeper(code: str, folder: Path | None) -> subprocess.Popen[bytes]:
    """A process in a group of its own, as a plugin is."""
    environment = {**os.environ, **({} if folder is None else {MARK: str(folder)})}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def test_what_carries_the_mark_is_ended_and_nothing_else(tmp_path: Path) -> None:
    ours = [sleeper(PATIENT, tmp_path / "a"), sleeper(STUBBORN, tmp_path / "a")]
    others = [sleeper(PATIENT, tmp_path / "ab"), sleeper(PATIENT, None)]
    try:
        assert end_leftovers(tmp_path / "a", grace=1.0) == 2
        assert ours[0].wait(10) in {-signal.SIGTERM, -signal.SIGKILL}, "a busy machine may be late"
        assert ours[1].wait(10) == -signal.SIGKILL
        assert [process.poll() for process in others] == [None, None]
        assert end_leftovers(tmp_path / "a", grace=0.3) == 0
    finally:
        for process in (*ours, *others):
            process.kill()
            process.wait(10)


def test_this_process_is_never_ended(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from spillway.adapters.engine.pulumi_cli.leftovers import end_leftovers\n"
        "print(end_leftovers(Path(sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, MARK: str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "0\n"


def cli(folder: Path, body: str) -> Command:
    """An executable named `pulumi` with this body."""
    script = folder / "pulumi"
    script.write_text(
        f"#!{sys.executable} -IS\n"
        "import os, pathlib, signal, subprocess, sys, time\n"
        "if 'version' in sys.argv: sys.exit(print('v3.272.0'))\n"
        f"here = pathlib.Path({str(folder)!r})\n{body}"
    )
    script.chmod(0o755)
    made = Command(str(script), {"PATH": "/usr/bin:/bin"}, folder)
    made.allow(30.0)
    return made


PLUGIN = (
    "plugin = subprocess.Popen([sys.executable, '-IS', '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
    "(here / 'pids').write_text(f'{os.getpid()} {plugin.pid}')\n"
)


def pids(folder: Path) -> list[int]:
    return [int(word) for word in (folder / "pids").read_text().split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def until_gone(*found: int) -> None:
    end = time.monotonic() + 15
    while not all(gone(pid) for pid in found):
        assert time.monotonic() < end, found
        time.sleep(0.01)


def test_a_cli_that_somebody_kills_takes_its_plugins_with_it_and_is_told_in_words(tmp_path: Path) -> None:
    command = cli(tmp_path, PLUGIN + "print('progress', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(EngineLostError) as told:
        command.run(["up"], str(tmp_path), {})
    assert str(told.value) == "the Pulumi CLI was killed (SIGKILL)"
    until_gone(*pids(tmp_path))


def test_a_cli_that_hangs_is_asked_told_and_killed_with_its_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGINT, SIGTERM, SIGKILL; the plugin in its own process group ends with it."""
    graces = ((signal.SIGINT, 0.5), (signal.SIGTERM, 0.5), (signal.SIGKILL, 5.0))
    monkeypatch.setattr(module, "_GRACE", graces)
    command = cli(
        tmp_path,
        "def note(number, _): (here / 'signals').open('a').write(f'{number} ')\n"
        "signal.signal(signal.SIGINT, note); signal.signal(signal.SIGTERM, note)\n"
        + PLUGIN
        + "while True: time.sleep(0.01)\n",
    )
    command.allow(2.5)
    begun = time.monotonic()
    with pytest.raises(EngineDeadline, match="had not ended within the deadline"):
        command.run(["up"], str(tmp_path), {})
    assert time.monotonic() - begun < 30.0
    assert (tmp_path / "signals").read_text().split() == [str(number.value) for number, _ in graces[:2]]
    until_gone(*pids(tmp_path))


def test_a_cli_whose_daemon_is_killed_ends_too_and_the_next_start_ends_its_plugins(tmp_path: Path) -> None:
    cli(tmp_path, PLUGIN + "time.sleep(60)\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from spillway.adapters.engine.pulumi_cli.command import Command\n"
        "folder = Path(sys.argv[1])\n"
        "command = Command(str(folder / 'pulumi'), {}, folder)\n"
        "command.allow(60.0)\n"
        "command.run(['up'], str(folder), {})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as daemon:
        end = time.monotonic() + 30
        while len((tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else ()) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        daemon.kill()
    engine, plugin = pids(tmp_path)
    until_gone(engine)
    assert not gone(plugin), "nobody has told it"
    assert end_leftovers(tmp_path) == 1
    until_gone(plugin)


def test_a_process_that_inherits_orphans_collects_them() -> None:
    code = (
        "import ctypes, os, time\n"
        "from spillway.adapters.engine.pulumi_cli.leftovers import reap_orphans\n"
        "assert reap_orphans() == 0\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.fork() or time.sleep(0.05)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "found, end = 0, time.monotonic() + 10\n"
        "while not found and time.monotonic() < end: found += reap_orphans()\n"
        "print(found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "1\n"
    assert reap_orphans() == 0, "this one inherits none"


def test_what_a_cli_says_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = cli(tmp_path, "print('x' * int(sys.argv[-1]))\nprint('last')\n")
    monkeypatch.setattr(module, "_MOST", 10_000)
    monkeypatch.setattr(module, "_LONGEST", 1_000)
    heard: list[str] = []
    assert command.run(["5000"], str(tmp_path), {}, heard.append).stdout == "x" * 5000 + "\nlast"
    assert max(map(len, heard)) <= 1_000
    with pytest.raises(EngineLostError, match="more than 10000 characters"):
        command.run(["50000"], str(tmp_path), {})


def test_a_program_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="there is no such program"):
        Command(str(tmp_path / "pulumi"), {}, tmp_path)
    (tmp_path / "pulumi").write_bytes(b"\x7fELF nothing")
    (tmp_path / "pulumi").chmod(0o755)
    with pytest.raises(PermanentError, match="does not tell its version"):
        Command(str(tmp_path / "pulumi"), {}, tmp_path)
    good = cli(tmp_path, "sys.exit(3)\n")
    with pytest.raises(CommandError):
        good.run(["up"], str(tmp_path), {})
