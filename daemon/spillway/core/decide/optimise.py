"""Whole answers that the search for ceilings starts from: what one region at a time never leads to.

The search for the best set of ceilings: several starts, then one region at a time, within a fixed number of tries.

One region at a time alone gets stuck, because draining one fills its neighbour: so the starts hold whole answers, such
as every region capped at a share of its capacity, bad regions closed, and each region in turn given up for the others.

From a model to wanted changes of ceilings: relieve what is bad, and bring back what is well again.
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.decide.reopen import (
    LEAST_STEP,
    may_move,
    may_reopen,
    may_sink,
    pre_scale,
    probes,
    restores,
)
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import (
    KEEP,
    Bounds,
    Foresight,
    capped,
    effective_of,
    floor_of,
    hundredths,
    nominal_floor,
    nominal_of,
    sure_of,
    tight,
)
from spillway.core.model.predict import Model, Outcome, Region, least_bad
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Lever, Reason, heard
from spillway.core.values.policy import Shortage
from spillway.core.values.units import SCALER_FLOOR

SPARED = 0.87
"""Share of its capacity at which a region is kept whole by a sacrifice: all are overfilled then, so what demand is
underestimated by comes to every one of them."""


SACRIFICES = 6
"""Regions tried as the one that is given up, worst first."""


SHRUNK = 0.35
"""Share of the wanted loads down to which ceilings are lowered to give up a region."""


def sacrifices(model: Model) -> list[int]:
    """Regions that could be given up: those that are least worth saving come first."""
    worth = sorted(
        (r.capacity * (1.0 - r.bad), r.name, i)
        for i, r in enumerate(model.regions)
        if r.movable and r.ceiling > 0.0 and not r.dead
    )
    return [i for _, _, i in worth[:SACRIFICES]]


def give_up(model: Model, lost: int) -> list[float] | None:
    """Ceilings that keep all regions but one at what they can carry, and send the rest to that one.

    Past the sum of ceilings Google overfills all in proportion, so only their ratios matter then: they are chosen as
    the wanted loads. None where the lost one is so small that all others would have to be lowered far below what they take:
    it takes long to bring them back, and the shortage may be over by then.
    """
    wanted = [0.0 if r.dead or not r.member else SPARED * r.capacity for r in model.regions]
    wanted[lost] = max(0.0, model.forecast - sum(wanted) + wanted[lost])
    ratios = [r.ceiling / w for w, r in zip(wanted, model.regions, strict=True) if w > 0.0]
    shrink = min(1.0, min(ratios, default=1.0))
    if shrink < SHRUNK:
        return None
    return [
        hundredths(w * shrink / r.ceiling) if w > 0.0 and r.ceiling > 0.0 else s
        for w, r, s in zip(wanted, model.regions, model.scalers, strict=True)
    ]


EFFORT = 1100
"""Outcomes x regions looked at in one search: the time for an outcome grows with the regions, some microsecond for each."""

TRIES_LEAST, TRIES_MOST = 30, 240
"""Outcomes looked at, whatever the number of regions."""


HOPELESS = 0.05
"""Expected bad share of the plain answers from which giving up a region is looked at."""

REPAIRS = 3
"""Rounds in which receivers that a plan pushes past their limit are capped, each of which may fill the next."""

SETTLE = 0.0005
"""Share of the demand by which the score may worsen to leave a region where it is: fewer moves decide last."""


SMALL, SETTLE_SMALL = 0.05, 0.002
"""Moves below the first are put back for the second: capacities are not known to some percent, and a write is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best set, what doing nothing leads to, and the runner-up."""

    base: Outcome
    best: Outcome
    name: str
    second: str
    second_bad: float
    least: float
    """Bad requests/s that no set of ceilings gets below (`least_bad`): the distance to it bounds what was missed."""


class _Search:
    """One search: counts its tries and remembers the best."""

    def __init__(self, model: Model, bounds: Bounds) -> None:
        self.model, self.bounds = model, bounds
        self.base = model.base
        self.guards = Foresight(model, bounds, self.base)
        self.left = max(TRIES_LEAST, min(TRIES_MOST, EFFORT // max(1, len(model.regions))))
        self.best, self.best_score, self.name = (
            self.base,
            self.guards.price(self.base),
            "leave everything as it is",
        )
        self.second, self.second_bad = "none", self.base.bad

    def allowed(self, scalers: list[float]) -> list[float]:
        """These scalers inside the bounds; what may not move stays."""
        bounds, current = self.bounds, self.model.scalers
        return [
            min(high, max(low, s)) if can else now
            for s, now, can, low, high in zip(
                scalers, current, bounds.movable, bounds.lowest, bounds.highest, strict=True
            )
        ]

    def try_start(self, name: str, scalers: list[float]) -> None:
        """Look at a whole answer."""
        outcome, score = self._look(self.allowed(scalers))
        if score < self.best_score - 1e-9:
            self.second, self.second_bad = self.name, self.best.bad
            self.best, self.best_score, self.name = outcome, score, name
        elif self.second == "none" or outcome.bad < self.second_bad:
            self.second, self.second_bad = name, outcome.bad

    def _look(self, scalers: list[float]) -> tuple[Outcome, float]:
        """The outcome of `scalers` and its score; or, if that is better, of these with every pushed receiver capped.

        One cut fills the next region, whose cap fills the one after it: this takes all those moves at once.
        """
        outcome = self.model.outcome(self.guards.floored(scalers))
        self.left -= 1
        best, least = outcome, self.guards.price(outcome)
        for _ in range(REPAIRS):
            repaired = self.guards.capped(outcome)
            if repaired is None or self.left <= 0:
                break
            outcome = self.model.outcome(repaired)
            self.left -= 1
            score = self.guards.price(outcome)
            if score < least:
                best, least = outcome, score
        return best, least

    def refine(self, interesting: list[int]) -> None:
        """Move one region at a time while that helps and tries are left."""
        improved = True
        while improved and self.left > 0:
            improved = False
            for i in interesting:
                for value in self._values(i):
                    if self.left <= 0:
                        return
                    improved |= self._try_value(i, value)

    def _values(self, i: int) -> list[float]:
        region, now = self.model.regions[i], self.best.scalers[i]
        values = {
            self.bounds.lowest[i],
            SCALER_FLOOR,
            capped(region),
            capped(region, self.bounds.receiver_limit),
            self.model.scalers[i],
            hundredths(now - 0.06) if now else now,
            hundredths(now + 0.06) if now else now,
            1.0,
        }
        if region.ceiling > 0.0:
            values.add(hundredths((self.best.flow.loads[i] - self._spare(i)) / region.ceiling))
        return sorted(v for v in values if v != now)

    def _spare(self, i: int) -> float:
        """Requests/s that all others can take besides what they have, as far as they are open."""
        spare = 0.0
        for j, (region, load, limit, scaler) in enumerate(
            zip(self.model.regions, self.best.flow.loads, self.guards.limits, self.best.scalers, strict=True)
        ):
            if j != i and not region.dead:
                spare += max(0.0, min(limit, scaler * region.ceiling) - load)
        return spare

    def _try_value(self, i: int, value: float) -> bool:
        scalers = list(self.best.scalers)
        scalers[i] = value
        scalers = self.allowed(scalers)
        if scalers[i] == self.best.scalers[i]:
            return False
        outcome, score = self._look(scalers)
        if score < self.best_score - 1e-6 * max(1.0, self.model.forecast):
            self.best, self.best_score = outcome, score
            return True
        return False

    def settle(self) -> None:
        """Put back every region whose move is not worth it."""
        for i, now in enumerate(self.model.scalers):
            if self.best.scalers[i] == now:
                continue
            small = abs(self.best.scalers[i] - now) < SMALL
            allowance = (SETTLE_SMALL if small else SETTLE) * self.model.forecast
            scalers = list(self.best.scalers)
            scalers[i] = now
            outcome = self.model.outcome(scalers)
            score = self.guards.price(outcome)
            if score <= self.best_score + allowance:
                self.best, self.best_score = outcome, min(score, self.best_score)


def search(model: Model, bounds: Bounds) -> Found:
    """The best set of scalers within `bounds`."""
    run = _Search(model, bounds)
    regions = model.regions
    caps = [capped(r) for r in regions]
    closed = [low if r.bad > 0.02 or r.dead else 1.0 for r, low in zip(regions, bounds.lowest, strict=True)]
    run.try_start("cap every region at its capacity", list(caps))
    run.try_start("open every region", [1.0] * len(regions))
    full = [load > r.takes for load, r in zip(run.base.flow.loads, regions, strict=True)]
    if any(full):
        run.try_start(
            "cap the full regions and open the others",
            [cap if f else 1.0 for f, cap in zip(full, caps, strict=True)],
        )
        run.try_start(
            "relieve the full regions and open the others",
            [SCALER_FLOOR if f else 1.0 for f in full],
        )
    run.try_start(
        "close the bad regions and cap the others", [min(a, b) for a, b in zip(closed, caps, strict=True)]
    )
    run.try_start("close the bad regions", [min(a, b) for a, b in zip(closed, model.scalers, strict=True)])
    run.try_start(
        "cap the full regions",
        [
            min(now, cap) if load > KEEP * r.capacity else now
            for now, cap, load, r in zip(model.scalers, caps, run.base.flow.loads, regions, strict=True)
        ],
    )
    if bounds.measured and (bounds.short or run.best.bad > HOPELESS * model.forecast):
        for i in sacrifices(model):
            given = give_up(model, i)
            if given is not None:
                run.try_start(f"give up {regions[i].name} for the others", given)
    run.refine(_interesting(model, run))
    run.settle()
    return Found(
        base=run.base,
        best=run.best,
        name=run.name,
        second=run.second,
        second_bad=run.second_bad,
        least=least_bad(model),
    )


def _interesting(model: Model, run: _Search) -> list[int]:
    """Regions worth moving alone: worst first."""
    ranked = []
    for i, (r, load, best) in enumerate(
        zip(model.regions, run.best.flow.loads, run.best.scalers, strict=True)
    ):
        if run.bounds.movable[i] and (
            r.bad > 0.01 or load > 0.88 * r.capacity or best < 1.0 or r.quota is not None
        ):
            ranked.append((-load * r.bad_share(load), r.name, i))
    return [i for _, _, i in sorted(ranked)]


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
    return max(0.0, min(model.forecast, model.demand) - model.potential)


def decide_ceilings(picture: Picture) -> Decision:
    """The wanted changes of scalers, without guards."""
    model = picture.model
    base = model.base
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
        changes = heard(pre_scale(picture), restores(picture) if calm else (), probes(picture))
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
        measured=any(f.estimate.saturation.rate is not None for f in picture.facts) and _lasting(picture),
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
        f.estimate.health.changes[-1][0]
        for f in picture.facts
        if f.serving and not f.dead and f.estimate.health.changes[1:]
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
    if estimate.quota.rate is not None and found.base.flow.loads[i] > estimate.quota.rate * 0.97:
        refused = window.too_many_ratio if isinstance(window, Window) else 0.0
        return reason("cap-quota", refused=refused, accepted=estimate.quota.rate, **numbers)
    if estimate.failures.errors > max(estimate.failures.slow, 0.01):
        return reason("shed-errors", errors=estimate.failures.errors, **numbers)
    if estimate.failures.slow > 0.01 and estimate.saturation.rate is None:
        return reason("shed-slow", slow=estimate.failures.slow, slo=picture.policy.slo.latency, **numbers)
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
