"""Run the chain over all changes of one service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spillway.core.guards import capacity, evidence, orders, rhythm
from spillway.core.guards.situation import Ruling, Situation
from spillway.core.plan import ordered
from spillway.core.reasons import reason
from spillway.core.result import Lever, Reason, Refusal
from spillway.core.wishes import Change

Guard = Callable[[Change, Situation], Ruling | None]

CHAIN: tuple[Guard, ...] = (
    orders.operator,
    orders.freeze,
    orders.unknown,
    orders.outside_edit,
    evidence.panic,
    evidence.movable,
    evidence.fresh,
    rhythm.resting,
    rhythm.well,
    rhythm.effect,
    rhythm.budget,
    rhythm.one_drain,
    rhythm.step,
    capacity.legal,
    capacity.regions,
    capacity.capacity,
    capacity.receivers,
    capacity.legal,
)
"""Cheap ones first; the scaler's law last, because narrowing may leave an illegal value."""

APART = tuple(g for g in CHAIN if g not in {capacity.capacity, capacity.receivers})
"""The chain without what is judged of a whole set."""

LEAST = 0.01
"""A change smaller than this is none (reference: no-op suppression)."""

ALONE = frozenset({"probe", "restore", "foresee"})
"""Reasons of changes that are no part of a set."""

HARM = 0.001
"""Share of the demand by which what is left of a set of changes may be worse than doing nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What is left of the wanted changes."""

    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]


def narrow(wanted: Sequence[Change], start: Situation) -> Guarded:
    """Let every change pass through the chain, what adds capacity first.

    The ceilings of a service are written in one call, so what they do is judged as a whole first; only a set that does
    not hold is taken apart and narrowed piece by piece.
    """
    now, refusals = _through(wanted, start, APART)
    if not _holds(now, start):
        now, refusals = _through(wanted, start, CHAIN)
    kept, harmful = _no_harm(now, start)
    return Guarded(changes=kept, refusals=(*refusals, *harmful))


def _through(
    wanted: Sequence[Change], start: Situation, chain: tuple[Guard, ...]
) -> tuple[Situation, list[Refusal]]:
    now, refusals = start, []
    for change in ordered(wanted):
        left, objections = _pass(change, now, chain)
        refusals.extend(objections)
        if left is not None:
            now = now.accept(left)
    return now, refusals


def _holds(now: Situation, start: Situation) -> bool:
    """Whether all accepted changes together keep the floors and push no receiver past its limit."""
    cuts = [c for c in now.accepted if c.down]
    if not cuts:
        return True
    if any(c.urgent for c in cuts):
        return False  # a drain of a dead region has rules of its own
    shed = {c.region for c in cuts if c.region is not None and not c.ahead}
    objections = (capacity.floors(now.picture, start.scalers), capacity.pushes(now, start.scalers, shed))
    return all(objection(now.scalers) is None for objection in objections)


def _pass(change: Change, now: Situation, chain: tuple[Guard, ...]) -> tuple[Change | None, list[Refusal]]:
    refusals: list[Refusal] = []
    left = change
    for guard in chain:
        ruling = guard(left, now)
        if ruling is None:
            continue
        value = None if ruling.left is None else round(ruling.left, 4)
        if value is not None and _gone(left, value):
            value = None
        refusals.append(_refusal(change, ruling.why, value))
        if value is None:
            return None, refusals
        left = replace(left, after=value)
    return left, refusals


def _gone(change: Change, value: float) -> bool:
    """Whether a narrowed value is no change any more, or not between before and after."""
    low, high = sorted((change.before, change.after))
    return abs(value - change.before) < LEAST or not low - 1e-9 <= value <= high + 1e-9


def _refusal(change: Change, why: Reason, value: float | None) -> Refusal:
    return Refusal(
        guard=why.code,
        move=change.move(),
        narrowed_to=None if value is None else f"{value:.2f}",
        sentence=why.sentence,
    )


def _no_harm(now: Situation, start: Situation) -> tuple[tuple[Change, ...], list[Refusal]]:
    """Half a set of moves can be worse than none: then those that belong to the set are dropped.

    Probes and restores are no part of a set: a probe is made to find out, and nobody expects it to pay; a restore was weighed
    alone.
    """
    parts = [
        c
        for c in now.accepted
        if c.lever is Lever.SCALER and not c.urgent and not c.ordered and c.reason.code not in ALONE
    ]
    model = now.picture.model
    if not parts or model.forecast <= 0.0:
        return now.accepted, []
    before, after = model.outcome(start.scalers), model.outcome(now.scalers)
    if after.bad <= before.bad + HARM * model.forecast:
        return now.accepted, []
    why = reason("no-gain", after=after.share(model.forecast), before=before.share(model.forecast))
    kept = tuple(c for c in now.accepted if c not in parts)
    return kept, [_refusal(c, why, None) for c in parts]
