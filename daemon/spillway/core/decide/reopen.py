"""The way back: one step up for what has been well, a tenth for what was closed, and whole steps ahead of a surge."""

from __future__ import annotations

from collections.abc import Iterable

from spillway.core.decide.limits import LEAST_STEP
from spillway.core.decide.membership import SURGING, forecast_far
from spillway.core.decide.overrides import scaler_change
from spillway.core.decide.proposals import (
    Accepted,
    Context,
    Proposal,
    cutting,
    each,
    may_move,
    may_reopen,
    well_for_long,
)
from spillway.core.estimate.belief import BackendBelief
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import CAP_SHARE, SAME_LOAD_FACTOR, capped, hundredths, scaler_for
from spillway.core.model.predict import SAVING_NOISE_SHARE, TROUBLE_SHARE, Prediction, Region
from spillway.core.model.service import ServiceModel, shown_bad
from spillway.core.values.decision import Purpose
from spillway.core.values.topology import SCALER_FLOOR

SHORT_LOAD_SHARE = 0.9
"""Share of what all others can take from which they count as short."""
OPENED_LOAD_SHARE = 0.95
"""Share of its likely capacity to which a region may be filled by opening it without need."""

PROBE_P_RECOVERED = 0.75
"""Chance that a region closed for being bad is well again from which a tenth is let in where that can hurt little: two
half-lives of the doubt."""

COSTLY_PROBE_P_RECOVERED = 0.95
"""The same where a tenth of the region is much of the demand, or the region has no scaler and comes back whole, and nobody needs it: more
than four half-lives."""

PROBE_COST_SHARE = 0.008
"""Share of the demand that a probe may cost if nothing has changed in the region. A wrong-way move begins at 1 %."""

UNSEEN_BAD = 0.5
"""Share of the answers of a closed region that may be bad by now, if more was not seen: what leaks goes on leaking."""

NEEDED_P_RECOVERED = 0.5
"""The same where the others are short without it."""

QUOTA_CEILING_FACTOR = 1.04
"""Share of a quota that was met up to which a ceiling rises without need: what exceeds it is refused, and nothing else suffers."""

OPENING_DEMAND_FACTOR = 1.06
"""Demand over its forecast with which a region is opened: an error in the total lands on the one region at the margin."""


