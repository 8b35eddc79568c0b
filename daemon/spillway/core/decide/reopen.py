"""The way back: one step up for what has been well, a tenth for what was closed, and whole steps ahead of a surge."""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.limits import LEAST_STEP
from spillway.core.decide.membership import SURGING, forecast_far
from spillway.core.decide.overrides import scaler_change
from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.backend import BackendBelief
from spillway.core.estimate.dwell import has_dwelt
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import GROWN, KEEP, capped, hundredths, scaler_for
from spillway.core.model.predict import Outcome, Region
from spillway.core.model.service import ServiceModel, shown_bad
from spillway.core.values.decision import Purpose
from spillway.core.values.units import SCALER_FLOOR

FILLED = 0.95
"""Share of its likely capacity to which a region may be filled by opening it without need."""

TROUBLE = 0.02
"""Expected share of bad requests from which nothing is restored: first things first."""

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


def may_move(model: ServiceModel, facts: BackendBelief, direction: int) -> bool:
    """Whether its dwell is over, so that the limits would allow the move. -1 down, 1 up, 0 up as far as proven."""
    return facts.memory.pin is None and has_dwelt(
        facts.memory, model.policy, model.at, direction, model.dead_time
    )


def restores(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """One step up for each lowered region that has been well, where the model sees no harm; lowest first."""
    model, traffic = context.model, accepted.traffic
    ready = sorted(
        (r.scaler, r.name, i)
        for i, (r, f) in enumerate(zip(traffic.regions, model.facts, strict=True))
        if 0.0 < r.scaler < 1.0 and r.movable and r.name not in accepted.regions and well_rested(model, f)
    )
    # 1. nothing is restored while something is wrong, or a cut is on its way
    trouble = traffic.base.bad > TROUBLE * traffic.forecast
    if not ready or traffic.forecast <= 0.0 or trouble or cutting(model):
        return ()
    # 2. judge by a busier world: an error in the total lands on the one region at the margin
    busy = traffic.busier(SWING)
    base, scalers, changes = busy.base, list(traffic.scalers), []
    allowed = base.bad + RESTORE_COST * busy.forecast
    for now, name, i in ready:
        # 3. the largest step that makes nearly no request bad and does not fill the region
        for after in _steps(traffic.regions[i], model.policy.rhythm.up_step):
            if after - now < min(LEAST_STEP, 1.0 - now) - 1e-9:
                continue
            outcome = busy.outcome([*scalers[:i], after, *scalers[i + 1 :]])
            if outcome.bad <= allowed and _fits(traffic.regions[i], outcome, base, i):
                scalers[i] = after
                since = model.facts[i].memory.well_since
                lasted = model.at - (since if since is not None else model.at)
                share = outcome.share(busy.forecast)
                why = reason("restore", region=name, well=lasted, bad_after=share)
                changes.append(scaler_change(model, name, after, Purpose.RESTORE, why))
                break
    return [Proposal(changes=(change,)) for change in changes]


def _steps(region: Region, up_step: float) -> list[float]:
    """Scalers to try, largest first; a region in doubt goes no further than can hurt little."""
    now = region.scaler
    full = capped(region, FILLED)
    steps = [hundredths(s) for s in (now + up_step, now + up_step / 2, min(now + up_step, full))]
    return [min(s, max(now, _gentle(region))) for s in steps] if region.doubted else steps


def cutting(model: ServiceModel) -> bool:
    """Whether a cut is on its way, and its effect not seen yet."""
    return any(f.after < f.before for f in model.memory.flights)


def _fits(region: Region, outcome: Outcome, base: Outcome, i: int) -> bool:
    """Whether the region keeps some capacity free: its target may be too high, and nobody needs it yet."""
    load = outcome.flow.loads[i]
    return load <= max(FILLED * region.capacity_expected, GROWN * base.flow.loads[i])


def _gentle(region: Region) -> float:
    """The scaler that goes as far as can hurt little: nearly to what was proven, a little past a quota.

    So near to full, requests would have to wait now and then if nothing has changed. If they do not, the estimate follows: the way
    up feels its way and never overshoots.
    """
    rate = KEEP * region.capacity
    return scaler_for(region, rate if region.quota is None else min(rate, QUOTA_KEEP * region.quota))


def pre_scale(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """A whole step up for each lowered or closed region that is as likely well as not, while a surge fills the others.

    How far demand will rise is not known, so no ceiling is fitted to it. What is opened in vain costs a part of what goes
    there until it is seen; what is opened too late costs all of what queues everywhere.
    """
    model, traffic = context.model, accepted.traffic
    rising = [
        region
        for region, facts in zip(traffic.regions, model.facts, strict=True)
        if region.scaler < 1.0 and region.name not in accepted.regions and _may_rise(model, region, facts)
    ]
    # what is bad already is the search's: it weighs a raise with all the rest
    if not rising or traffic.forecast <= 0.0 or traffic.base.bad > TROUBLE * traffic.forecast:
        return ()  # the usual case, which should not cost a look ahead
    expected = forecast_far(model)
    if expected < SURGING * traffic.demand or not short_soon(model, raised=False):
        return ()
    changes = []
    for region in rising:
        after = min(1.0, round(region.scaler + model.policy.rhythm.up_step, 2))
        why = reason("foresee", region=region.name, demand=traffic.demand, expected=expected)
        changes.append(scaler_change(model, region.name, after, Purpose.PRE_SCALE, why))
    return each(changes)


def _may_rise(model: ServiceModel, region: Region, facts: BackendBelief) -> bool:
    """Whether the dwell of a region is over, and it is as likely well as not."""
    if region.scaler == 0.0:
        return may_reopen(model, region, facts) and likely_well(model, region, facts, NEEDED_HOPE)
    well = not region.doubted or region.p_recovered >= NEEDED_HOPE
    return well and region.movable and region.fresh and not region.dead and may_move(model, facts, 1)


def well_rested(model: ServiceModel, facts: BackendBelief) -> bool:
    """Whether the region has been well for long enough to be given more; the limits are asked again."""
    since = facts.memory.well_since
    if since is None or model.at - since < model.policy.rhythm.up_wait:
        return False
    return may_move(model, facts, 1)


def probes(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """A tenth for each region that was closed by a scaler of 0 and whose health checks pass."""
    model, changes = context.model, []
    for region, facts in zip(accepted.traffic.regions, model.facts, strict=True):
        memory = facts.memory
        if memory.empty_since is None or not may_reopen(model, region, facts):
            continue
        if not _hopeful(model, region, facts):
            continue
        why = reason("probe", region=region.name, empty=model.at - memory.empty_since)
        changes.append(scaler_change(model, region.name, SCALER_FLOOR, Purpose.PROBE, why))
    return each(changes)


def short_soon(model: ServiceModel, *, raised: bool) -> bool:
    """Whether the open regions count as short by the time at which one that is opened now carries load.

    With their ceilings as they are, or even once they are all `raised`.
    """
    return forecast_far(model) > NEEDED_ROOM * model.traffic.room(raised=raised)


def may_reopen(model: ServiceModel, region: Region, facts: BackendBelief) -> bool:
    """Whether a region that was closed by a scaler of 0 may be given load again: its health checks pass, and its dwell is over."""
    closed = region.member and region.scaler == 0.0 and region.movable and not facts.memory.leaving
    return closed and well_rested(model, facts)


def likely_well(model: ServiceModel, region: Region, facts: BackendBelief, chance: float) -> bool:
    """Whether a closed region was not closed for being bad, is seen to be well by what others send there, or is so by `chance`."""
    return (
        region.p_reopened >= chance
        or facts.memory.empty_since is None
        or shown_bad(facts) < model.policy.triggers.drain_error_ratio
    )


def _hopeful(model: ServiceModel, region: Region, facts: BackendBelief) -> bool:
    """Whether a closed region is likely enough to be well: what health checks cannot show is only seen with load."""
    traffic = model.traffic
    harm = SCALER_FLOOR * region.ceiling * max(UNSEEN_BAD, shown_bad(facts))
    chance = PROBE_HOPE if harm <= HARMLESS * traffic.forecast else SURE_HOPE
    if short_soon(model, raised=True):
        chance = NEEDED_HOPE
    return likely_well(model, region, facts, chance)
