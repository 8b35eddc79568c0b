"""The state table of a backend: which event leads from which state where. Anything else is a defect and raises."""

from __future__ import annotations

from enum import StrEnum

from spillway.core.values.decision import BackendState
from spillway.errors import SpillwayError


class Event(StrEnum):
    """What can happen to a backend."""

    SHED = "shed"
    """Its ceiling was lowered, not to 0."""
    DRAIN = "drain"
    """Its scaler went to 0."""
    EMPTIED = "emptied"
    """Nothing is in flight there any more."""
    RAISE = "raise"
    """Its ceiling was raised, not to 1."""
    RESTORE = "restore"
    """Its ceiling is at 1 again, or a joined region carries load well."""
    HOLD = "hold"
    RELEASE = "release"
    JOIN = "join"
    LEAVE = "leave"
    """Its scaler went to 0 so that it can be detached."""
    DETACH = "detach"


class IllegalEvent(SpillwayError):
    """An event that the table does not allow in this state; the state is untouched."""


_S, _E = BackendState, Event

_ANYWHERE = {_E.HOLD: _S.HELD, _E.DETACH: _S.STANDBY, _E.LEAVE: _S.LEAVING}

_TABLE: dict[BackendState, dict[Event, BackendState]] = {
    _S.SERVING: {_E.SHED: _S.DEGRADED, _E.DRAIN: _S.DRAINING, **_ANYWHERE},
    _S.DEGRADED: {
        _E.SHED: _S.DEGRADED,
        _E.RAISE: _S.RECOVERING,
        _E.RESTORE: _S.SERVING,
        _E.DRAIN: _S.DRAINING,
        **_ANYWHERE,
    },
    _S.DRAINING: {_E.EMPTIED: _S.DRAINED, _E.RAISE: _S.RECOVERING, _E.RESTORE: _S.SERVING, **_ANYWHERE},
    _S.DRAINED: {_E.RAISE: _S.RECOVERING, _E.RESTORE: _S.SERVING, **_ANYWHERE},
    _S.RECOVERING: {
        _E.RAISE: _S.RECOVERING,
        _E.RESTORE: _S.SERVING,
        _E.SHED: _S.DEGRADED,
        _E.DRAIN: _S.DRAINING,
        **_ANYWHERE,
    },
    _S.HELD: {_E.RELEASE: _S.SERVING, _E.DETACH: _S.STANDBY},
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
        _E.HOLD: _S.HELD,
    },
}


def next_phase(state: BackendState, event: Event) -> BackendState:
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
