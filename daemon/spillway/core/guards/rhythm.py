"""Guards of rhythm: rests, steps, budgets, one drain at a time."""

from __future__ import annotations

from spillway.core.bounds import capped
from spillway.core.guards.situation import Ruling, Situation, refused
from spillway.core.reasons import reason
from spillway.core.rest import rest_of
from spillway.core.restore import may_sink
from spillway.core.result import BackendState, Lever
from spillway.core.units import HOUR
from spillway.core.verify import PATIENCE, SHOWS, arrived
from spillway.core.window import Window
from spillway.core.wishes import Change


def resting(change: Change, now: Situation) -> Ruling | None:
    """A backend rests after a move for at least the dead time; an undo comes after just that."""
    if (
        change.region is None
        or change.urgent
        or change.ordered
        or change.reason.code in {"undo", "revert-edit"}
    ):
        return None
    picture = now.picture
    memory = picture.fact(change.region).memory
    if memory.moved_at is None:
        return None
    ago = picture.at - memory.moved_at
    direction = -1 if change.down else 0 if _proven(change, now) else 1
    rhythm, timing = picture.policy.rhythm, picture.policy.timing
    rest = rest_of(memory, rhythm, timing, picture.at, direction, picture.dead_time)
    if change.lever is Lever.MEMBERSHIP and not change.member:
        rest = 0.0
    if ago < rest and not (change.down and may_sink(picture, picture.fact(change.region))):
        return refused(reason("resting", region=change.region, ago=ago, rest=rest))
    return None


def _proven(change: Change, now: Situation) -> bool:
    """Whether a raise goes no further than what the region was proven to take."""
    region = now.picture.model.regions[now.index(change)]
    return change.lever is Lever.SCALER and change.after <= capped(region) + 1e-9


def well(change: Change, now: Situation) -> Ruling | None:
    """What is raised because it looks well must have looked well for a while; what makes room was weighed as a set."""
    if change.region is None or not change.up or change.lever is not Lever.SCALER or change.ordered:
        return None
    picture = now.picture
    memory = picture.fact(change.region).memory
    if change.reason.code in {"make-room", "foresee", "share-shortage", "undo", "revert-edit"}:
        return None
    since = picture.at - memory.well_since if memory.well_since is not None else 0.0
    needed = picture.policy.rhythm.up_wait
    if memory.well_since is None or since < needed:
        return refused(reason("not-well-yet", region=change.region, well=since, needed=needed))
    return None


def effect(change: Change, now: Situation) -> Ruling | None:
    """A cut that has not arrived yet is waited for, up to several dead times: the real delay may be longer."""
    if change.urgent or change.ordered:
        return None
    picture = now.picture
    for flight in picture.memory.flights:
        ago = picture.at - flight.made_at
        if flight.region is None or flight.region != change.region or ago >= PATIENCE * picture.dead_time:
            continue
        if ago < picture.dead_time or arrived(flight, picture):
            continue
        facts = picture.fact(flight.region)
        load = facts.window.rate if isinstance(facts.window, Window) else 0.0
        ceiling = SHOWS * flight.after * (facts.target or 0.0)
        return refused(reason("effect-awaited", region=flight.region, ago=ago, load=load, ceiling=ceiling))
    return None


def step(change: Change, now: Situation) -> Ruling | None:
    """One move changes a scaler by at most a step."""
    if change.lever is not Lever.SCALER or change.ordered or change.reason.code in {"undo", "revert-edit"}:
        return None
    rhythm = now.picture.policy.rhythm
    size = rhythm.up_step if change.up else rhythm.down_step
    if change.urgent or abs(change.after - change.before) <= size + 1e-9:
        return None
    left = change.before + size if change.up else change.before - size
    return Ruling(left=left, why=reason("step-limit", step=size))


def budget(change: Change, now: Situation) -> Ruling | None:
    """Writes for one service in an hour; drains of dead regions and operators' orders pass."""
    if change.urgent or change.ordered:
        return None
    rhythm = now.picture.policy.rhythm
    writes = sum(1 for at in now.picture.memory.writes if now.picture.at - at < HOUR)
    if writes >= rhythm.moves_per_hour:
        return refused(reason("budget-spent", writes=writes, budget=rhythm.moves_per_hour))
    return None


def one_drain(change: Change, now: Situation) -> Ruling | None:
    """One region is emptied at a time; a dead one is empty already."""
    if change.region is None or change.after > 0.0 or not change.down or change.urgent:
        return None
    for facts in now.picture.facts:
        busy = facts.memory.state in {BackendState.DRAINING, BackendState.LEAVING}
        if facts.region != change.region and busy and facts.setting.member and not facts.dead:
            return refused(reason("one-drain", other=facts.region))
    for other in now.accepted:
        if other.region != change.region and other.down and other.after == 0.0 and not other.urgent:
            return refused(reason("one-drain", other=other.region))
    return None
