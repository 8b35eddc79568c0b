"""The way back: one step up for what has been well, and a tenth for what was closed and may be well again.

Raises that a surge will need: what opens in steps with rests between them must begin before the others are full.
"""

from __future__ import annotations

from spillway.core.decide.membership import SURGING, forecast_far
from spillway.core.estimate.backend import Facts
from spillway.core.estimate.dwell import has_dwelt
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import KEEP, capped, hundredths, scaler_for
from spillway.core.model.predict import Outcome, Region
from spillway.core.model.service import Picture, shown_bad
from spillway.core.values.decision import Change, Lever
from spillway.core.values.units import SCALER_FLOOR

FILLED = 0.95
"""Share of its likely capacity to which a region may be filled by opening it without need."""

RESTORE_COST = 0.0005
"""Share of the demand that may become bad by opening a ceiling again: the model's own grain."""

PROBE_HOPE = 0.75
"""Chance that a region closed for being bad is well again from which a tenth is let in where that can hurt little: two
half-lives of the doubt."""

SURE_HOPE = 0.95
"""The same where a tenth of the region is much of the demand, and nobody needs it: more than four half-lives."""

HARMLESS = 0.008
"""Share of the demand that a probe may cost if nothing has changed in the region. A wrong-way move begins at 1 %."""

UNSEEN_BAD = 0.5
"""Share of the answers of a closed region that may be bad by now, if more was not seen: what leaks goes on leaking."""

NEEDED_HOPE = 0.5
"""The same where the others are short without it."""

NEEDED_ROOM = 0.9
"""Share of what all others can take from which they count as short."""

QUOTA_KEEP = 1.04
"""Share of a quota that was met up to which a ceiling rises without need: what exceeds it is refused, and nothing else suffers."""

SWING = 1.06
"""Demand over its forecast with which a region is opened: an error in the total lands on the one region at the margin."""

SINKS = 0.85
"""Requests/s that a region takes over those that it was cut for from which the cut is far from enough: readings are good to a tenth."""

LEAST_STEP = 0.05
"""Smallest rise worth a write, unless it opens the ceiling fully."""


def may_move(picture: Picture, facts: Facts, direction: int) -> bool:
    """Whether its rest is over: what the guards would refuse anyway is not planned with. -1 down, 1 up, 0 up as far as proven."""
    policy = picture.policy
    return picture.at >= facts.memory.edit_grace_until and has_dwelt(
        facts.memory, policy.rhythm, policy.timing, picture.at, direction, picture.dead_time
    )


def may_sink(picture: Picture, facts: Facts) -> bool:
    """Whether a region may be cut again at once: it takes far less than its only cut in flight was made for.

    The first minute of trouble is a healthy one in part, and promises too much. Only minutes count that are older than the
    effect of that cut.
    """
    cuts = [f for f in picture.memory.flights if f.region == facts.region and f.after < f.before]
    if len(cuts) != 1 or not isinstance(facts.window, Window):
        return False
    region = picture.model.regions[picture.model.index(facts.region)]
    old = facts.window.end <= cuts[0].made_at + picture.policy.timing.effect
    return old and region.proven and region.takes < SINKS * cuts[0].takes


def restores(picture: Picture) -> tuple[Change, ...]:
    """One step up for each lowered region that has been well, where the model sees no harm; lowest first."""
    model, rhythm = picture.model, picture.policy.rhythm
    ready = sorted(
        (r.scaler, r.name, i)
        for i, (r, f) in enumerate(zip(model.regions, picture.facts, strict=True))
        if 0.0 < r.scaler < 1.0 and r.movable and well_rested(picture, f)
    )
    if not ready:
        return ()  # the usual case, which should not cost a look at a busier world
    scalers = list(model.scalers)
    busy = model.busier(SWING)
    allowed = busy.base.bad + RESTORE_COST * busy.forecast
    changes = []
    for now, name, i in ready:
        region, since = model.regions[i], picture.facts[i].memory.well_since
        brim = capped(region, FILLED)
        for wanted in (now + rhythm.up_step, now + rhythm.up_step / 2, min(now + rhythm.up_step, brim)):
            after = hundredths(wanted)
            if region.doubted:
                after = min(after, max(now, _gentle(region)))
            if after - now < min(LEAST_STEP, 1.0 - now) - 1e-9:
                continue
            scalers[i] = after
            outcome = busy.outcome(scalers)
            if outcome.bad <= allowed and _fits(picture, outcome, busy.base, i):
                changes.append(
                    Change(
                        service=picture.service.name,
                        region=name,
                        lever=Lever.SCALER,
                        before=now,
                        after=after,
                        reason=reason(
                            "restore",
                            region=name,
                            well=picture.at - (since if since is not None else picture.at),
                            bad_after=outcome.share(busy.forecast),
                        ),
                    )
                )
                break
            scalers[i] = now
    return tuple(changes)


