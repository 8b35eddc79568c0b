"""What a process needs from outside to live: a ticker, a service manager, something to show itself with, a lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spillway.control.alarms import AlarmNews
from spillway.control.report import TickReport
from spillway.control.tick import Parts
from spillway.ports import Applied


class Ticker(Protocol):
    """Runs passes one after another in one thread."""

    def start(self, on_error: Callable[[str, BaseException], None]) -> None: ...
    def every(self, name: str, seconds: float, function: Callable[[], object]) -> None: ...
    def soon(self, name: str, function: Callable[[], object]) -> None: ...
    def realign(self) -> None: ...
    def stop(self, deadline: float) -> bool: ...


class Notifier(Protocol):
    """Tells the service manager how the process is."""

    def ready(self) -> None: ...
    def reloading(self) -> None: ...
    def stopping(self) -> None: ...
    def alive(self) -> None: ...
    def status(self, sentence: str) -> None: ...


class StatusServer(Protocol):
    """Serves metrics, status and page."""

    @property
    def url(self) -> str: ...
    def bind(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def report(self, report: TickReport) -> None: ...
    def failed(self, kind: str) -> None: ...
    def reloaded(self, outcome: str) -> None: ...
    def built(self, applied: Applied) -> None: ...
    def set_ready(self) -> None: ...
    def set_blocked(self, why: str) -> None: ...
    def set_stopping(self) -> None: ...


class AlarmSender(Protocol):
    """Tells people of alarms, without ever holding up the loop."""

    def start(self) -> None: ...
    def send(self, news: AlarmNews) -> None: ...
    def stop(self, seconds: float) -> None: ...
    def lost(self) -> int: ...
    def why(self) -> str: ...


class Lease(Protocol):
    """The right to write, for one process at a time."""

    def acquire(self) -> None: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Wall seconds."""

    tick: float
    health: float
    stop: float
    """Longest time that a pass may take after SIGTERM."""
    write: float
    """Longest time of one engine call."""
    drift: float = 300.0
    """Between looks at all parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Where operators reach the daemon."""

    path: Path
    """Of the control socket."""
    group: str | None = None
    """Group whose members may send orders beside root and the daemon's user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration that was read again and has no mistakes."""

    digest: str
    restart: tuple[str, ...]
    """Dotted paths of changes that only a restart can bring."""
    changes: tuple[str, ...]
    """What differs from the configuration in force, as `path: old -> new`; bounded, and without secrets."""
    rhythm: Rhythm
    build: Callable[[], Parts]
    taken: Callable[[], None]
    """Called once it is in force."""