def restores(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """One step up for each lowered region that has been well, where the model sees no harm; lowest first."""
    model, traffic = context.model, accepted.traffic
    ready = sorted(
        (r.scaler, r.name, i)
        for i, (r, f) in enumerate(zip(traffic.regions, model.beliefs, strict=True))
        if 0.0 < r.scaler < 1.0 and r.movable and r.name not in accepted.regions and well_for_long(model, f)
    )
    # 1. nothing is restored while something is wrong, or a cut is on its way
    trouble = traffic.base.bad > TROUBLE_SHARE * traffic.forecast
    if not ready or traffic.forecast <= 0.0 or trouble or cutting(model):
        return ()
    # 2. judge by a busier world: an error in the total lands on the one region at the margin
    busy = traffic.busier(OPENING_DEMAND_FACTOR)
    base, scalers, changes = busy.base, list(traffic.scalers), []
    allowed = base.bad + SAVING_NOISE_SHARE * busy.forecast
    for now, name, i in ready:
        # 3. the largest step that makes nearly no request bad and does not fill the region
        for after in _steps(traffic.regions[i], model.policy.rhythm.up_step):
            if after - now < min(LEAST_STEP, 1.0 - now) - 1e-9:
                continue
            prediction = busy.predict([*scalers[:i], after, *scalers[i + 1 :]])
            if prediction.bad <= allowed and _fits(traffic.regions[i], prediction, base, i):
                scalers[i] = after
                since = model.beliefs[i].memory.well_since
                lasted = model.at - (since if since is not None else model.at)
                share = prediction.share(busy.forecast)
                why = reason(
                    "restore",
                    region=name,
                    well=lasted,
                    lever=traffic.regions[i].lever_word,
                    bad_after=share,
                )
                changes.append(scaler_change(model, name, after, Purpose.RESTORE, why))
                break
    return [Proposal(changes=(change,)) for change in changes]


def _steps(region: Region, up_step: float) -> list[float]:
    """Scalers to try, largest first; a region in doubt goes no further than can hurt little."""
    now = region.scaler
    full = capped(region, OPENED_LOAD_SHARE)
    steps = [hundredths(s) for s in (now + up_step, now + up_step / 2, min(now + up_step, full))]
    return [min(s, max(now, _gentle(region))) for s in steps] if region.doubted else steps


def _fits(region: Region, prediction: Prediction, base: Prediction, i: int) -> bool:
    """Whether the region keeps some capacity free: its target may be too high, and nobody needs it yet."""
    load = prediction.flow.loads[i]
    return load <= max(OPENED_LOAD_SHARE * region.capacity_expected, SAME_LOAD_FACTOR * base.flow.loads[i])


def _gentle(region: Region) -> float:
    """The scaler that goes as far as can hurt little: nearly to what was proven, a little past a quota.

    So near to full, requests would have to wait now and then if nothing has changed. If they do not, the estimate follows: the way
    up feels its way and never overshoots.
    """
    rate = CAP_SHARE * region.capacity
    return scaler_for(
        region, rate if region.quota is None else min(rate, QUOTA_CEILING_FACTOR * region.quota)
    )


def pre_scale(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """A whole step up for each lowered or closed region that is as likely well as not, while a surge fills the others.

    How far demand will rise is not known, so no ceiling is fitted to it. What is opened in vain costs a part of what goes
    there until it is seen; what is opened too late costs all of what queues everywhere.
    """
    model, traffic = context.model, accepted.traffic
    rising = [
        region
        for region, belief in zip(traffic.regions, model.beliefs, strict=True)
        if region.scaler < 1.0 and region.name not in accepted.regions and _may_rise(model, region, belief)
    ]
    # what is bad already is the search's: it weighs a raise with all the rest
    if not rising or traffic.forecast <= 0.0 or traffic.base.bad > TROUBLE_SHARE * traffic.forecast:
        return ()  # the usual case, which should not cost a look ahead
    expected = forecast_far(model)
    if expected < SURGING * traffic.demand or not short_soon(model, raised=False):
        return ()
    changes = []
    for region in rising:
        after = min(1.0, round(region.scaler + model.policy.rhythm.up_step, 2)) if region.graded else 1.0
        code = "foresee" if region.graded else "attach-ahead"
        why = reason(
            code, region=region.name, lever=region.lever_word, demand=traffic.demand, expected=expected
        )
        changes.append(scaler_change(model, region.name, after, Purpose.PRE_SCALE, why))
    return each(changes)


def _may_rise(model: ServiceModel, region: Region, belief: BackendBelief) -> bool:
    """Whether the dwell of a region is over, and it is as likely well as not."""
    if region.scaler == 0.0:
        return may_reopen(model, region, belief) and likely_well(model, region, belief, NEEDED_P_RECOVERED)
    well = not region.doubted or region.p_recovered >= NEEDED_P_RECOVERED
    return well and region.movable and region.fresh and not region.dead and may_move(model, belief, 1)


def probes(context: Context, accepted: Accepted) -> Iterable[Proposal]:
    """A tenth for each region that was closed by a scaler of 0 and whose health checks pass.

    A region without a scaler is attached instead, with all of its load, and nobody probes its health. So it comes back by time and
    hope alone: it dwells longer (`lifecycle.WHOLE_DWELL`), and needs the surer hope unless the others are short, or it was well when it
    was last seen.
    """
    model, changes = context.model, []
    for region, belief in zip(accepted.traffic.regions, model.beliefs, strict=True):
        memory = belief.memory
        if memory.empty_since is None or not may_reopen(model, region, belief):
            continue
        if not _hopeful(model, region, belief):
            continue
        empty = model.at - memory.empty_since
        if region.shared:
            least = max(SCALER_FLOOR, belief.backend.least_scaler)
            hope = _hope(region, belief, model)
            after, why = least, reason("probe-share", region=region.name, empty=empty, why=hope)
        elif region.graded:
            after, why = SCALER_FLOOR, reason("probe", region=region.name, empty=empty)
        else:
            after, why = (
                1.0,
                reason("probe-attach", region=region.name, empty=empty, why=_hope(region, belief, model)),
            )
        changes.append(scaler_change(model, region.name, after, Purpose.PROBE, why))
    return each(changes)


def _hope(region: Region, belief: BackendBelief, model: ServiceModel) -> str:
    """Why a region without a scaler may come back, in words."""
    if shown_bad(belief) < model.policy.triggers.drain_error_ratio:
        return "was well when it was last seen"
    return f"what it left for is over by now with a chance of {region.p_reopened:.0%}"


def short_soon(model: ServiceModel, *, raised: bool) -> bool:
    """Whether the open regions count as short by the time at which one that is opened now carries load.

    With their ceilings as they are, or even once they are all `raised`.
    """
    return forecast_far(model) > SHORT_LOAD_SHARE * model.traffic.room(raised=raised)


def likely_well(model: ServiceModel, region: Region, belief: BackendBelief, chance: float) -> bool:
    """Whether a closed region was not closed for being bad, is seen to be well by what others send there, or is so by `chance`."""
    return (
        region.p_reopened >= chance
        or belief.memory.empty_since is None
        or shown_bad(belief) < model.policy.triggers.drain_error_ratio
    )


def _hopeful(model: ServiceModel, region: Region, belief: BackendBelief) -> bool:
    """Whether a closed region is likely enough to be well: what health checks cannot show is only seen with load."""
    traffic = model.traffic
    harm = SCALER_FLOOR * region.ceiling * max(UNSEEN_BAD, shown_bad(belief))
    cheap = region.graded and harm <= PROBE_COST_SHARE * traffic.forecast
    chance = PROBE_P_RECOVERED if cheap else COSTLY_PROBE_P_RECOVERED
    if short_soon(model, raised=True):
        chance = NEEDED_P_RECOVERED
    return likely_well(model, region, belief, chance)
