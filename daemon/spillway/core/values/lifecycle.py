"""The states of a backend, the events that change them, and the dwell after a move.

The table of states is complete: an event that it does not have is a defect and raises. After a move a backend dwells, and flapping lengthens
the dwell (backoff):

    backoff(t) = 1 + (backoff - 1) x 2^-((t - backoff_at) / backoff_decay)         `current_backoff`
    dwell up   = max(dwell, dead time, min(backoff_max, dwell x backoff(t)))       `required_dwell`
    dwell down = max(dwell, dead time), or none after a raise by no more than `MINOR_CHANGE`

A backend without a scaler dwells `WHOLE_DWELL` times as long before it is attached again.
A cut soon after a raise, and a move that disappointed, multiply the backoff by `backoff_growth`. The settings are those of the policy's rhythm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from math import exp2

from spillway.core.values.decision import BackendState
from spillway.core.values.policy import Policy, Rhythm
from spillway.core.values.state import BackendMemory
from spillway.errors import SpillwayError


class Event(StrEnum):
    """What can happen to a backend."""

    SHED = "shed"
    """Its ceiling was lowered, not to 0."""
    DRAIN = "drain"
    """Its scaler went to 0, or it has none and was detached, to be attached again."""
    EMPTIED = "emptied"
    """Nothing is in flight there any more."""
    RAISE = "raise"
    """Its ceiling was raised, not to 1."""
    RESTORE = "restore"
    """Its ceiling is at 1 again."""
    HOLD = "hold"
    PIN = "pin"
    EDIT = "edit"
    """Somebody else has set it, and that is left alone."""
    RELEASE = "release"
    """The hold, the pin or the edit has ended."""
    JOIN = "join"
    LEAVE = "leave"
    """Its scaler went to 0 so that it can be detached."""
    DETACH = "detach"


class IllegalEvent(SpillwayError):
    """An event that the table does not allow in this state; the state is untouched."""


_S, _E = BackendState, Event

_FIXED = {_E.HOLD: _S.HELD, _E.PIN: _S.PINNED, _E.EDIT: _S.EDITED}
_ANYWHERE = {**_FIXED, _E.DETACH: _S.STANDBY, _E.LEAVE: _S.LEAVING}
_FREED = {_E.RELEASE: _S.SERVING, _E.DETACH: _S.STANDBY}

_TABLE: dict[BackendState, dict[Event, BackendState]] = {
    _S.SERVING: {_E.SHED: _S.DEGRADED, _E.DRAIN: _S.DRAINING, **_ANYWHERE},
    _S.DEGRADED: {
        _E.SHED: _S.DEGRADED,
        _E.RAISE: _S.RECOVERING,
        _E.RESTORE: _S.SERVING,
        _E.DRAIN: _S.DRAINING,
        **_ANYWHERE,
    },
    _S.DRAINING: {
        _E.EMPTIED: _S.DRAINED,
        _E.RAISE: _S.RECOVERING,
        _E.RESTORE: _S.SERVING,
        _E.JOIN: _S.JOINING,
        **_ANYWHERE,
    },
    _S.DRAINED: {_E.RAISE: _S.RECOVERING, _E.RESTORE: _S.SERVING, _E.JOIN: _S.JOINING, **_ANYWHERE},
    _S.RECOVERING: {
        _E.RAISE: _S.RECOVERING,
        _E.RESTORE: _S.SERVING,
        _E.SHED: _S.DEGRADED,
        _E.DRAIN: _S.DRAINING,
        **_ANYWHERE,
    },
    _S.HELD: {_E.PIN: _S.PINNED, _E.EDIT: _S.EDITED, **_FREED},
    _S.PINNED: {_E.HOLD: _S.HELD, _E.EDIT: _S.EDITED, **_FREED},
    _S.EDITED: {_E.HOLD: _S.HELD, _E.PIN: _S.PINNED, **_FREED},
    _S.STANDBY: {_E.JOIN: _S.JOINING},
    _S.JOINING: {
        _E.RAISE: _S.JOINING,
        _E.RESTORE: _S.SERVING,
        _E.SHED: _S.DEGRADED,
        _E.DRAIN: _S.DRAINING,
        **_ANYWHERE,
    },
    _S.LEAVING: {
        _E.DETACH: _S.STANDBY,
        _E.RAISE: _S.JOINING,
        _E.RESTORE: _S.SERVING,
        **_FIXED,
    },
}

FIXED: Mapping[BackendState, Event] = {state: event for event, state in _FIXED.items()}
"""The states in which nothing of the loop moves a backend, and the event that leads to each."""


def next_state(state: BackendState, event: Event) -> BackendState:
    """The state that `event` leads to.

    Raises:
        IllegalEvent: the table has no such transition.
    """
    try:
        return _TABLE[state][event]
    except KeyError:
        allowed = ", ".join(sorted(_TABLE[state]))
        raise IllegalEvent(
            f"event {event} cannot happen to a backend that is {state}; it allows {allowed}",
            remedy="Report this with the journal of the tick: the controller's bookkeeping is wrong.",
        ) from None


def table() -> tuple[tuple[BackendState, Event, BackendState], ...]:
    """Every transition as (state, event, next state), for the docs and the tests."""
    return tuple((state, event, to) for state, row in _TABLE.items() for event, to in row.items())


def event_of(*, was_member: bool, was: float, member: bool, scaler: float, leaving: bool) -> Event | None:
    """The event that a change of setting is, or None where nothing changed.

    Args:
        was_member: Membership before.
        was: Scaler before.
        member: Membership after.
        scaler: Scaler after.
        leaving: True if a scaler of 0 is the first half of a leave.
    """
    if was_member and not member:
        return Event.DETACH
    if member and not was_member:
        return Event.JOIN
    if not member or scaler == was:
        return None
    if scaler == 0.0:
        return Event.LEAVE if leaving else Event.DRAIN
    if scaler < was:
        return Event.SHED
    return Event.RESTORE if scaler >= 1.0 else Event.RAISE


MINOR_CHANGE = 0.1 + 1e-9
"""Change of a scaler up to which a move is only a correction: a tenth, and what hundredths are off as floats."""

REVERSAL_SECONDS = 3600.0
"""A cut within this time after a raise counts as flapping."""


def current_backoff(memory: BackendMemory, rhythm: Rhythm, at: float) -> float:
    """Multiplier on the dwell at UTC second `at`. It is 1 or more; what it has above 1 halves every `backoff_decay` seconds."""
    if memory.backoff <= 1.0:
        return 1.0
    return 1.0 + (memory.backoff - 1.0) * exp2(-max(0.0, at - memory.backoff_at) / rhythm.backoff_decay)


WHOLE_DWELL = 2.0
"""Dwell of a backend without a scaler before it is attached again, over that of one with a scaler. A scaler lets a tenth in to try; without
one a try brings back all of the load, and one that fails costs all of it for a dead time."""


def required_dwell(
    memory: BackendMemory,
    policy: Policy,
    at: float,
    direction: int,
    dead_time: float,
    *,
    whole: bool = False,
) -> float:
    """Seconds that must pass between the last move and one in `direction` (-1 down, 1 up).

    A direction of 0 is a raise within the proven capacity. `dead_time` is the longer of the measured and the configured one; `whole` is True
    for a backend without a scaler. The result is never less than the dead time, except 0 for a cut after a minor raise.
    """
    rhythm = policy.rhythm
    plain = max(rhythm.dwell, policy.timing.dead_time)
    # a cut after a minor raise does not wait: such a raise does not explain what looks bad
    if direction < 0.0 < memory.moved_by <= MINOR_CHANGE:
        return 0.0
    # a cut waits for the plain dwell: backoff makes the raises slower, not the cuts
    if direction <= 0:
        return max(plain, dead_time)
    # a raise beyond the proven capacity waits for the dwell that backoff lengthened
    longer = max(plain, dead_time, min(rhythm.backoff_max, plain * current_backoff(memory, rhythm, at)))
    return WHOLE_DWELL * longer if whole else longer


def has_dwelt(
    memory: BackendMemory,
    policy: Policy,
    at: float,
    direction: int,
    dead_time: float,
    *,
    whole: bool = False,
) -> bool:
    """Whether the backend may move in `direction` again; the arguments are those of `required_dwell`."""
    if memory.moved_at is None:
        return True
    return at - memory.moved_at >= required_dwell(memory, policy, at, direction, dead_time, whole=whole)


def backoff_after(memory: BackendMemory, rhythm: Rhythm, at: float, change: float) -> float:
    """The multiplier after a scaler moved by `change` at UTC second `at`: a cut soon after a raise lengthens the dwell.

    A minor cut does not: it only moves a ceiling nearer to the capacity that was found.
    """
    backoff = current_backoff(memory, rhythm, at)
    flapped = (
        change < -MINOR_CHANGE
        and memory.direction > 0
        and memory.moved_at is not None
        and at - memory.moved_at < REVERSAL_SECONDS
    )
    return backoff * rhythm.backoff_growth if flapped else backoff


def penalised(memory: BackendMemory, rhythm: Rhythm, at: float) -> BackendMemory:
    """The memory after a move that disappointed: its dwell grows as after a reversal."""
    return replace(memory, backoff=current_backoff(memory, rhythm, at) * rhythm.backoff_growth, backoff_at=at)
