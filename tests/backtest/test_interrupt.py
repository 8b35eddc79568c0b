"""Ctrl-C in the middle of a backtest on a terminal: one word, no traceback, exit code 130, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.bench.library import FOLDER
from tests.terminal import CTRL_C, alive, children, gone, on_terminal, read

from spillway.exits import Exit

BEGUN = 60.0
"""Seconds to wait for the workers; the machine may be busy."""

AT_ONCE = 10.0
"""Seconds in which it must be over; the run itself takes minutes."""

COMMAND = (
    *(sys.executable, "-m", "spillway", "backtest", str(FOLDER / "quiet-week-of-noise.yaml")),
    *("--baseline", "oracle", "--baseline", "oracle-delayed"),
)


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="children of a process are read from /proc, which is Linux"
)


@pytest.mark.parametrize(("jobs", "settle"), [("1", 1.0), ("2", 0.0), ("2", 2.0)])
def test_interrupted_on_a_terminal(jobs: str, settle: float) -> None:
    """`settle`: seconds that the workers have; with none of them they are hit while they still import."""
    with on_terminal(*COMMAND, "--jobs", jobs) as (program, terminal):
        interrupt(program, terminal, 0 if jobs == "1" else int(jobs), settle)


def test_a_background_job_works_on_after_ctrl_c() -> None:
    with on_terminal(*COMMAND, "--jobs", "2", background=True) as (program, terminal):
        started(program, terminal, 2)
        below = children(program.pid)
        os.write(terminal, CTRL_C)
        read(terminal, 2.0)
        assert program.poll() is None
        assert all(map(alive, below))
        os.close(terminal)
        program.terminate()
        program.wait(AT_ONCE)
        for left in filter(alive, below):
            with suppress(ProcessLookupError):  # it may end by itself, as nobody reads its results any more
                os.kill(left, signal.SIGTERM)
        assert gone(below, AT_ONCE)


def started(program: subprocess.Popen[bytes], terminal: int, workers: int) -> bytes:
    """Wait until `workers` processes are at work: what was said by then."""
    said, below, until = b"", set[int](), time.monotonic() + BEGUN
    while (b"runs" not in said or len(below) < workers) and time.monotonic() < until:
        said += read(terminal, 0.2)
        below = children(program.pid)
    assert b"runs" in said, said
    return said


def interrupt(program: subprocess.Popen[bytes], terminal: int, workers: int, settle: float) -> None:
    """Press Ctrl-C once `workers` processes are at work, and look at what becomes of them."""
    said = started(program, terminal, workers)
    said += read(terminal, settle)
    below = children(program.pid)
    interrupted = time.monotonic()
    os.write(terminal, CTRL_C)
    answer = read(terminal, AT_ONCE)
    assert time.monotonic() - interrupted < AT_ONCE
    os.close(terminal)
    assert program.wait(AT_ONCE) == Exit.INTERRUPTED
    assert b"interrupted" in answer
    assert b"Traceback" not in said + answer
    assert b"Error" not in said + answer
    assert gone(below, AT_ONCE)
