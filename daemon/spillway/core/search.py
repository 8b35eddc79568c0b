"""The search for the best set of ceilings: several starts, then one region at a time, within a fixed number of tries.

One region at a time alone gets stuck, because draining one fills its neighbour: so the starts hold whole answers, such
as every region capped at a share of its capacity, bad regions closed, and each region in turn given up for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.bounds import KEEP, Bounds, capped, hundredths
from spillway.core.foresight import Foresight
from spillway.core.least import least_bad
from spillway.core.predict import Model, Outcome
from spillway.core.starts import give_up, sacrifices
from spillway.core.units import SCALER_FLOOR

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
        self.base = model.base()
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
