"""What may be done to each lever before anything is searched: allowed values, and each bound with its reason.

A capacity scaler has two legal pieces, {0} and [0.1, 1] (py:Backend.capacity_scaler), so what is allowed is two pieces as well.
A bound narrows what is allowed. It has a kind, and a purpose may pass some kinds: `PASSES` is the whole table of overrides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from spillway.core.values.decision import Purpose, Reason
from spillway.core.values.topology import SCALER_FLOOR, RegionName

_NEAR = 1e-9
"""Scalers are hundredths: what is nearer than this is equal."""


class LimitKind(StrEnum):
    """What a bound protects. The value is the bound's reason code where it has only one."""

    OPERATOR_HOLD = "operator-hold"
    OPERATOR_ORDER = "operator-order"
    """A pin or a drain in force: it stops everything but itself."""
    FREEZE = "freeze"
    PLANNED = "planned-work"
    """Planned work wants the region empty: nothing opens it."""
    UNKNOWN_OUTCOME = "unknown-outcome"
    LISTING_PANIC = "listing-panic"
    """The listing is not believed: nobody moves anything."""
    DOUBTED = "doubted"
    """The listing shows this region otherwise than wanted: nobody moves it."""
    UNCONFIRMED = "unconfirmed"
    """The listing shows another region otherwise than wanted."""
    FOREIGN_PIN = "foreign-pin"
    """Somebody else has set it."""
    UNREAD = "unread"
    """Listing, policies or health could not be read, so its membership rests."""
    PANIC = "panic"
    NOT_MOVABLE = "not-movable"
    NO_SCALER = "no-scaler"
    """The backend has no scaler: it is attached or detached, and nothing between."""
    ALONE = "alone"
    EVIDENCE = "evidence"
    """Samples or health reads are missing, stale, thin or absurd."""
    LATE_EVIDENCE = "late-evidence"
    DWELL = "resting"
    NOT_WELL_YET = "not-well-yet"
    EFFECT_AWAITED = "effect-awaited"
    STEP = "step-limit"
    BUDGET = "budget-spent"
    ONE_DRAIN = "one-drain"
    LEAST_SHARE = "least-share"
    """The configuration keeps a part of its weight for it."""
    KEEPS_CAPACITY = "keeps-capacity"
    """A region is closed only for answers that are bad at any load."""


_K, _P = LimitKind, Purpose

_SCALER = frozenset({_K.UNREAD})
"""What every change passes that leaves the membership as it is."""

_ORDER = frozenset(
    {
        _K.FREEZE,
        _K.PLANNED,
        _K.PANIC,
        _K.EVIDENCE,
        _K.LATE_EVIDENCE,
        _K.DWELL,
        _K.NOT_WELL_YET,
        _K.EFFECT_AWAITED,
        _K.STEP,
        _K.BUDGET,
        _K.KEEPS_CAPACITY,
    }
)
"""What people and their calendar pass."""

_JOINING = frozenset({_K.EVIDENCE, _K.LATE_EVIDENCE, _K.NOT_WELL_YET, _K.STEP, _K.KEEPS_CAPACITY, _K.ALONE})
"""What a change of membership passes: nobody is sent to a standby, so nothing of it can be seen."""

