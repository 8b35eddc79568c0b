"""Ctrl-C in the middle of a backtest on a terminal: one word, no traceback, exit code 130, and nobody left behind."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.bench.library import FOLDER

from spillway.exits import Exit

BEGUN = 60.0
"""Seconds to wait for the workers; the machine may be busy."""

AT_ONCE = 10.0
"""Seconds in which it must be over; the run itself takes minutes."""

COMMAND = (
    *(sys.executable, "-m", "spillway", "backtest", str(FOLDER / "quiet-week-of-noise.yaml")),
    *("--baseline", "oracle", "--baseline", "oracle-delayed"),
)

ON_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes its standard input the terminal from which Ctrl-C comes, as a shell does."""


def children(pid: int) -> set[int]:
    """All processes below this one."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            mine = {int(word) for word in task.read_text().split()}
        except OSError:
            continue
        found |= mine.union(*map(children, mine))
    return found


def alive(pid: int) -> bool:
    """True for a process that runs; a zombie has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def read(terminal: int, seconds: float) -> bytes:
    """What the program writes within this time, or until it ends."""
    text, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([terminal], [], [], min(left, 0.1))[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux says EIO when the last process has closed its end
            break
        if not part:
            break
        text += part
    return text


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="children of a process are read from /proc, which is Linux"
)
@pytest.mark.parametrize(("jobs", "settle"), [("1", 1.0), ("2", 0.0), ("2", 2.0)])
def test_interrupted_on_a_terminal(jobs: str, settle: float) -> None:
    """`settle`: seconds that the workers have; with none of them they are hit while they still import."""
    terminal, far_end = pty.openpty()
    program = subprocess.Popen(
        (sys.executable, "-c", ON_TERMINAL, *COMMAND, "--jobs", jobs),
        stdin=far_end,
        stdout=far_end,
        stderr=far_end,
    )
    os.close(far_end)
    try:
        interrupt(program, terminal, 0 if jobs == "1" else int(jobs), settle)
    finally:
        program.kill()
        program.wait(AT_ONCE)


def interrupt(program: subprocess.Popen[bytes], terminal: int, workers: int, settle: float) -> None:
    """Press Ctrl-C once `workers` processes are at work, and look at what becomes of them."""
    pid = program.pid
    said, below, until = b"", set[int](), time.monotonic() + BEGUN
    while (b"runs" not in said or len(below) < workers) and time.monotonic() < until:
        said += read(terminal, 0.2)
        below = children(pid)
    assert b"runs" in said, said
    said += read(terminal, settle)
    below = children(pid)
    interrupted = time.monotonic()
    os.write(terminal, b"\x03")
    answer = read(terminal, AT_ONCE)
    assert time.monotonic() - interrupted < AT_ONCE
    os.close(terminal)
    assert program.wait(AT_ONCE) == Exit.INTERRUPTED
    assert b"interrupted" in answer
    assert b"Traceback" not in said + answer
    assert b"Error" not in said + answer
    deadline = time.monotonic() + AT_ONCE
    while any(map(alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [p for p in below if alive(p)]
