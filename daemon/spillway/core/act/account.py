"""What a changed setting means for the memory of a backend: its state, its dwell, its timers."""

from __future__ import annotations

from dataclasses import replace

from spillway.core.estimate.belief import BackendBelief
from spillway.core.values.decision import BackendState
from spillway.core.values.lifecycle import FIXED, Event, event_of, next_state
from spillway.core.values.orders import OrderKind, Orders
from spillway.core.values.policy import Policy
from spillway.core.values.state import BackendMemory
from spillway.core.values.topology import RegionName, ServiceName


def first_sight(memory: BackendMemory, *, member: bool, scaler: float, at: float) -> BackendMemory:
    """The memory of a backend that is seen for the first time: its state follows from its setting."""
    now = BackendState.STANDBY
    if member:
        now = (
            BackendState.SERVING
            if scaler >= 1.0
            else BackendState.DRAINED
            if scaler == 0.0
            else BackendState.RECOVERING
        )
    return replace(
        memory,
        state=now,
        since=at,
        member=member,
        scaler=scaler,
        empty_since=None if member and scaler > 0.0 else at,
    )


def happened(memory: BackendMemory, event: Event, at: float) -> BackendMemory:
    """The memory after `event`.

    Raises:
        IllegalEvent: the state table does not allow it.
    """
    now = next_state(memory.state, event)
    return memory if now is memory.state else replace(memory, state=now, since=at)


def account(
    memory: BackendMemory,
    *,
    member: bool,
    scaler: float,
    at: float,
    backoff: float | None,
    leaving: bool = False,
) -> BackendMemory:
    """The memory after the setting of its backend became (member, scaler).

    Args:
        memory: Before.
        member: Membership now.
        scaler: Scaler now.
        at: UTC seconds.
        backoff: For a move of our own, its backoff from now on; None for somebody else's edit.
        leaving: True if a scaler of 0 is the first half of a leave.
    """
    if memory.member is None or memory.scaler is None:
        return first_sight(memory, member=member, scaler=scaler, at=at)
    was = memory.scaler
    before = was if memory.member else 0.0
    event = event_of(was_member=memory.member, was=was, member=member, scaler=scaler, leaving=leaving)
    if event is None:
        return memory
    joined = event is Event.JOIN
    # our own detachment that ends no leave is the drain of a backend that has no scaler
    if event is Event.DETACH and backoff is not None and not (leaving or memory.leaving):
        event = Event.DRAIN
    if memory.state in FIXED and event is not Event.DETACH:
        memory = happened(memory, Event.RELEASE, at)
        if event in {Event.RAISE, Event.RESTORE, Event.JOIN}:
            event = None
    if event is not None:
        memory = happened(memory, event, at)
    if backoff is not None and scaler != before:
        direction = -1 if scaler < before else 1
        memory = replace(
            memory,
            moved_at=at,
            direction=direction,
            moved_by=scaler - before,
            backoff=backoff,
            backoff_at=at,
            pin=None,
        )
    closed = not member or scaler == 0.0
    return replace(
        memory,
        member=member,
        scaler=scaler,
        empty_since=(memory.empty_since if memory.empty_since is not None else at) if closed else None,
        joined_at=at if joined else memory.joined_at,
        leaving=leaving or (memory.leaving and closed),
        well_since=None if joined else memory.well_since,
    )


def settle(
    memory: BackendMemory, *, fixed: BackendState | None, empty_for: float, at: float
) -> BackendMemory:
    """The memory with what time alone brings: a hold, pin or edit that begins or ends, a drain that is done.

    Args:
        memory: Before.
        fixed: The state of a backend that nothing of the loop may move now; None where it may.
        empty_for: Seconds of scaler 0 after which nothing is in flight any more.
        at: UTC seconds.
    """
    states = BackendState
    if fixed is None and memory.state is states.SERVING:
        return memory  # the usual case
    if fixed is not None:
        return memory if memory.state in {fixed, states.STANDBY} else happened(memory, FIXED[fixed], at)
    if memory.state in FIXED:
        memory = happened(memory, Event.RELEASE, at)
        if memory.scaler == 0.0:
            return happened(memory, Event.LEAVE if memory.leaving else Event.DRAIN, at)
        return happened(memory, Event.SHED, at) if (memory.scaler or 1.0) < 1.0 else memory
    empty = memory.empty_since
    if memory.state is states.DRAINING and empty is not None and at - empty >= empty_for:
        return happened(memory, Event.EMPTIED, at)
    return memory


def with_lifecycle(
    beliefs: tuple[BackendBelief, ...], service: ServiceName, orders: Orders, policy: Policy, at: float
) -> tuple[BackendBelief, ...]:
    """The belief with what time and orders alone bring to the state of each backend."""
    found = []
    for f in beliefs:
        fixed = _fixed(f.memory, orders, service, f.region)
        after = settle(f.memory, fixed=fixed, empty_for=policy.membership.drain_wait, at=at)
        found.append(f if after is f.memory else f._replace(memory=after))
    return tuple(found)


def _fixed(
    memory: BackendMemory, orders: Orders, service: ServiceName, region: RegionName
) -> BackendState | None:
    """The state of a backend that nothing of the loop may move; None where it may, and under an ordered drain.

    What speaks of the region alone comes before a hold, which speaks of all. An ordered drain goes through the states of every other drain.
    """
    order = orders.find(service, region, OrderKind.PIN, OrderKind.DRAIN) if orders.items else None
    if order is not None and order.kind is OrderKind.PIN:
        return BackendState.PINNED
    if memory.pin is not None:
        return BackendState.EDITED
    if order is not None or not orders.items:
        return None
    return BackendState.HELD if orders.find(service, region, OrderKind.HOLD) is not None else None
