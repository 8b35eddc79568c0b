"""What the control loop needs from outside, as small protocols. Each has a real and a simulated adapter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from spillway.core.values.drift import HeldPart, KeptSetting, SettingDrift
from spillway.core.values.overlay import Overlay
from spillway.core.values.snapshot import Snapshot


class Clock(Protocol):
    """Time, in the world's seconds: on the sandbox it runs `speed` times faster than the wall."""

    def now(self) -> float:
        """UTC seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for measuring durations."""
        ...


class Observer(Protocol):
    """Reads everything there is to know, never raises for a part that cannot be read."""

    def observe(self) -> Snapshot:
        """Read listing, health, traffic, latency and demand; a part that fails is `Missing` in the result."""
        ...

    def observe_health(self) -> Snapshot:
        """Read listing and health alone (the fast pass); every traffic signal is `Missing`."""
        ...


class Outcome(StrEnum):
    """What became of a write."""

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """The API said no, or the engine cannot work until somebody acts; nothing was changed."""
    CONFLICT = "conflict"
    """Somebody else changed it meanwhile (412): nothing of theirs was overwritten. Observe, then decide anew."""
    FAILED = "failed"
    """It stopped with an error after which part of it may have been done: observe, then decide anew."""
    UNKNOWN = "unknown"
    """No answer within the deadline: it may have been carried out. Observe before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The result of one engine call."""

    outcome: Outcome
    sentence: str
    """One sentence for log, journal and people: what was done, or why not and what happens next."""
    changes: tuple[tuple[str, str], ...] = ()
    """(operation, resource name), operation one of create, update, replace, delete, same is left out."""
    outputs: tuple[tuple[str, str], ...] = ()
    """Stack outputs, sorted by name; `load_balancer_ip` among them."""
    engine_processes: int = 0
    engine_seconds: float = 0.0
    """Wall seconds in the engine."""
    refreshed: bool = False
    """True if state had to be read from the cloud first (a foreign edit, a crash before)."""
    foreign_edit: bool = False
    """True if somebody else had changed what this call wanted to change."""
    absent: bool = False
    """True if it was refused because something that it refers to does not exist (yet), such as a group of endpoints."""
    begun: bool = True
    """False where the engine could not even begin: a lock that is held, a full disk, a state that nobody can read."""
    lasting: bool = False
    """Of what could not begin: true where trying again changes nothing until somebody acts."""
    remedy: str = ""
    """What a person can do about it; empty where there is nothing to do, or nobody knows."""
    refused: tuple[tuple[str, str], ...] = ()
    """(service, sentence) of services that were left out, because a write would take away what somebody has set."""

    @property
    def blocked(self) -> bool:
        """True where the engine can do nothing until somebody acts."""
        return self.lasting and not self.begun

    @property
    def met_edit(self) -> bool:
        """True where an edit by somebody else stood in its way, whatever became of it."""
        return self.foreign_edit or self.outcome is Outcome.CONFLICT


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedChange:
    """One thing that an `up` would do."""

    operation: str
    """create, update, replace, delete, or import: what stands is taken over unchanged."""
    kind: str
    """Type in a person's words, such as `backend service`."""
    name: str
    details: tuple[str, ...] = ()
    """For updates: `property: old -> new`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an `up` would do; empty `changes` means nothing."""

    changes: tuple[PreviewedChange, ...]
    same: int
    kept: tuple[KeptSetting, ...] = ()
    """What others have set and `up` leaves alone."""
    drift: tuple[SettingDrift, ...] = ()
    """What others have changed of what the configuration speaks of."""
    held: tuple[HeldPart, ...] = ()
    """Parts that `up` does not write."""
    later: tuple[str, ...] = ()
    """What happens after this `up` by itself, and when: sentences about certificates that are being replaced."""


class Deployer(Protocol):
    """The one writer. Every call has a deadline and never raises for what the cloud does."""

    kind: str
    """Which engine: `cli+plugin` or `embedded`."""

    def preview(self, overlay: Overlay) -> Preview:
        """What `build` would change; the cloud is read first, and nothing is touched.

        Raises:
            SpillwayError: the engine cannot tell.
        """
        ...

    def build(self, overlay: Overlay) -> Applied:
        """Make the load balancer what (config, overlay) say, after reading what stands: somebody may have deleted or edited parts."""
        ...

    def apply(self, overlay: Overlay) -> Applied:
        """The same by what the engine remembers, for the quick adjustments of a daemon that watches the cloud itself.

        An edit by somebody else is met by its fingerprint: the outcome is a conflict, and the engine then reads what was
        refused, that alone, so that the next call is judged by what stands. Where the
        write undoes nothing of the edit, it is sent once more.
        """
        ...

    def destroy(self) -> Applied:
        """Remove all that this stack has made."""
        ...

    def recover(self) -> str | None:
        """After a crash: clear own dead locks, repair pending operations. A sentence if something was done."""
        ...

    def outputs(self) -> dict[str, str]:
        """Outputs of the last successful `apply`, from state; empty where there was none."""
        ...


class Journal(Protocol):
    """An append-only record, one JSON object for each tick."""

    def append(self, record: dict[str, Any]) -> None:
        """Write one record durably."""
        ...
