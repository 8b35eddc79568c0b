"""Guards of capacity: floors, the last backend, and what receivers can take; and the scaler's own law."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from spillway.core.floors import effective_of, floor_of, nominal_floor, nominal_of, serving_of, sure_of, tight
from spillway.core.foresight import GRAIN
from spillway.core.guards.situation import Ruling, Situation, refused
from spillway.core.picture import Picture
from spillway.core.reasons import reason
from spillway.core.result import Lever, Reason
from spillway.core.units import SCALER_FLOOR, is_legal_scaler, legal_scaler
from spillway.core.wishes import Change

ROUNDING = 1e-7
"""Rounding allowed to a floor, as a share of it: less than the plan's own check allows."""

WORTH = 0.4
"""Share of a cut's gain that must be left for it to be made at all: a trifle would use up the region's rest."""

Objection = Callable[[Sequence[float]], Reason | None]


def legal(change: Change, now: Situation) -> Ruling | None:
    """Google takes 0 or 0.1 to 1.0: what lies between goes to the legal value on the side of the present one."""
    del now
    if change.lever is Lever.POSTURE or is_legal_scaler(change.after):
        return None
    left = min(1.0, max(0.0, legal_scaler(change.after)))
    if 0.0 < change.after < SCALER_FLOOR:
        left = SCALER_FLOOR if change.before >= SCALER_FLOOR else 0.0
    return Ruling(left=left, why=reason("legal-value", value=change.after, left=left))


def regions(change: Change, now: Situation) -> Ruling | None:
    """At least `min_serving_regions` stay open, and never is the last one closed."""
    if not change.down or change.after > 0.0:
        return None
    before = serving_of(now.picture, now.scalers)
    left = serving_of(now.picture, now.with_scaler(change, 0.0))
    keeps = SCALER_FLOOR if change.before > SCALER_FLOOR and change.lever is Lever.SCALER else None
    still_open = sum(1 for s in now.with_scaler(change, 0.0) if s > 0.0)
    if still_open == 0 or (left == 0 and not _lost_anyway(change, now)):
        return Ruling(left=keeps, why=reason("last-backend", region=change.region))
    floor = now.picture.policy.floors.min_serving_regions
    if left < floor and left < before:
        return Ruling(left=keeps, why=reason("floor-regions", left=left, floor=floor))
    return None


def _lost_anyway(change: Change, now: Situation) -> bool:
    return now.picture.fact(change.region or "").dead


def capacity(change: Change, now: Situation) -> Ruling | None:
    """Effective capacity stays at demand x (1 + reserve), or is no worse than before."""
    if not change.down:
        return None
    return _narrowed(change, now, floors(now.picture, now.scalers, urgent=change.urgent))


def floors(picture: Picture, before: Sequence[float], *, urgent: bool = False) -> Objection:
    """What the capacity floors object to in scalers that follow `before`.

    Both as Google's terms have it (target x scaler x healthy share) and as it was learned. Less of the first is no loss where
    a region was found to take no more. A dead region's drain need only keep the first, because nothing was learned that
    it could still give.
    """
    floor = floor_of(picture)
    nominal, carries = nominal_of(picture, before), effective_of(picture, before)
    nominal_least = min(nominal_floor(picture), nominal)
    rounding = ROUNDING * floor
    sure_least = min(floor, sure_of(picture, before)) - rounding

    def objection(scalers: Sequence[float]) -> Reason | None:
        left = nominal_of(picture, scalers)
        if left < nominal_least - rounding and sure_of(picture, scalers) < sure_least:
            return reason("floor-capacity", after=left, before=nominal, floor=floor)
        left = effective_of(picture, scalers)
        if left < min(floor, carries) - rounding and not urgent:
            return reason("floor-capacity", after=left, before=carries, floor=floor)
        return None

    return objection


def receivers(change: Change, now: Situation) -> Ruling | None:
    """What is shed must fit elsewhere, by prediction; in a shortage it must at least make fewer requests bad."""
    if not change.down or change.urgent:
        return None
    return _narrowed(change, now, pushes(now, now.scalers, {change.region or ""}))


def pushes(now: Situation, scalers_before: Sequence[float], shed: Collection[str]) -> Objection:
    """What receivers object to in scalers that follow `scalers_before`; the regions in `shed` are the ones that give."""
    picture, model = now.picture, now.picture.model
    limit = picture.policy.floors.receiver_limit
    before = model.outcome(scalers_before)
    short = model.forecast > limit * model.potential() or tight(picture)

    def objection(scalers: Sequence[float]) -> Reason | None:
        after = model.outcome(scalers)
        if short and after.bad < before.bad * (1.0 - picture.policy.rhythm.margin):
            return None
        for load, was, region in zip(after.flow.loads, before.flow.loads, model.regions, strict=True):
            if region.name in shed or load <= was * GRAIN + 1e-6:
                continue
            takes = region.receives(limit)
            if load > takes * GRAIN:
                return reason(
                    "receiver-limit", receiver=region.name, load=load, capacity=region.likely, limit=limit
                )
        return None

    return objection


def _narrowed(change: Change, now: Situation, objection: Objection) -> Ruling | None:
    """The smallest cut towards the wanted one that meets no objection."""
    first = objection(now.with_scaler(change, change.after))
    if first is None:
        return None
    if change.lever is not Lever.SCALER or change.before - change.after < 0.02:
        return refused(first)
    value = _nearest(change, lambda v: objection(now.with_scaler(change, v)) is None)
    if value is None:
        return refused(first)
    model = now.picture.model
    before, wanted = model.outcome(now.scalers).bad, model.outcome(now.with_scaler(change, change.after)).bad
    gain = before - model.outcome(now.with_scaler(change, value)).bad
    if not change.ordered and gain < WORTH * (before - wanted):
        return refused(first)
    return Ruling(left=value, why=first)


def _nearest(change: Change, holds: Callable[[float], bool]) -> float | None:
    """The legal scaler nearest to the wanted one that `holds`, to a hundredth; deeper cuts never hold where shallower do not."""
    low, high = round(100.0 * change.after), round(100.0 * change.before)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(legal_scaler(middle / 100.0)) else (middle, high)
    value = legal_scaler(high / 100.0)
    return value if change.after < value < change.before else None
