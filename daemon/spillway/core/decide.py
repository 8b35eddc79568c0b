"""From a model to wanted changes of ceilings: relieve what is bad, and bring back what is well again."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core import surge
from spillway.core.bounds import Bounds, capped
from spillway.core.floors import effective_of, floor_of, nominal_floor, nominal_of, sure_of, tight
from spillway.core.picture import Picture
from spillway.core.policy import Shortage
from spillway.core.predict import Outcome, Region
from spillway.core.reasons import reason
from spillway.core.restore import LEAST_STEP, may_move, may_reopen, may_sink, probes, restores
from spillway.core.result import Lever, Reason
from spillway.core.search import Found, search
from spillway.core.units import SCALER_FLOOR
from spillway.core.window import Window
from spillway.core.wishes import Change, heard

LEAST_GAIN = 0.003
"""Share of the demand that a move must save at least; below it is noise."""

TROUBLE = 0.02
"""Expected share of bad requests from which nothing is restored: first things first."""

STUCK = 0.02
"""Expected share of bad requests under the best set of ceilings from which a standby region is called."""

TIGHT_MARGIN = 0.1
"""Share of the bad requests that a set must save where all regions together are about short: errors of some percent in what
they take decide there who is overloaded, and moves for less only change whose turn it is."""

SHORT_MARGIN = 0.3
"""The same while the cuts of a shortage are on their way: who is given up is not decided anew before it is seen."""

UNSTEADY_SECONDS = 900.0
"""Seconds since a healthy share last changed for which the shortage may be over before a sacrifice is undone."""

SHOWN_PERIODS = 3
"""Samples after the dead time in which more room shows plainly: queues must drain first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is wanted of the ceilings, and how good doing nothing and doing the best would be."""

    changes: tuple[Change, ...]
    base: Outcome
    found: Found | None
    short: float
    """Requests/s of the forecast that all regions together cannot carry; 0 where they can."""
    stuck: bool = False
    """True if even the best set leaves many requests bad that a further region could answer."""


def shortage(picture: Picture) -> float:
    """Requests/s beyond what all member regions together can carry, now and by the forecast: a trend alone is no shortage."""
    model = picture.model
    return max(0.0, min(model.forecast, model.demand) - model.potential())


def decide(picture: Picture) -> Decision:
    """The wanted changes of scalers, without guards."""
    model = picture.model
    base = model.base()
    short = shortage(picture)
    if model.forecast <= 0.0:
        return Decision(changes=probes(picture), base=base, found=None, short=0.0)
    if short > 0.0 and picture.policy.shortage is Shortage.SHARE:
        return Decision(changes=_share(picture, short), base=base, found=None, short=short)
    found, stuck = None, False
    if _could_gain(picture, base):
        found = search(model, bounds_of(picture, short))
        stuck = found.best.bad > STUCK * model.forecast
        gain = base.bad - found.best.bad
        margin = _margin(picture, short)
        if gain >= max(margin * base.bad, LEAST_GAIN * model.forecast):
            moves = heard(_changes(picture, found, short), probes(picture))
            return Decision(changes=moves, base=base, found=found, short=short, stuck=stuck)
    changes: tuple[Change, ...] = ()
    if min(model.scalers) < 1.0:  # otherwise, as usual, there is nothing to be raised
        calm = not _cutting(picture) and base.bad <= TROUBLE * model.forecast
        changes = heard(surge.raises(picture), restores(picture) if calm else (), probes(picture))
    return Decision(
        changes=changes,
        base=base,
        found=found,
        short=short,
        stuck=stuck,
    )


def _margin(picture: Picture, short: float) -> float:
    """Share of the bad requests that a set must save to be worth writing."""
    if short > 0.0 and _cutting(picture):
        return SHORT_MARGIN
    return TIGHT_MARGIN if tight(picture) else picture.policy.rhythm.margin


def _cutting(picture: Picture) -> bool:
    """Whether a cut is on its way, and its effect not seen yet."""
    return any(f.after < f.before for f in picture.memory.flights)


def _could_gain(picture: Picture, base: Outcome) -> bool:
    """Whether there is enough to win for a search: no set does better than all requests in the best region."""
    model = picture.model
    best = min((r.bad for r in model.regions if r.member and not r.dead), default=0.0)
    return base.bad - best * model.forecast >= LEAST_GAIN * model.forecast


def bounds_of(picture: Picture, short: float) -> Bounds:
    """What the search may do: fresh, movable backends of services that have more than one."""
    policy, regions = picture.policy, picture.model.regions
    members = sum(1 for r in regions if r.member)
    movable, lowest, highest = [], [], []
    for region, facts in zip(regions, picture.facts, strict=True):
        known = region.fresh or facts.silent
        seen = known if region.scaler > 0.0 else may_reopen(picture, region, facts)
        movable.append(region.movable and seen and not region.dead and members > 1)
        low = 0.0 if _may_close(region, picture) else SCALER_FLOOR
        low = max(low, round(region.scaler - policy.rhythm.down_step, 2))
        high = min(1.0, round(region.scaler + policy.rhythm.up_step, 2))
        lower = may_move(picture, facts, -1) or may_sink(picture, facts)
        lowest.append(low if lower and not facts.silent else region.scaler)
        if not may_move(picture, facts, 1):
            proven = min(high, capped(region)) if may_move(picture, facts, 0) else region.scaler
            high = proven if proven >= region.scaler + LEAST_STEP else region.scaler
        highest.append(max(high, region.scaler))
    return Bounds(
        movable=tuple(movable),
        lowest=tuple(lowest),
        highest=tuple(highest),
        receiver_limit=policy.floors.receiver_limit,
        nominal=tuple((f.target or 0.0) * f.share for f in picture.facts),
        floor=min(nominal_floor(picture), nominal_of(picture, picture.model.scalers)),
        sure=min(floor_of(picture), sure_of(picture, picture.model.scalers)),
        carries=min(floor_of(picture), effective_of(picture, picture.model.scalers)),
        measured=any(f.estimate.saturated_rate is not None for f in picture.facts) and _lasting(picture),
        tight=short > 0.0 or tight(picture),
        short=short > 0.0,
    )


def _lasting(picture: Picture) -> bool:
    """Whether what is missing is not just missing: endpoints that come and go are no reason to give up a region for hours.

    Nor is a shortage that more room on its way may end: who has joined or was raised is to be seen first.
    """
    shown = picture.dead_time + SHOWN_PERIODS * picture.policy.timing.sample_period
    if any(f.after > f.before and picture.at - f.made_at < shown for f in picture.memory.flights):
        return False
    changes = [
        f.estimate.shares[-1][0] for f in picture.facts if f.serving and not f.dead and f.estimate.shares[1:]
    ]
    return picture.at - max(changes, default=0.0) >= UNSTEADY_SECONDS


def _may_close(region: Region, picture: Picture) -> bool:
    """A region is closed only for being bad at any load: one that is short of machines keeps what it can carry."""
    return region.bad >= picture.policy.triggers.drain_error_ratio


def _changes(picture: Picture, found: Found, short: float) -> tuple[Change, ...]:
    changes = []
    for i, (region, after) in enumerate(zip(picture.model.regions, found.best.scalers, strict=True)):
        if after != region.scaler:
            changes.append(
                Change(
                    service=picture.service.name,
                    region=region.name,
                    lever=Lever.SCALER,
                    before=region.scaler,
                    after=after,
                    reason=_why(picture, found, i, short),
                    ahead=after * region.ceiling > found.base.flow.loads[i],
                )
            )
    return tuple(changes)


def _why(picture: Picture, found: Found, i: int, short: float) -> Reason:
    model = picture.model
    region, facts = model.regions[i], picture.facts[i]
    total = model.forecast
    numbers: dict[str, object] = {
        "region": region.name,
        "bad_before": found.base.share(total),
        "bad_after": found.best.share(total),
        "alternative": _alternative(found, total),
    }
    if found.best.scalers[i] > region.scaler:
        return reason("make-room", **numbers)
    room = found.best.scalers[i] * region.ceiling
    if found.base.flow.loads[i] <= room:
        return reason("cap-receiver", room=room, capacity=region.capacity, **numbers)
    if short > 0.0 and found.name.startswith("give up"):
        lost = found.name.removeprefix("give up ").removesuffix(" for the others")
        return reason("sacrifice", short=short, sacrificed=lost, **numbers)
    window, estimate = facts.window, facts.estimate
    if estimate.quota is not None and found.base.flow.loads[i] > estimate.quota * 0.97:
        refused = window.too_many_ratio if isinstance(window, Window) else 0.0
        return reason("cap-quota", refused=refused, accepted=estimate.quota, **numbers)
    if estimate.errors > max(estimate.slow, 0.01):
        return reason("shed-errors", errors=estimate.errors, **numbers)
    if estimate.slow > 0.01 and estimate.saturated_rate is None:
        return reason("shed-slow", slow=estimate.slow, slo=picture.policy.slo.latency, **numbers)
    return reason(
        "shed-overload",
        load=found.base.flow.loads[i],
        capacity=region.capacity,
        to=found.best.flow.loads[i],
        **numbers,
    )


def _alternative(found: Found, total: float) -> str:
    if found.second in {"none", found.name} or total <= 0:
        return ""
    return f"; next best: {found.second}, {found.second_bad / total:.1%}"


def _share(picture: Picture, short: float) -> tuple[Change, ...]:
    """Ceilings in proportion to what each region can carry, so that overfill is even."""
    bounds = bounds_of(picture, short)
    caps = [capped(r, 1.0) for r in picture.model.regions]
    changes = []
    for region, cap, can, high in zip(
        picture.model.regions, caps, bounds.movable, bounds.highest, strict=True
    ):
        after = min(cap, high)
        if can and abs(after - region.scaler) >= LEAST_STEP:
            changes.append(
                Change(
                    service=picture.service.name,
                    region=region.name,
                    lever=Lever.SCALER,
                    before=region.scaler,
                    after=after,
                    reason=reason("share-shortage", short=short),
                )
            )
    return tuple(changes)
