"""What a set of ceilings may not break: stated once, used by proposals, search, plan and tests.

Six constraints, each against the set that stood before ("no worse than before" is always enough):

1. Serving regions: at least `floors.min_serving_regions` stay open and alive, and the last open one is never closed.
2. Ceilings: sum(target x scaler x healthy share) >= floor, or what is surely carried >= floor. Dead regions count as 0.
3. Carried: what the open regions carry well >= floor. The floor is DEMAND_SWING_FACTOR x max(demand, forecast, slow average) x (1 + reserve).
4. Receivers: no region that gains load is pushed past `floors.receiver_limit` of what it is expected to take. The exception: all
   regions together are short, and the set saves the policy's margin of the bad requests.
5. One drain at a time.
6. A set is whole: its raises belong to its cuts, so it is accepted whole or refused whole.

`Requirements` checks 1 to 4, which follow from the ceilings. 5 and 6 concern the changes themselves: `decide.proposals` checks them.
A drain of a dead region must keep 1 and 2 alone, because a dead region carries nothing that it could lose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from operator import mul
from typing import NamedTuple

from spillway.core.estimate.capacity import NEARLY_ALL
from spillway.core.model.predict import TROUBLE_SHARE, Prediction, Region, TrafficModel
from spillway.core.values.topology import SCALER_FLOOR

FULLY_OPEN = 0.85
"""Share of what a region can take from which its ceiling counts as open."""
CAP_SHARE = 0.9
"""Share of its capacity at which a region is capped. Regions are short if together they must carry more than this share."""

DEMAND_SWING_FACTOR = 1.03
"""Demand at the write over its estimate, which is smoothed and minutes old: a floor must hold for the demand at the write."""

SAME_LOAD_FACTOR = 1.005
"""Growth of a load, as a factor, up to which it counts as no growth."""

ROUNDING = 1e-6
"""Rounding error that is allowed: of a floor, as a share of it; of a load, in requests/s."""

BREACH_PRICE = 1000.0
"""Price in the search of one request/s below a floor, in bad requests/s. It is so high that no saving makes up for it, because a
set that breaks a floor is refused."""


def hundredths(value: float) -> float:
    """`value` rounded down to hundredths, at least the smallest legal scaler above 0 and at most 1."""
    return min(1.0, max(SCALER_FLOOR, floor(value * 100.0 + 1e-6) / 100.0))


def scaler_for(region: Region, rate: float) -> float:
    """The scaler at which `region` is full at `rate` requests/s."""
    if region.ceiling <= 0.0:
        return 1.0
    return hundredths(rate / region.ceiling)


def capped(region: Region, keep: float = CAP_SHARE) -> float:
    """The scaler at which `region` is full at `keep` of what it is known to take."""
    return scaler_for(region, keep * region.capacity_confirmed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A constraint that a set breaks: the reason code and the numbers of its sentence."""

    code: str
    numbers: Mapping[str, object]


class _Row(NamedTuple):
    """What the constraints ask of one region, in requests/s."""

    ceiling: float
    """At scaler 1."""
    capacity_expected: float
    ceiling_sure: float
    """At scaler 1, in `surely_carried`."""
    capacity_sure: float
    open_from: float
    """Ceiling from which the region counts as fully open; a share is no ceiling, and counts as what it is."""
    surely_open_from: float
    """The same for `surely_carried`: a region that was not found to take less is fully open only at all that it is sure to take."""
    good_share: float
    """Share of its answers that is good; 0 for a dead region."""
    nominal: float
    """Target x healthy share."""
    receives: float
    """Load past which it counts as pushed over its limit."""


def _good_share(region: Region) -> float:
    """Share of its answers that counts as good.

    In a split a share below trouble counts as nothing: all that comes is carried somewhere, so otherwise no floor would let a
    share move to a region that is a little worse.
    """
    if region.dead:
        return 0.0
    return 1.0 if region.shared and region.bad <= TROUBLE_SHARE else 1.0 - region.bad