PASSES: Mapping[Purpose, frozenset[LimitKind]] = MappingProxyType(
    {
        _P.RELIEVE: _SCALER,
        _P.MAKE_ROOM: _SCALER | {_K.LATE_EVIDENCE, _K.NOT_WELL_YET},
        _P.SHARE: _SCALER | {_K.NOT_WELL_YET},
        _P.PRE_SCALE: _SCALER | {_K.NOT_WELL_YET},
        _P.RESTORE: _SCALER,
        _P.PROBE: _SCALER,
        _P.UNDO: _SCALER | {_K.LATE_EVIDENCE, _K.DWELL, _K.NOT_WELL_YET, _K.STEP, _K.KEEPS_CAPACITY},
        # what was wanted before was decided then: it needs no reason of its own, but evidence and the floors
        _P.REVERT_EDIT: frozenset(
            {_K.FOREIGN_PIN, _K.DWELL, _K.NOT_WELL_YET, _K.STEP, _K.KEEPS_CAPACITY, _K.ALONE}
        ),
        # a dead region shows no samples, and the health pass reads none: fresh health reads are its evidence
        _P.DRAIN_DEAD: frozenset(
            {
                _K.FREEZE,
                _K.UNCONFIRMED,
                _K.FOREIGN_PIN,
                _K.UNREAD,
                _K.EVIDENCE,
                _K.LATE_EVIDENCE,
                _K.DWELL,
                _K.EFFECT_AWAITED,
                _K.STEP,
                _K.BUDGET,
                _K.ONE_DRAIN,
                _K.KEEPS_CAPACITY,
            }
        ),
        _P.OPERATOR: _ORDER | _SCALER | {_K.OPERATOR_ORDER},  # an order for a region ends its foreign pin
        _P.CALENDAR: _ORDER | {_K.ALONE},
        _P.JOIN: _JOINING,
        _P.LEAVE: _JOINING,
        _P.DETACH: _JOINING | {_K.DWELL},
        _P.POSTURE: frozenset(),
    }
)
"""Who may pass which limit. Everything else that a change needs to know of its own authority follows from this table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the readings of one pass allow to be written for one service."""

    panic: Reason | None = None
    """Why the listing is not believed at all: nothing moves."""
    doubt: Reason | None = None
    """Why nothing is written in this pass but the drain of a dead region that is listed as wanted."""
    doubted: frozenset[RegionName] = frozenset()
    """Regions that are listed otherwise than wanted, or were taken over in this pass."""
    unread: tuple[tuple[RegionName, Reason], ...] = ()
    """Regions whose membership rests, and what of listing, policies and health could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Scalers that are allowed: 0 where `closed`, and all of [low, high]; empty where low exceeds high."""

    closed: bool = True
    low: float = SCALER_FLOOR
    high: float = 1.0

    def allows(self, scaler: float) -> bool:
        """Tell whether `scaler` is among them."""
        if scaler == 0.0:
            return self.closed
        return self.low - _NEAR <= scaler <= self.high + _NEAR

    def both(self, other: Allowed) -> Allowed:
        """What both allow."""
        return Allowed(
            closed=self.closed and other.closed,
            low=max(self.low, other.low),
            high=min(self.high, other.high),
        )


EVERYTHING = Allowed()
"""All legal scalers."""

WHOLE = Allowed(low=1.0)
"""What a backend without a scaler can be: detached (0) or attached (1)."""


def only(scaler: float) -> Allowed:
    """One scaler and no other."""
    if scaler == 0.0:
        return Allowed(closed=True, low=1.0, high=0.0)
    return Allowed(closed=False, low=scaler, high=scaler)


def at_least(scaler: float) -> Allowed:
    """`scaler` and everything above."""
    return Allowed(closed=scaler == 0.0, low=max(SCALER_FLOOR, scaler))


def at_most(scaler: float) -> Allowed:
    """`scaler` and everything below."""
    return Allowed(high=scaler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One limit on one lever: what it allows, and why."""

    kind: LimitKind
    allowed: Allowed
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class ScalerLimits:
    """All bounds on the scaler and the membership of one region, in the order in which they are told."""

    region: RegionName
    now: float
    """The scaler as it stands; it is always allowed."""
    bounds: tuple[Bound, ...]
    graded: bool = True
    """False where every change is one of membership, so that nothing passes `UNREAD`."""

    def _passed(self, purpose: Purpose) -> frozenset[LimitKind]:
        return PASSES[purpose] if self.graded else PASSES[purpose] - _SCALER

    @cached_property
    def _binding(self) -> tuple[Bound, ...]:
        return tuple(b for b in self.bounds if b.allowed != EVERYTHING)

    def allowed(self, purpose: Purpose) -> Allowed:
        """What `purpose` may set, besides leaving it as it is."""
        passed, found = self._passed(purpose), EVERYTHING
        for bound in self._binding:
            if bound.kind not in passed:
                found = found.both(bound.allowed)
        return found

    def active(self, scaler: float, purpose: Purpose) -> Bound | None:
        """The first bound that keeps `purpose` from setting `scaler`; None where it may.

        A detachment leaves the scaler at 0, and is kept from by what keeps the region as it is.
        """
        passed, stays = self._passed(purpose), only(self.now)
        for bound in self._binding:
            if bound.kind in passed:
                continue
            if not bound.allowed.allows(scaler) or (scaler == self.now and bound.allowed == stays):
                return bound
        return None
