"""Locks of Pulumi's own state: which are left over from a dead process of this machine, and the clearing of these."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pulumi.automation import Stack

from spillway.adapters.engine.language import PROJECT
from spillway.adapters.process import started_at
from spillway.errors import TemporaryError

_HELD = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")
"""How the CLI words a lock in its refusal (backend/diy/lock.go)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One holder of the stack, as it wrote itself down."""

    pid: int
    host: str
    user: str
    since: float
    """UTC seconds."""

    @property
    def dead(self) -> bool:
        """True only if it is certain: this machine, and the process is gone or is a younger one with the same number."""
        if self.host != socket.gethostname():
            return False
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


def locks_in(state: Path, stack: str) -> list[Lock]:
    """The locks in a state folder on this machine; a file that cannot be read counts as somebody alive."""
    folder = state / ".pulumi" / "locks" / "organization" / PROJECT / stack
    return [_read(file) for file in sorted(folder.glob("*.json")) if not file.name.endswith(".attrs")]


def locks_told(text: str) -> list[Lock]:
    """The locks that the CLI names in its refusal."""
    return [
        Lock(pid=int(found["pid"]), host=found["host"], user=found["user"], since=_time(found["at"]))
        for found in _HELD.finditer(text)
    ]


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
    except (OSError, ValueError, KeyError, TypeError):
        return Lock(pid=0, host="an unreadable lock", user="somebody", since=0.0)


def _time(text: str) -> float:
    """Go's time with nanoseconds, or 0 where it is none."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError:
        return 0.0
