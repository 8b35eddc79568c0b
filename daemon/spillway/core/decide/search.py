"""The search for the best set of ceilings: several starts, then one region at a time, within a fixed number of tries.

One region at a time alone gets stuck, because draining one fills its neighbour. So the starts hold whole answers, such as
every region capped at a share of its capacity, bad regions closed, and each region in turn shed for the others. Coordinate
descent goes on from the best of them.

Floors have a hard price from the start (`Requirements.price`). Receivers have a soft price at first, because the way to a good set
leads through sets that push one a little. If the best set breaks a constraint, the search runs again with a hard price.
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.decide.limits import LEAST_STEP
from spillway.core.model.constraints import BREACH_PRICE, CAP_SHARE, Requirements, capped, hundredths
from spillway.core.model.predict import SAVING_NOISE_SHARE, Prediction, TrafficModel, least_bad
from spillway.core.values.limits import Allowed
from spillway.core.values.topology import SCALER_FLOOR, RegionName

EFFORT = 1100
"""Predictions x regions in one search: a prediction takes about a microsecond for each region."""

TRIES = (30, 240)
"""Least and most predictions in one search, whatever the number of regions."""


SHED_ABOVE = 0.05
"""Expected share of bad requests of the best set so far above which the search tries to shed a region."""

REPAIRS = 3
"""Rounds in which receivers past their limit are capped; each cap may fill the next receiver."""

SOFT_PRICE = 5.0
"""Bad requests/s that one request/s past a receiver's limit is worth at first."""


SMALL_MOVE_GAIN = 0.002
"""Share of the demand that a move below `LEAST_STEP` must save, or it is put back. A larger move must save `SAVING_NOISE_SHARE`, so that among equal sets
the one with fewer moves wins. Capacities are uncertain by some percent, so a small saving is not worth a write."""


DESCENT_STEP = 0.06
"""Change of one scaler that the descent tries, up and down: the first hundredth that is no small move (`LEAST_STEP`)."""

BAD_REGION_SHARE = 0.02
"""Share of a region's answers that is bad from which a start closes it. A start only begins the search, so little hangs on it."""

MOVED_BAD_SHARE = 0.01
MOVED_LOAD_SHARE = 0.88
"""Share of a region's answers that is bad, and load over its capacity, from which moving that region alone may help. The load is a little
below `CAP_SHARE`, so that a region at its cap is among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What the search may do."""

    ranges: tuple[Allowed, ...]
    """Allowed scalers of each region; the present one is always allowed too."""
    movable: tuple[bool, ...]
    shed: bool
    """Whether one region may be shed for the others: some region is saturated, and the shortage lasts."""
    short: bool
    """Whether all regions together cannot carry the forecast."""
    receivers: bool
    """Whether receivers have a price; they have none where all regions together cannot carry what the floor demands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A whole answer that the search starts from."""

    label: str
    """For people."""
    sheds: RegionName | None = None
    """The region that is shed for the others."""