def _fits(picture: Picture, outcome: Outcome, base: Outcome, i: int) -> bool:
    """Whether the region would not be filled to the brim: its target may flatter it, and nobody needs it yet."""
    load = outcome.flow.loads[i]
    return load <= max(FILLED * picture.model.regions[i].likely, 1.005 * base.flow.loads[i])


def _gentle(region: Region) -> float:
    """The scaler that goes as far as can hurt little: nearly to what was proven, a little past a quota.

    So near to full, requests would have to wait now and then if nothing has changed. If they do not, the estimate follows: the way
    up feels its way and never overshoots.
    """
    rate = KEEP * region.capacity
    return scaler_for(region, rate if region.quota is None else min(rate, QUOTA_KEEP * region.quota))


def well_rested(picture: Picture, facts: Facts) -> bool:
    """Whether the region has been well for long enough to be given more; the guards look again."""
    since = facts.memory.well_since
    if since is None or picture.at - since < picture.policy.rhythm.up_wait:
        return False
    return may_move(picture, facts, 1)


def probes(picture: Picture) -> tuple[Change, ...]:
    """A tenth for each region that was closed by a scaler of 0 and whose health checks pass."""
    changes = []
    for region, facts in zip(picture.model.regions, picture.facts, strict=True):
        memory = facts.memory
        if memory.empty_since is None or not may_reopen(picture, region, facts):
            continue
        if not _hopeful(picture, region, facts):
            continue
        changes.append(
            Change(
                service=picture.service.name,
                region=region.name,
                lever=Lever.SCALER,
                before=0.0,
                after=SCALER_FLOOR,
                reason=reason("probe", region=region.name, empty=picture.at - memory.empty_since),
            )
        )
    return tuple(changes)


def short_soon(picture: Picture, *, raised: bool = False) -> bool:
    """Whether the open regions count as short by the time at which one that is opened now carries load.

    With their ceilings as they are, or even once they are all `raised`.
    """
    return forecast_far(picture) > NEEDED_ROOM * picture.model.room(raised=raised)


def may_reopen(picture: Picture, region: Region, facts: Facts) -> bool:
    """Whether a region that was closed by a scaler of 0 may be given load again: its health checks pass, and it has rested."""
    closed = region.member and region.scaler == 0.0 and region.movable and not facts.memory.leaving
    return closed and well_rested(picture, facts)


def likely_well(picture: Picture, region: Region, facts: Facts, chance: float) -> bool:
    """Whether a closed region was not closed for being bad, is seen to be well by what others send there, or is so by `chance`."""
    return (
        region.reopens >= chance
        or facts.memory.empty_since is None
        or shown_bad(facts) < picture.policy.triggers.drain_error_ratio
    )


def _hopeful(picture: Picture, region: Region, facts: Facts) -> bool:
    """Whether a closed region is likely enough to be well: what health checks cannot show is only seen with load."""
    model = picture.model
    harm = SCALER_FLOOR * region.ceiling * max(UNSEEN_BAD, shown_bad(facts))
    chance = PROBE_HOPE if harm <= HARMLESS * model.forecast else SURE_HOPE
    if short_soon(picture, raised=True):
        chance = NEEDED_HOPE
    return likely_well(picture, region, facts, chance)


def pre_scale(picture: Picture) -> tuple[Change, ...]:
    """A whole step up for each lowered or closed region that is as likely well as not, while a surge fills the others.

    How far demand will rise is not known, so no ceiling is fitted to it. What is opened in vain costs a part of what goes
    there until it is seen; what is opened too late costs all of what queues everywhere.
    """
    model, step = picture.model, picture.policy.rhythm.up_step
    rising = [
        region
        for region, facts in zip(model.regions, picture.facts, strict=True)
        if region.scaler < 1.0 and _may_rise(picture, region, facts)
    ]
    if not rising:
        return ()  # the usual case, which should not cost a look ahead
    expected = forecast_far(picture)
    if expected < SURGING * model.demand or not short_soon(picture):
        return ()
    return tuple(
        Change(
            service=picture.service.name,
            region=region.name,
            lever=Lever.SCALER,
            before=region.scaler,
            after=min(1.0, round(region.scaler + step, 2)),
            reason=reason("foresee", region=region.name, demand=model.demand, expected=expected),
        )
        for region in rising
    )


def _may_rise(picture: Picture, region: Region, facts: Facts) -> bool:
    """Whether a region has rested, and is as likely well as not."""
    if region.scaler == 0.0:
        return may_reopen(picture, region, facts) and likely_well(picture, region, facts, NEEDED_HOPE)
    well = not region.doubted or region.hope >= NEEDED_HOPE
    return well and region.movable and region.fresh and not region.dead and may_move(picture, facts, 1)
