"""From a plan to moves in flight: what each promises, and what becomes of the memory once the write has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spillway.core.act.account import account
from spillway.core.estimate.belief import bad_share
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Move, Plan, Purpose
from spillway.core.values.lifecycle import backoff_after
from spillway.core.values.policy import HOUR, Mode
from spillway.core.values.state import ControllerMemory, Flight, ServiceMemory
from spillway.core.values.topology import RegionName


def with_plan(model: ServiceModel, changes: Sequence[Change]) -> ServiceMemory:
    """The memory that the next step starts from: moves proposed, and the writes of the last hour."""
    memory = model.memory
    writes = tuple([w for w in memory.writes if model.at - w < HOUR])
    ahead = _expected_loads(changes, model)
    if not changes and not memory.proposed and writes == memory.writes and ahead == memory.expected_load:
        return memory
    return replace(memory, proposed=_flights(changes, model), writes=writes, expected_load=ahead)


def _expected_loads(changes: Sequence[Change], model: ServiceModel) -> tuple[tuple[RegionName, float], ...]:
    """Requests/s expected in each region once the moves in flight are seen, those of this step included."""
    made = changes if model.policy.mode is Mode.ACT else ()
    if not made and not model.memory.flights:
        return ()
    traffic = model.traffic
    loads = traffic.predict(_scalers_after(model, made)).flow.loads
    return tuple((r.name, round(load, 3)) for r, load in zip(traffic.regions, loads, strict=True))


def _scalers_after(model: ServiceModel, changes: Sequence[Change]) -> list[float]:
    scalers = list(model.traffic.scalers)
    for change in changes:
        if change.region is not None:
            scalers[model.traffic.index(change.region)] = change.after
    return scalers


def _flights(changes: Sequence[Change], model: ServiceModel) -> tuple[Flight, ...]:
    """The flights that the plan's moves become once they are confirmed."""
    if not changes:
        return ()
    traffic, total = model.traffic, model.traffic.forecast
    before, then = traffic.base, traffic.predict(_scalers_after(model, changes))
    seen = bad_share(model.beliefs)
    found = []
    for change in changes:
        backoff, capacity_confirmed = 1.0, 0.0
        if change.region is not None:
            capacity_confirmed = traffic.regions[traffic.index(change.region)].capacity_confirmed
            ours = model.memory.backend(change.region)
            backoff = backoff_after(ours, model.policy.rhythm, model.at, change.after - change.before)
        found.append(
            Flight(
                move=change.move(),
                lever=change.lever,
                region=change.region,
                before=change.before,
                after=change.after,
                made_at=model.at,
                predicted=then.share(total),
                otherwise=before.share(total),
                seen=seen if seen is not None else 0.0,
                demand=traffic.demand,
                takes=capacity_confirmed,
                undoes=change.purpose is Purpose.UNDO,
                backoff=backoff,
                member=change.member,
                leaving=change.leaving,
            )
        )
    return tuple(found)


def confirm(memory: ControllerMemory, plan: Plan, outcome_done: bool, at: float) -> ControllerMemory:  # noqa: FBT001 - the contract with the loop
    """The memory after the write of `plan`.

    Args:
        memory: As `step` gave it back with this plan.
        plan: What was written.
        outcome_done: True if the write was carried out. Otherwise nothing is assumed: the next listing tells.
        at: UTC seconds of the write's end.
    """
    made = set(plan.moves)
    services = tuple(_confirm(s, made, done=outcome_done, at=at) for s in memory.services)
    return replace(memory, services=services)


def _confirm(memory: ServiceMemory, made: set[Move], *, done: bool, at: float) -> ServiceMemory:
    flights = tuple(replace(f, made_at=at) for f in memory.proposed if f.move in made)
    memory = replace(memory, proposed=())
    if not flights:
        return memory
    if not done:
        return replace(memory, unknown=(*memory.unknown, *flights))
    for flight in flights:
        memory = _carried_out(memory, flight, at)
    counted = (at,) if any(not f.move.urgent for f in flights) else ()
    return replace(memory, flights=(*memory.flights, *flights), writes=(*memory.writes, *counted))


def _carried_out(memory: ServiceMemory, flight: Flight, at: float) -> ServiceMemory:
    if flight.lever is Lever.POSTURE or flight.region is None:
        return replace(memory, posture_at=at, posture_wanted=None, posture_pin=None)
    ours = account(
        memory.backend(flight.region),
        member=flight.member,
        scaler=flight.after,
        at=at,
        backoff=flight.backoff,
        leaving=flight.leaving,
    )
    return memory.with_backend(ours)