KEEP_ALL = Start(label="leave everything as it is")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best set, what doing nothing leads to, and the runner-up."""

    base: Prediction
    best: Prediction
    start: Start
    second: Start | None
    second_bad: float
    least: float
    """Lower bound on the bad requests/s of every set (`least_bad`): the distance to it bounds what the search missed."""


KEPT_WHOLE = 0.87
"""Share of its capacity that a region gets while another one is shed. All regions are overfilled then, so each of them gets a part of the
demand that the estimate misses."""


MOST_SHED = 6
"""Regions tried as the one that is shed, worst first."""


LEAST_SHRINK = 0.35
"""Smallest factor by which all ceilings are scaled to shed a region."""


def least_worth(traffic: TrafficModel) -> list[int]:
    """Regions that could be shed: those with the smallest good capacity come first."""
    worth = sorted(
        (r.capacity * (1.0 - r.bad), r.name, i)
        for i, r in enumerate(traffic.regions)
        if r.movable and r.ceiling > 0.0 and not r.dead
    )
    return [i for _, _, i in worth[:MOST_SHED]]


def shed_region(traffic: TrafficModel, lost: int) -> list[float] | None:
    """Scalers that keep all regions but `lost` at what they can carry, and send the rest to that one.

    Above the sum of the ceilings Google overfills all of them in proportion, so only their ratios matter: they are those of the
    wanted loads. None where `lost` is so small that all others would have to be lowered far below what they can carry: the way
    back takes long, and the shortage may end before.
    """
    wanted = [0.0 if r.dead or not r.member else KEPT_WHOLE * r.capacity for r in traffic.regions]
    wanted[lost] = max(0.0, traffic.forecast - sum(wanted) + wanted[lost])
    ratios = [r.ceiling / w for w, r in zip(wanted, traffic.regions, strict=True) if w > 0.0]
    shrink = min(1.0, min(ratios, default=1.0))
    if shrink < LEAST_SHRINK:
        return None
    return [
        hundredths(w * shrink / r.ceiling) if w > 0.0 and r.ceiling > 0.0 else s
        for w, r, s in zip(wanted, traffic.regions, traffic.scalers, strict=True)
    ]


class Search:
    """One search: counts its tries and remembers the best."""

    def __init__(
        self,
        traffic: TrafficModel,
        requirements: Requirements,
        space: Space,
        pushed_price: float = SOFT_PRICE,
    ) -> None:
        self.traffic, self.requirements, self.space = traffic, requirements, space
        self.pushed_price = pushed_price if space.receivers else 0.0
        self.base = traffic.base
        least, most = TRIES
        self.left = max(least, min(most, EFFORT // max(1, len(traffic.regions))))
        self.best, self.best_score, self.start = self.base, self._price(self.base), KEEP_ALL
        self.second: Start | None = None
        self.second_bad = self.base.bad

    def _price(self, prediction: Prediction) -> float:
        return self.requirements.price(prediction, self.pushed_price)

    def allowed(self, scalers: list[float]) -> list[float]:
        """These scalers inside their ranges; what may not move stays."""
        return [
            now
            if not can
            else 0.0
            if scaler == 0.0 and within.closed
            else min(within.high, max(within.low, scaler))
            for scaler, now, can, within in zip(
                scalers, self.traffic.scalers, self.space.movable, self.space.ranges, strict=True
            )
        ]

    def try_start(self, label: str, scalers: list[float], sheds: RegionName | None = None) -> None:
        """Try a whole answer."""
        prediction, score = self._look(self.allowed(scalers))
        if score < self.best_score - 1e-9:
            self.second, self.second_bad = self.start, self.best.bad
            self.best, self.best_score, self.start = prediction, score, Start(label=label, sheds=sheds)
        elif self.second is None or prediction.bad < self.second_bad:
            self.second, self.second_bad = Start(label=label, sheds=sheds), prediction.bad

    def _look(self, scalers: list[float]) -> tuple[Prediction, float]:
        """The prediction of `scalers` and its score; or, if that is better, of these with every pushed receiver capped.

        One cut fills the next region, whose cap fills the one after it: this takes all those moves at once.
        """
        prediction = self.traffic.predict(self.requirements.refilled(scalers))
        self.left -= 1
        best, best_score = prediction, self._price(prediction)
        for _ in range(REPAIRS):
            repaired = self._repaired(prediction)
            if repaired is None or self.left <= 0:
                break
            prediction = self.traffic.predict(repaired)
            self.left -= 1
            score = self._price(prediction)
            if score < best_score:
                best, best_score = prediction, score
        return best, best_score

    def _repaired(self, prediction: Prediction) -> list[float] | None:
        """The scalers with a cap on each receiver that is pushed past its limit; None where none is."""
        scalers, changed = list(prediction.scalers), False
        for i, cap in self.requirements.pushed(prediction):
            if self.space.movable[i]:
                lowered = max(self.lowest(i), cap)
                if lowered < scalers[i]:
                    scalers[i], changed = lowered, True
        return scalers if changed else None

    def lowest(self, i: int) -> float:
        """The smallest scaler that region `i` may have."""
        within = self.space.ranges[i]
        return 0.0 if within.closed else within.low

    def refine(self, order: list[int]) -> None:
        """Move one region at a time while that helps and tries are left."""
        improved = True
        while improved and self.left > 0:
            improved = False
            for i in order:
                for value in self._values(i):
                    if self.left <= 0:
                        return
                    improved |= self._try_value(i, value)

    def _values(self, i: int) -> list[float]:
        region, now = self.traffic.regions[i], self.best.scalers[i]
        values = {
            self.lowest(i),
            SCALER_FLOOR,
            capped(region),
            capped(region, self.requirements.constraints.receiver_limit),
            self.traffic.scalers[i],
            hundredths(now - DESCENT_STEP) if now else now,
            hundredths(now + DESCENT_STEP) if now else now,
            1.0,
        }
        if region.ceiling > 0.0:
            values.add(hundredths((self.best.flow.loads[i] - self._spare(i)) / region.ceiling))
        return sorted(v for v in values if v != now)

    def _spare(self, i: int) -> float:
        """Requests/s that all others can still take under their present ceilings."""
        spare = 0.0
        rows = self.requirements.constraints.rows
        for j, (region, load, row, scaler) in enumerate(
            zip(self.traffic.regions, self.best.flow.loads, rows, self.best.scalers, strict=True)
        ):
            if j != i and not region.dead:
                spare += max(0.0, min(row.receives, scaler * region.ceiling) - load)
        return spare

    def _try_value(self, i: int, value: float) -> bool:
        scalers = list(self.best.scalers)
        scalers[i] = value
        scalers = self.allowed(scalers)
        if scalers[i] == self.best.scalers[i]:
            return False
        prediction, score = self._look(scalers)
        if score < self.best_score - 1e-6 * max(1.0, self.traffic.forecast):
            self.best, self.best_score = prediction, score
            return True
        return False

    def put_back_small_moves(self) -> None:
        """Put back every region whose move saves too little."""
        for i, now in enumerate(self.traffic.scalers):
            if self.best.scalers[i] == now:
                continue
            small = abs(self.best.scalers[i] - now) < LEAST_STEP
            allowance = (SMALL_MOVE_GAIN if small else SAVING_NOISE_SHARE) * self.traffic.forecast
            scalers = list(self.best.scalers)
            scalers[i] = now
            prediction = self.traffic.predict(scalers)
            score = self._price(prediction)
            if score <= self.best_score + allowance:
                self.best, self.best_score = prediction, min(score, self.best_score)


def search(traffic: TrafficModel, requirements: Requirements, space: Space) -> Found:
    """The best set of scalers within `space` that breaks no constraint."""
    found = _search(traffic, requirements, space, SOFT_PRICE)
    return _search(traffic, requirements, space, BREACH_PRICE) if _breaks(found, requirements) else found


def _breaks(found: Found, requirements: Requirements) -> bool:
    """Whether the best set breaks a constraint."""
    pairs = zip(
        found.best.scalers, requirements.before.scalers, requirements.constraints.traffic.regions, strict=True
    )
    shed = {r.name for after, before, r in pairs if after < before}
    return found.best is not found.base and requirements.broken(found.best.scalers, shed) is not None


def _search(traffic: TrafficModel, requirements: Requirements, space: Space, pushed_price: float) -> Found:
    """The best set of scalers, with pushed receivers at this price."""
    run = Search(traffic, requirements, space, pushed_price)
    regions = traffic.regions
    caps = [capped(r) for r in regions]
    closed = [run.lowest(i) if r.bad > BAD_REGION_SHARE or r.dead else 1.0 for i, r in enumerate(regions)]
    run.try_start("cap every region at its capacity", list(caps))
    run.try_start("open every region", [1.0] * len(regions))
    full = [load > r.capacity_confirmed for load, r in zip(run.base.flow.loads, regions, strict=True)]
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
    run.try_start("close the bad regions", [min(a, b) for a, b in zip(closed, traffic.scalers, strict=True)])
    run.try_start(
        "cap the full regions",
        [
            min(now, cap) if load > CAP_SHARE * r.capacity else now
            for now, cap, load, r in zip(traffic.scalers, caps, run.base.flow.loads, regions, strict=True)
        ],
    )
    if space.shed and (space.short or run.best.bad > SHED_ABOVE * traffic.forecast):
        for i in least_worth(traffic):
            shed = shed_region(traffic, i)
            if shed is not None:
                run.try_start(f"shed {regions[i].name} for the others", shed, sheds=regions[i].name)
    run.refine(_worth_moving(traffic, run))
    run.put_back_small_moves()
    return Found(
        base=run.base,
        best=run.best,
        start=run.start,
        second=run.second,
        second_bad=run.second_bad,
        least=least_bad(traffic),
    )


def _worth_moving(traffic: TrafficModel, run: Search) -> list[int]:
    """Regions that may gain by a move alone, those with the most bad requests first."""
    ranked = []
    for i, (r, load, best) in enumerate(
        zip(traffic.regions, run.best.flow.loads, run.best.scalers, strict=True)
    ):
        if run.space.movable[i] and (
            r.bad > MOVED_BAD_SHARE
            or load > MOVED_LOAD_SHARE * r.capacity
            or best < 1.0
            or r.quota is not None
        ):
            ranked.append((-load * r.bad_share(load), r.name, i))
    return [i for _, _, i in sorted(ranked)]
