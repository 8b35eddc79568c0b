"""What one step of the core returns: its belief, the changes that it wants, the refusals, and the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from spillway.core.values.alarms import Alarm
from spillway.core.values.overlay import Overlay, Posture
from spillway.core.values.topology import RegionName, ServiceName


class BackendState(StrEnum):
    """State of a backend, as the controller sees it. `core.values.lifecycle` has the table of transitions."""

    SERVING = "serving"
    DEGRADED = "degraded"
    """Its ceiling was lowered, not to 0."""
    DRAINING = "draining"
    """Its scaler was set to 0; requests in flight end."""
    DRAINED = "drained"
    RECOVERING = "recovering"
    """Its ceiling was raised, not to 1."""
    HELD = "held"
    """Not to be moved: an operator's hold is in force."""
    PINNED = "pinned"
    """Not to be moved: an operator's pin is in force."""
    EDITED = "edited"
    """Not to be moved: somebody else has set it, and that is left alone."""
    STANDBY = "standby"
    JOINING = "joining"
    LEAVING = "leaving"


class Health(StrEnum):
    """What a region is like, by evidence, whatever Spillway does to it. `core.explain.health` judges it."""

    OK = "ok"
    SLOW = "slow"
    """More of its answers are late than the SLO allows."""
    FAILING = "failing"
    """More of its answers fail than the SLO allows."""
    SATURATED = "saturated"
    """Its load is at its capacity or over it, or it refuses requests for want of quota."""
    DEAD = "dead"
    """Its endpoints fail their health checks."""
    IDLE = "idle"
    """It is sent no requests: closed, detached, a standby, or nobody is near."""
    UNKNOWN = "unknown"
    """There is no evidence."""


class Lever(StrEnum):
    """The settings that Spillway changes."""

    SCALER = "scaler"
    WEIGHT = "weight"
    """Of a backend service in a steered split; its value is the part of the configured weight, as of a scaler."""
    POSTURE = "posture"
    MEMBERSHIP = "membership"


GRADED = frozenset({Lever.SCALER, Lever.WEIGHT})
"""Levers with values between closed and open."""


class Purpose(StrEnum):
    """What a change is for. `core.values.limits.PASSES` says which limits each purpose may pass."""

    RELIEVE = "relieve"
    """Lower a ceiling, so that fewer requests are bad."""
    MAKE_ROOM = "make-room"
    """Raise a ceiling for what the same set sheds."""
    SHARE = "share"
    """Spread a shortage evenly."""
    PRE_SCALE = "pre-scale"
    """Raise ahead of a surge."""
    RESTORE = "restore"
    PROBE = "probe"
    """Open a closed region by a tenth to see how it does."""
    UNDO = "undo"
    REVERT_EDIT = "revert-edit"
    """Put back what somebody else has set, where the policy says so."""
    DRAIN_DEAD = "drain-dead"
    OPERATOR = "operator"
    CALENDAR = "calendar"
    """Planned work, and its end."""
    JOIN = "join"
    LEAVE = "leave"
    DETACH = "detach"
    """Second half of a leave."""
    POSTURE = "posture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A code from `core.explain.reasons` and the sentence it made with the numbers at hand."""

    code: str
    sentence: str


def span(seconds: float) -> str:
    """A time as people say it, for a sentence: `380 s`, from ten minutes on `27 min`, then `2 h 27 min`, and from two days on `3 d 4 h`.

    What is left over is cut off: a time that is not over yet never looks as if it were.
    """
    if seconds < 600.0:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60.0)
    hours, days = minutes // 60, minutes // 1440
    if days >= 2:
        parts = f"{days} d", f"{hours % 24} h" if hours % 24 else ""
    elif hours:
        parts = f"{hours} h", f"{minutes % 60} min" if minutes % 60 else ""
    else:
        parts = f"{minutes} min", ""
    return " ".join(part for part in parts if part)


