"""Locks of Pulumi's own state: which are left over from a dead process of this machine, and the clearing of these."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pulumi.automation import Stack

from spillway.adapters.engine.language import PROJECT
from spillway.adapters.files import write_atomically
from spillway.adapters.process import started_at
from spillway.errors import TemporaryError

_HELD = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")
"""How the CLI words a lock in its refusal (backend/diy/lock.go)."""


_HOSTS = 50
"""Names of hosts that are kept: the last containers of one daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One holder of the stack, as it wrote itself down."""

    pid: int
    host: str
    user: str
    since: float
    """UTC seconds."""
    earlier: bool = False
    """True if its host is one that the holder of the engine's lock had before, as each new container has another name."""

    @property
    def dead(self) -> bool:
        """True only if it is certain: an earlier host of ours, or this machine and the process is gone or is a younger one with the same number."""
        if self.host != socket.gethostname():
            return self.earlier
        started = started_at(self.pid)
        return started is None or started > self.since + _CLOCK_SLACK

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.since, tz=UTC)
        return f"{self.user}@{self.host}, process {self.pid}, since {at:%Y-%m-%d %H:%M:%S} UTC"


_CLOCK_SLACK = 2.0
"""Seconds by which the start of a process may seem later than it was: boot time is known to a second."""


class Locked(TemporaryError):
    """The engine refused to start: the stack is locked."""

    def __init__(self, locks: list[Lock]) -> None:
        super().__init__(
            f"the stack is locked by {', '.join(map(str, locks)) or 'somebody unknown'}",
            remedy="Let that update end; then it is tried again. If it is certain that none runs, use `pulumi cancel`.",
        )
        self.locks = locks


def locks_in(state: Path, stack: str, hosts: frozenset[str] = frozenset()) -> list[Lock]:
    """The locks in a state folder on this machine; a file that cannot be read counts as somebody alive.

    `hosts` are those that the holder of the engine's lock has had.
    """
    folder = state / ".pulumi" / "locks" / "organization" / PROJECT / stack
    found = [_read(file) for file in sorted(folder.glob("*.json")) if not file.name.endswith(".attrs")]
    return [replace(lock, earlier=lock.host in hosts) for lock in found]


def locks_told(text: str, hosts: frozenset[str] = frozenset()) -> list[Lock]:
    """The locks that the CLI names in its refusal; `hosts` as for `locks_in`."""
    return [
        Lock(
            pid=int(found["pid"]),
            host=found["host"],
            user=found["user"],
            since=_time(found["at"]),
            earlier=found["host"] in hosts,
        )
        for found in _HELD.finditer(text)
    ]


def note_host(file: Path) -> frozenset[str]:
    """Note the name of this host, and give all that were noted before and now.

    For the holder of the engine's lock: who held it before, wherever that was, holds it no more, and its CLI ended with it.

    Raises:
        OSError: the disk does not take it.
    """
    try:
        known = file.read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        known = []
    here = socket.gethostname()
    if here not in known:
        known = [*known, here][-_HOSTS:]
        write_atomically(file, "\n".join(known).encode())
    return frozenset(known)


def unlock(stack: Stack, locks: list[Lock]) -> None:
    """Delete the locks if all of them are certainly dead.

    Raises:
        TemporaryError: somebody may be alive, or nobody knows who it is.
    """
    refuse_living(locks)
    if not locks:
        raise Locked(locks)
    stack.cancel()


def refuse_living(locks: list[Lock]) -> None:
    """Do nothing if all of them are certainly dead.

    Raises:
        TemporaryError: somebody may be alive.
    """
    if alive := [lock for lock in locks if not lock.dead]:
        raise Locked(alive)


def _read(file: Path) -> Lock:
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))
        return Lock(
            pid=int(entry["pid"]),
            host=str(entry["hostname"]),
            user=str(entry["username"]),
            since=_time(str(entry["timestamp"])),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Lock(pid=0, host="an unreadable lock", user="somebody", since=0.0)


def _time(text: str) -> float:
    """Go's time with nanoseconds, or 0 where it is none."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError:
        return 0.0
