"""A command on a terminal of its own: what it says, what a person types, and which processes it leaves behind."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CTRL_C = b"\x03"

ON_TERMINAL = """\
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Makes its standard input the terminal from which Ctrl-C comes, and says what that does, as a shell does both."""


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


def gone(processes: set[int], seconds: float) -> bool:
    """True once none of them runs; gives up after this time."""
    until = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < until:
        time.sleep(0.05)  # polling processes, bounded
    return not any(map(alive, processes))


@contextmanager
def on_terminal(*command: str, background: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `command` on a new terminal: the process, and our end of the terminal, which the caller closes.

    In the background it ignores Ctrl-C, as what a script starts with `&` does; in the foreground it never does, not even
    where whoever runs the tests is a background job.
    """
    terminal, far_end = pty.openpty()
    program = subprocess.Popen(
        (sys.executable, "-c", ON_TERMINAL, "SIG_IGN" if background else "SIG_DFL", *command),
        stdin=far_end,
        stdout=far_end,
        stderr=far_end,
    )
    os.close(far_end)
    try:
        yield program, terminal
    finally:
        program.kill()
        program.wait(10.0)
