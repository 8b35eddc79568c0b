"""Processes of an engine call that have outlived it: plugins of a CLI that was killed, a CLI whose daemon was killed.

Plugins run in process groups of their own, so no signal to the CLI's group reaches them. Each process that belongs to a
call inherits a variable with the engine's folder (`MARK`); whoever holds the engine's lock knows that all others with
the same folder are left over. They are told by that variable alone, never by name.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "SPILLWAY_ENGINE_FOLDER"
"""Environment variable of every process of an engine call: the folder that the engine's lock is for."""
_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL: a step that is under way may finish (pulumi.md 4)."""
_LAST = 5.0
"""Seconds that the kernel gets to take away what was killed."""
_PR_GET_CHILD_SUBREAPER = 37
"""prctl(2)."""

BOUND = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"
    "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit('the caller is gone')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
"""Program that becomes the command in its arguments, after it has asked for SIGTERM should its parent's thread die
(prctl(2), PR_SET_PDEATHSIG = 1; the setting survives execve). A program of its own, as a `preexec_fn` is not safe in a
process with threads. The caller's thread waits for the command, so that it cannot end before."""


def end_leftovers(folder: Path, *, grace: float = _GRACE) -> int:
    """End all processes that carry the mark of `folder`, gently first; how many there were.

    For the holder of the engine's lock, while none of its own calls runs. Takes `grace` and five seconds at most.
    """
    found = list(_marked(folder))
    try:
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _LAST)):
            for handle in found:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, number)
            if _gone(found, seconds):
                break
        return len(found)
    finally:
        for handle in found:
            os.close(handle)
        reap_orphans()


def reap_orphans() -> int:
    """Collect dead children that this process has inherited from others; how many.

    Only a process that inherits orphans has any (process 1 of a container, a subreaper); its own children are waited for
    by those who start them, so none of theirs may be under way.
    """
    if os.getpid() != 1 and not _is_subreaper():
        return 0
    reaped = 0
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            reaped += 1
    return reaped


def _marked(folder: Path) -> Iterator[int]:
    """A handle (pidfd_open(2)) of each process but this one that carries the mark: a number could be another's by now."""
    mark = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            handle = os.pidfd_open(int(entry.name))
            # Looked at after the handle was taken: what is read belongs to the process that the handle means.
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                yield handle
            else:
                os.close(handle)


def _gone(handles: list[int], seconds: float) -> bool:
    """Whether all have ended within `seconds`; a handle becomes readable then, also where nobody has waited for it."""
    end = time.monotonic() + seconds
    waiting = select.poll()
    left = set(handles)
    for handle in left:
        waiting.register(handle, select.POLLIN)
    while left and (rest := end - time.monotonic()) > 0:
        for handle, _ in waiting.poll(1000 * min(rest, 1.0)):
            waiting.unregister(handle)
            left.discard(handle)
    return not left


def _is_subreaper() -> bool:
    answer = ctypes.c_int(0)
    failed = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return not failed and bool(answer.value)