class BackendAssessment(NamedTuple):
    """What the core believes of one backend. None means: not known."""

    region: RegionName
    state: BackendState
    member: bool
    scaler_observed: float | None
    scaler_wanted: float
    demand: float | None
    """Requests/s of the clients whose first region this is; they would all arrive here if there were no ceilings."""
    served: float | None
    """Requests/s answered here."""
    target: float | None
    """Requests/s that Google believes it may take, at scaler 1."""
    capacity: float | None
    """Requests/s at which the SLO still holds, with the endpoints that are healthy now."""
    headroom: float | None
    """(effective capacity - served) / served."""
    latency: float | None
    """Seconds at the SLO's percentile, of successful answers."""
    error_ratio: float | None
    """5xx over all answers."""
    too_many_ratio: float | None
    """429 over all answers."""
    healthy_share: float | None
    confidence: float
    """0 nothing known, 1 fresh and plentiful evidence."""
    age: float | None
    """Seconds since the newest trusted sample ended."""
    notes: tuple[Reason, ...] = ()
    health: Health = Health.UNKNOWN
    weight: float | None = None
    """Weight that is wanted in the URL map, of a service in a steered split; None elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedLever:
    """A lever that somebody else has set and that is left alone."""

    region: RegionName | None
    """None for the failover policy of the service."""
    lever: Lever
    value: str
    """As people write it: `0.50`, `detached`."""
    wanted: str
    """What was wanted before."""
    since: float
    """UTC seconds of the adoption."""
    until: float | None
    """UTC seconds of its end; None where a person must decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAssessment:
    """What the core believes of one service."""

    service: ServiceName
    posture: Posture
    demand: float | None
    forecast: float | None
    """Requests/s expected one dead time from now."""
    capacity: float | None
    headroom: float | None
    survives_loss: bool | None
    """True if demand still fits after the largest region is lost (N-1), standby regions that would join counted in."""
    shortage: bool
    backends: tuple[BackendAssessment, ...]
    alarms: tuple[Alarm, ...] = ()
    """What is seen in this step; `control.alarms` knows which of them are up, and since when."""
    foreign_pins: tuple[PinnedLever, ...] = ()
    """What somebody else has set and is left alone; by region, the failover policy last."""
    silent: bool = False
    """True where requests were expected and the newest sample has none, although the query succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of one lever."""

    service: ServiceName
    region: RegionName | None
    """None for a change of posture."""
    lever: Lever
    before: str
    """As people write it: `1.00`, `normal`, `member`."""
    after: str
    reason: Reason
    urgent: bool = False
    """True for a drain of a dead region, which may pass budget and dwell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A move that is not made, and the limit or constraint that was active."""

    limit: str
    """Code from `core.explain.reasons`."""
    move: Move
    sentence: str
    ordered: bool = False
    """True where an operator's pin or drain of this very region forbids it: that is what the order is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an earlier move: predicted against observed, one dead time later."""

    move: Move
    made_at: float
    predicted: float
    """Share of bad requests of the service that was expected."""
    observed: float
    better: bool
    """True if the move kept its promise, or if something else is to blame."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The result of the search for one service, for the journal. Its numbers are shares of bad requests."""

    service: str
    bad_now: float
    bad_best: float
    name: str
    """Label of the answer from which the best set was found."""
    second: str
    """Label of the second best answer."""
    second_bad: float
    least: float
    """Lower bound for every set of ceilings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole overlay that is wanted now, and the moves by which it differs from the one before."""

    overlay: Overlay
    moves: tuple[Move, ...]

    @property
    def empty(self) -> bool:
        """True if nothing is to be done."""
        return not self.moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One proposed change of one lever; a `Move` with numbers in place of words."""

    service: ServiceName
    region: RegionName | None
    lever: Lever
    purpose: Purpose
    """What it is for: which limits it may pass follows from that."""
    before: float
    """Scaler before; 0 where the backend is no member."""
    after: float
    reason: Reason
    member: bool = True
    """Membership after."""
    was_member: bool = True
    ahead: bool = False
    """A cap of a receiver, above its present load. It comes before the cuts that send it more."""
    leaving: bool = False
    """First half of a leave: its scaler goes to 0 so that it can be detached."""
    forced: bool = False
    """An operator wants it whatever the floors say; the last open region stays open all the same."""
    posture: Posture | None = None
    was_posture: Posture | None = None

    @property
    def urgent(self) -> bool:
        """True for a drain of a dead region, which does not count in the hourly budget."""
        return self.purpose is Purpose.DRAIN_DEAD

    @property
    def down(self) -> bool:
        """True if it takes ceiling away."""
        return self.lever is not Lever.POSTURE and self.after < self.before

    @property
    def up(self) -> bool:
        """True if it adds ceiling."""
        return self.lever is not Lever.POSTURE and self.after > self.before

    def move(self) -> Move:
        """The same in words."""
        if self.lever is Lever.POSTURE:
            before, after = str(self.was_posture), str(self.posture)
        else:
            before = f"{self.before:.2f}" if self.was_member else "detached"
            after = f"{self.after:.2f}" if self.member else "detached"
        return Move(
            service=self.service,
            region=self.region,
            lever=self.lever,
            before=before,
            after=after,
            reason=self.reason,
            urgent=self.urgent,
        )


def ordered(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Joins, raises, posture, caps of receivers, cuts, closures, detachments; by service and region inside each."""

    def rank(change: Change) -> tuple[int, str, str]:
        if change.lever is Lever.POSTURE:
            place = 2
        elif change.up:
            place = 0 if not change.was_member else 1
        elif not change.member:
            place = 6
        else:
            place = 5 if change.after == 0.0 else 3 if change.ahead else 4
        return place, change.service, change.region or ""

    return tuple(sorted(changes, key=rank))
