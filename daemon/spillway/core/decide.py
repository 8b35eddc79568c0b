"""From a model to wanted changes of ceilings: relieve what is bad, and bring back what is well again."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.facts import Facts
from spillway.core.floors import floor_of, nominal_of
from spillway.core.picture import Picture
from spillway.core.policy import Shortage
from spillway.core.predict import Outcome, Region
from spillway.core.reasons import reason
from spillway.core.rest import rested
from spillway.core.result import Lever, Reason
from spillway.core.search import Bounds, Found, capped, hundredths, search
from spillway.core.units import SCALER_FLOOR
from spillway.core.window import Window
from spillway.core.wishes import Change

LEAST_GAIN = 0.003
"""Share of the demand that a move must save at least; below it is noise."""

RESTORE_COST = 0.0005
"""Share of the demand that may become bad by opening a ceiling again: the model's own grain."""

LEAST_STEP = 0.05
"""Smallest rise worth a write, unless it opens the ceiling fully."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is wanted of the ceilings, and how good doing nothing and doing the best would be."""

    changes: tuple[Change, ...]
    base: Outcome
    found: Found | None
    short: float
    """Requests/s of the forecast that all regions together cannot carry; 0 where they can."""


def shortage(picture: Picture) -> float:
    """Requests/s of the forecast beyond what all member regions together can carry."""
    return max(0.0, picture.model.forecast - picture.model.potential())


def decide(picture: Picture) -> Decision:
    """The wanted changes of scalers, without guards."""
    model = picture.model
    base = model.base()
    short = shortage(picture)
    if model.forecast <= 0.0:
        return Decision(changes=_probes(picture), base=base, found=None, short=0.0)
    if short > 0.0 and picture.policy.shortage is Shortage.SHARE:
        return Decision(changes=_share(picture, short), base=base, found=None, short=short)
    found = None
    if _could_gain(picture, base):
        found = search(model, bounds_of(picture, short))
        gain = base.bad - found.best.bad
        if gain >= max(picture.policy.rhythm.margin * base.bad, LEAST_GAIN * model.forecast):
            changes = _changes(picture, found, short)
            touched = {c.region for c in changes}
            probes = tuple(c for c in _probes(picture) if c.region not in touched)
            return Decision(changes=(*changes, *probes), base=base, found=found, short=short)
    return Decision(
        changes=(*_restores(picture, base), *_probes(picture)), base=base, found=found, short=short
    )


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
        open_now = region.scaler > 0.0
        movable.append(region.movable and region.fresh and not region.dead and open_now and members > 1)
        low = 0.0 if _may_close(region, facts, picture) else SCALER_FLOOR
        low = max(low, round(region.scaler - policy.rhythm.down_step, 2))
        high = min(1.0, round(region.scaler + policy.rhythm.up_step, 2))
        lowest.append(low if _may_move(picture, facts, -1) else region.scaler)
        highest.append(high if _may_move(picture, facts, 1) else region.scaler)
    return Bounds(
        movable=tuple(movable),
        lowest=tuple(lowest),
        highest=tuple(highest),
        receiver_limit=policy.floors.receiver_limit,
        nominal=tuple((f.target or 0.0) * f.share for f in picture.facts),
        floor=min(floor_of(picture), nominal_of(picture, picture.model.scalers)),
        short=short > 0.0,
    )


def _may_move(picture: Picture, facts: Facts, direction: int) -> bool:
    """Whether its rest is over: what the guards would refuse anyway is not planned with."""
    policy = picture.policy
    return picture.at >= facts.memory.held_until and rested(
        facts.memory, policy.rhythm, policy.timing, picture.at, direction, picture.dead_time
    )


def _may_close(region: Region, facts: Facts, picture: Picture) -> bool:
    """A region is closed only for failing: one that is merely slow keeps a tenth, by which its return is seen."""
    window = facts.window
    errors = window.newest_errors if isinstance(window, Window) else 0.0
    return min(errors, region.bad) >= picture.policy.triggers.drain_error_ratio


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


def _restores(picture: Picture, base: Outcome) -> tuple[Change, ...]:
    """One step up for each lowered region that has been well, where the model sees no harm; lowest first."""
    model, rhythm = picture.model, picture.policy.rhythm
    scalers = list(model.scalers)
    allowed = base.bad + RESTORE_COST * model.forecast
    changes = []
    ranked = sorted((r.scaler, r.name, i) for i, r in enumerate(model.regions) if 0.0 < r.scaler < 1.0)
    for now, name, i in ranked:
        facts = picture.facts[i]
        if not model.regions[i].movable or not _rested(picture, facts):
            continue
        since = facts.memory.well_since
        for size in (rhythm.up_step, rhythm.up_step / 2):
            after = hundredths(now + size)
            if after - now < min(LEAST_STEP, 1.0 - now) - 1e-9:
                continue
            scalers[i] = after
            outcome = model.outcome(scalers)
            if outcome.bad <= allowed:
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
                            bad_after=outcome.share(model.forecast),
                        ),
                    )
                )
                break
            scalers[i] = now
    return tuple(changes)


def _rested(picture: Picture, facts: Facts) -> bool:
    """Whether the region has been well for long enough to be given more; the guards look again."""
    since = facts.memory.well_since
    if since is None or picture.at - since < picture.policy.rhythm.up_wait:
        return False
    return _may_move(picture, facts, 1)


def _probes(picture: Picture) -> tuple[Change, ...]:
    """A tenth for each region that was closed by a scaler of 0 and whose health checks pass."""
    changes = []
    for region, facts in zip(picture.model.regions, picture.facts, strict=True):
        memory = facts.memory
        if not region.member or region.scaler > 0.0 or not region.movable or memory.leaving:
            continue
        if memory.empty_since is None or not _rested(picture, facts):
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