def _limit_found(region: Region, nominal: float) -> bool:
    """Whether it was found to take less than its healthy endpoints are configured for, `nominal` requests/s.

    Such a capacity is read off a saturated region and good to some percent. Where endpoints are only missing, the healthy ones
    are counted, and what they take is exact.
    """
    return region.proven and region.only_seen is None and region.capacity_expected < NEARLY_ALL * nominal


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """The constraints of one service at one moment, before any set is known."""

    traffic: TrafficModel
    floor: float
    """Requests/s that must be carried well: see `ServiceModel`."""
    ceilings_floor: float
    """Requests/s of ceilings that must stay; 0 in a shortage that no setting could end."""
    nominal: tuple[float, ...]
    """Target x healthy share of each region, requests/s; 0 for a dead one and where the target is not known."""
    min_serving: int
    receiver_limit: float
    margin: float
    """Share of the bad requests that a set must save in a shortage to push a receiver."""

    @cached_property
    def rows(self) -> tuple[_Row, ...]:
        """One row for each region."""
        return tuple(
            _Row(
                ceiling=r.ceiling,
                capacity_expected=r.capacity_expected,
                ceiling_sure=r.ceiling_sure,
                capacity_sure=r.capacity_sure,
                open_from=(1.0 if r.shared else FULLY_OPEN) * r.capacity_expected,
                surely_open_from=(FULLY_OPEN if _limit_found(r, nominal) else 1.0) * r.capacity_sure,
                good_share=_good_share(r),
                nominal=nominal,
                receives=r.receives(self.receiver_limit),
            )
            for r, nominal in zip(self.traffic.regions, self.nominal, strict=True)
        )

    @cached_property
    def demand_factor(self) -> float:
        """Demand for which what is carried is counted, over the forecast: of a split that of the floor, as its shares carry all that comes."""
        if not self.traffic.shared or self.traffic.forecast <= 0.0:
            return 1.0
        return max(1.0, self.floor / self.traffic.forecast)

    @property
    def tight(self) -> bool:
        """Whether all member regions together cannot carry what the floor demands, even if all ceilings were open."""
        return self.traffic.potential < self.floor

    @property
    def short(self) -> bool:
        """Whether receivers could not stay under their limit even if all ceilings were open."""
        return self.traffic.forecast > self.receiver_limit * self.traffic.potential or self.tight

    def serving(self, scalers: Sequence[float]) -> int:
        """Regions that are open and not dead."""
        return sum(1 for r, s in zip(self.traffic.regions, scalers, strict=True) if s > 0.0 and not r.dead)

    def ceilings(self, scalers: Sequence[float]) -> float:
        """Requests/s of target x scaler x healthy share over all members: the capacity as Google counts it."""
        parts: Iterable[float] = map(mul, scalers, self.nominal)
        return sum(parts)

    def surely_carried(self, scalers: Sequence[float]) -> float:
        """Requests/s that all open regions together are known to carry well.

        A ceiling above what a region was found to take is no capacity, so lowering it to that takes no capacity away. Where
        nothing was found, the whole target counts. Where not even the target is known, only what the region serves counts.
        """
        return sum(
            [
                (row.capacity_sure if s * row.ceiling_sure >= row.surely_open_from else s * row.ceiling_sure)
                * row.good_share
                for s, row in zip(scalers, self.rows, strict=True)
            ]
        )

    def carried(self, scalers: Sequence[float]) -> float:
        """Requests/s that all open regions together carry well.

        Where demand exceeds all ceilings, Google overfills them in proportion, so what a region carries is its share. Where weights
        share it out, that is always so, and it is counted for the demand of the floor.
        """
        opened = [s * row.ceiling for s, row in zip(scalers, self.rows, strict=True)]
        if self.traffic.shared or sum(opened) < self.traffic.forecast:
            opened = [load * self.demand_factor for load in self.traffic.flow(opened).loads]
        return sum(
            [
                (row.capacity_expected if o >= row.open_from else o) * row.good_share
                for o, row in zip(opened, self.rows, strict=True)
            ]
        )

    def against(self, before: Prediction) -> Requirements:
        """The constraints for sets that follow `before`."""
        return Requirements(
            constraints=self,
            before=before,
            serving_least=min(max(1, self.min_serving), self.serving(before.scalers)),
            ceilings_least=min(self.ceilings_floor, self.ceilings(before.scalers)),
            surely_least=min(self.floor, self.surely_carried(before.scalers)),
            carried_least=min(self.floor, self.carried(before.scalers)),
        )


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """The constraints for sets that follow `before`: what each must keep, and what a new set lacks of it."""

    constraints: Constraints
    before: Prediction
    serving_least: int
    ceilings_least: float
    surely_least: float
    carried_least: float

    def broken(
        self, scalers: Sequence[float], shed: Collection[str] = (), *, dead_drain: bool = False
    ) -> Violation | None:
        """The first constraint that these scalers break, or None.

        Args:
            scalers: In the order of the model's regions.
            shed: Regions that give load away: they receive none.
            dead_drain: True if only dead regions are drained.
        """
        found = self.broken_floor(scalers, dead_drain=dead_drain)
        if found is not None or dead_drain:
            return found
        return self._broken_receiver(scalers, shed)

    def broken_floor(self, scalers: Sequence[float], *, dead_drain: bool = False) -> Violation | None:
        """The first floor that these scalers break, or None: serving regions, ceilings, what is carried."""
        rules = self.constraints
        if self._closed_too_many(scalers) > 0:
            serving = rules.serving(scalers)
            code = "last-backend" if serving == 0 else "floor-regions"
            return Violation(code=code, numbers={"left": serving, "floor": max(1, rules.min_serving)})
        rounding = ROUNDING * rules.floor
        left = rules.ceilings(scalers)
        if left < self.ceilings_least - rounding:
            surely = rules.surely_carried(scalers)
            if surely < self.surely_least - rounding:
                return self._capacity(left, rules.ceilings(self.before.scalers))
        left = rules.carried(scalers)
        if left < self.carried_least - rounding and not dead_drain:
            return self._capacity(left, rules.carried(self.before.scalers))
        return None

    def closes_last(self, scalers: Sequence[float]) -> Violation | None:
        """The constraint that nobody may pass, or None: somebody stays open who is alive, where somebody is now."""
        rules = self.constraints
        if rules.serving(scalers) > 0 or rules.serving(self.before.scalers) == 0:
            return None
        return Violation(code="last-backend", numbers={"left": 0, "floor": max(1, rules.min_serving)})

    def _closed_too_many(self, scalers: Sequence[float]) -> int:
        """How many more regions would have to stay open."""
        if all(scalers):
            return 0
        closes_last = any(self.before.scalers) and not any(scalers)
        return max(self.serving_least - self.constraints.serving(scalers), 1 if closes_last else 0)

    def _capacity(self, after: float, before: float) -> Violation:
        numbers = {"after": after, "before": before, "floor": self.constraints.floor}
        return Violation(code="floor-capacity", numbers=numbers)

    def _broken_receiver(self, scalers: Sequence[float], shed: Collection[str]) -> Violation | None:
        """The violation if a receiver is pushed past its limit, or None; in a shortage a set that saves enough may do it."""
        rules = self.constraints
        after = rules.traffic.predict(scalers)
        if rules.short and after.bad < self.before.bad * (1.0 - rules.margin):
            return None
        for load, was, row, region in zip(
            after.flow.loads, self.before.flow.loads, rules.rows, rules.traffic.regions, strict=True
        ):
            if region.name in shed or load <= was * SAME_LOAD_FACTOR + ROUNDING:
                continue
            if load > row.receives * SAME_LOAD_FACTOR:
                numbers: dict[str, object] = {
                    "receiver": region.name,
                    "load": load,
                    "capacity": region.capacity_expected,
                    "limit": rules.receiver_limit,
                }
                return Violation(code="receiver-limit", numbers=numbers)
        return None

    def price(self, prediction: Prediction, pushed_price: float) -> float:
        """The score of a prediction, plus what it lacks of the floors at `BREACH_PRICE` and its pushed load at `pushed_price`.

        The sums are those of `broken_floor`, taken in one pass because the search needs them hundreds of times.

        Args:
            prediction: Of a set of scalers.
            pushed_price: Bad requests/s that one request/s past a receiver's limit is worth.
        """
        ceilings, surely, carried = self.ceilings_least, self.surely_least, self.carried_least
        pushed, overfilled = 0.0, prediction.flow.overfilled
        factor = self.constraints.demand_factor
        for scaler, load, was, row in zip(
            prediction.scalers,
            prediction.flow.loads,
            self.before.flow.loads,
            self.constraints.rows,
            strict=True,
        ):
            (
                ceiling,
                capacity_expected,
                ceiling_sure,
                sure,
                open_from,
                sure_from,
                good_share,
                nominal,
                receives,
            ) = row
            opened = scaler * ceiling
            ceilings -= scaler * nominal
            part = scaler * ceiling_sure
            surely -= (sure if part >= sure_from else part) * good_share
            if overfilled:
                opened = load * factor
            carried -= (capacity_expected if opened >= open_from else opened) * good_share
            if load > receives and load > was * SAME_LOAD_FACTOR:
                pushed += load - receives
        lacking = max(0.0, min(ceilings, surely)) + max(0.0, carried)
        closed = self._closed_too_many(prediction.scalers)
        if closed > 0:
            lacking += closed * max(1.0, self.constraints.traffic.forecast)
        return prediction.score + BREACH_PRICE * lacking + pushed_price * pushed

    def refilled(self, scalers: list[float]) -> list[float]:
        """The scalers with as much of the cuts taken back as the floor of ceilings demands.

        Cuts of regions whose capacity is only assumed come first, then those of proven ones; in each group the deepest comes first.
        """
        rules, nominal = self.constraints, self.constraints.nominal
        lacking = self.ceilings_least - rules.ceilings(scalers)
        if lacking > 0.0:
            lacking = min(lacking, self.surely_least - rules.surely_carried(scalers))
        if lacking <= 0.0:
            return scalers
        scalers = list(scalers)
        cuts = [
            (not region.proven, (now - scalers[i]) * nominal[i], i)
            for i, (region, now) in enumerate(zip(rules.traffic.regions, self.before.scalers, strict=True))
            if now > scalers[i] and nominal[i] > 0.0
        ]
        for _, cut, i in sorted(cuts, reverse=True):
            back = min(cut, lacking)
            opened = ceil((scalers[i] + back / nominal[i]) * 100.0 - 1e-6) / 100.0
            scalers[i] = min(1.0, max(SCALER_FLOOR, opened))
            lacking -= back
            if lacking <= 0.0:
                break
        return scalers

    def pushed(self, prediction: Prediction) -> list[tuple[int, float]]:
        """(index, scaler that caps it at its limit) of each receiver that is pushed past its limit."""
        return [
            (i, hundredths(row.receives / row.ceiling))
            for i, (load, was, row) in enumerate(
                zip(prediction.flow.loads, self.before.flow.loads, self.constraints.rows, strict=True)
            )
            if load > row.receives and load > was * SAME_LOAD_FACTOR and row.ceiling > 0.0
        ]
