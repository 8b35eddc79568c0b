"""What a set of ceilings does: load, bad requests, travel and cost of each region after the dead time.

The same waterfall that Google documents is poured with the demand that is expected then. Moves in flight count as made,
because the ceilings it starts from are the wanted ones.

The least that any set of ceilings could leave bad: a proof of how near to the best an answer is.

It pours the forecast into the regions best first, as if clients had no distance and each region could be given any load: the
fractional knapsack (Dantzig 1957), exact for parts whose worth only falls with the load. Real ceilings can do no better, for
whatever they lead to is one such pouring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from spillway.core.model.waterfall import Flow, Origins, pour, share_out
from spillway.core.values.topology import RegionName

OVERLOAD_SECONDS = 600.0
"""Seconds over which an overload is judged: past full, the backlog grows until every answer is late."""

KNEE_SHARE = 0.92
"""Share of the capacity up to which waiting does not show; many servers share one queue (Erlang C, large c)."""

PROVEN_KNEE_SHARE = 0.85
"""The same where the capacity was read off a saturated region: that reading is good to some percent. A ceiling above it takes nothing
away."""

KNEE_PRICE = 0.15
"""Share of bad requests at exactly full: demand swings by some percent around its mean."""

UNPROVEN_PRICE = 0.002
"""The same where the capacity is only the configured target, which operators choose with room to spare."""

UNPROVEN_BAND = 0.15
"""Share of a target over which it turns from surely fine to surely too much."""

TRAVEL_PRICE = 0.002
"""Bad requests that one second of travel for one request is worth: latency decides between equals."""

COST_PRICE = 0.0005
"""Bad requests that one unit of cost for one request is worth: cost decides after latency."""

LOSS_PRICE = 0.02
"""Bad requests/s that one request/s without a place after the loss of the largest region is worth (N-1)."""

CLOSED_PRICE = 0.0002
"""Bad requests/s that one request/s of closed ceiling is worth: without a reason ceilings go back to 1."""

SAVING_NOISE_SHARE = 0.0005
"""Share of the demand below which a difference in what is expected to be bad is the model's own grain: what worsens by less is put back, or
opened again."""

TROUBLE_SHARE = 0.02
"""Share of the demand from which what is bad is trouble, and no error of the model: nothing is restored then, an outside edit that makes so
much bad is put back, and a move that misses its promise by so much has disappointed. Below it a person's will is left alone for a dwell."""

UNBOUNDED = 1e12
"""Requests/s that stand for the ceiling and the capacity of a backend without a target: it takes what arrives until it is found to take
less. A finite figure keeps the sums of several such regions, and products with a scaler of 0, in arithmetic. It is shown to nobody."""

BLIND_LIMIT = 0.7
"""Share of its learned capacity up to which a region is given more while its samples are missing or thin."""


def bounded(rate: float) -> float | None:
    """A rate made of ceilings and capacities; None where some of them are not known (`UNBOUNDED`)."""
    return rate if rate < 1e-3 * UNBOUNDED else None


class Region(NamedTuple):
    """One region in the model. Rates in requests/s, times in seconds."""

    name: RegionName
    scaler: float
    """As wanted now; 0 for a backend that is no member."""
    ceiling: float
    """At scaler 1, with what failover threshold and auto-drain leave of it; `UNBOUNDED` where there is no target."""
    capacity: float
    """Load at which the SLO still holds, other services' load taken off."""
    slack: float
    """SLO latency less the service time."""
    bad: float
    """Share of requests that is bad at any load."""
    quota: float | None
    cost: float
    movable: bool
    fresh: bool
    """True if its own samples are fresh and plentiful enough to judge it."""
    dead: bool
    member: bool
    """True also for a closed backend without a scaler: what is a scaler of 0 elsewhere is no membership there."""
    idle: bool = False
    """True if it has no samples because nobody was sent there, and not because they are missing."""
    proven: bool = True
    """True if the capacity was learned from the region itself; False where it is the configured target."""
    capacity_nominal: float = 0.0
    """Capacity if all that was lost is back; weighted by `p_recovered`."""
    p_recovered: float = 0.0
    """Chance of that."""
    p_quota_lifted: float = 0.0
    """Chance that the quota is lifted."""
    p_reopened: float = 0.0
    """Chance that what a closed region was closed for is over; 0 for one that is open."""
    backlog: float = 0.0
    """Seconds of waiting that lie before a new request when a write takes effect; 0 where nothing is saturated."""
    only_seen: float | None = None
    """Requests/s that it serves, where its target is not known, because nobody has read yet how many endpoints it has: its ceiling
    is that of a typical region then. None where the target is known, and where there is none."""
    graded: bool = True
    """True if its lever has values between closed and open."""
    shared: bool = False
    """True if it gets its share of all requests by weight. No ceiling limits what comes then: `ceiling` is the load that it would have at
    scaler 1, with the others as they stand."""

    @property
    def lever_word(self) -> str:
        """What moves it, in a word."""
        return "weight" if self.shared else "ceiling"

    def lets_in(self, scaler: float) -> float:
        """Requests/s up to which the balancer sends it more at this scaler."""
        if self.shared:
            return UNBOUNDED if scaler > 0.0 else 0.0
        return scaler * self.ceiling

    @property
    def capacity_expected(self) -> float:
        """Capacity to be expected, in requests/s: between what was proven and what is hoped for."""
        return (
            self.capacity + self.p_recovered * (self.capacity_nominal - self.capacity)
            if self.p_recovered > 0.0
            else self.capacity
        )

    def receives(self, limit: float) -> float:
        """Requests/s up to which it may be given more: the share `limit` of what is likely to fit, and what is accepted of that.

        Less where it cannot be judged by its samples, unless it has none because it is idle. A quota that may be lifted by
        now counts by its chance, as in `bad_share`.
        """
        most = self.capacity_expected * (limit if self.fresh or self.idle else min(BLIND_LIMIT, limit))
        if self.quota is None or self.quota >= most:
            return most
        return self.quota + self.p_quota_lifted * (most - self.quota)

    @property
    def capacity_sure(self) -> float:
        """Capacity in requests/s without what is only assumed: a region of unknown size is sure to take only what it serves."""
        expected = self.capacity_expected
        return expected if self.only_seen is None else min(self.only_seen, expected)

    @property
    def ceiling_sure(self) -> float:
        """Ceiling in requests/s without what is only assumed.

        What a region of unknown size serves is all of its present ceiling: a cut takes its part of that away, a raise adds nothing.
        """
        if self.only_seen is None:
            return self.ceiling
        return self.capacity_sure / self.scaler if self.scaler > 0.0 else 0.0

    @property
    def capacity_confirmed(self) -> float:
        """Requests/s that surely fit: capacity and quota as proven last."""
        return self.capacity if self.quota is None else min(self.capacity, self.quota)

    @property
    def doubted(self) -> bool:
        """Whether something was found that the configured target does not tell."""
        return self.capacity_nominal > self.capacity or self.quota is not None

    def bad_share(self, load: float) -> float:
        """Share of `load` that is expected to be bad, over the next `OVERLOAD_SECONDS`."""
        if load <= 0.0:
            return 0.0
        if self.dead:
            return 1.0
        if self.quota is None:
            return 1.0 - self._good(load) / load
        accepted = min(load, self.quota)
        good = (1.0 - self.p_quota_lifted) * self._good(accepted)
        if self.p_quota_lifted > 0.0:
            good += self.p_quota_lifted * self._good(load)
        return 1.0 - good / load

    def _good(self, load: float) -> float:
        late = self._late(load, self.capacity, proven=self.proven)
        if self.p_recovered > 0.0 and late > 0.0:
            late += self.p_recovered * (self._late(load, self.capacity_nominal, proven=False) - late)
        return load * (1.0 - self.bad) * (1.0 - late)

    def _late(self, load: float, capacity: float, *, proven: bool) -> float:
        if capacity <= 0.0:
            return 1.0
        used = load / capacity
        before = 0.0
        if self.backlog > self.slack:
            # what waits is worked off by the rate that new requests leave over; they wait behind it
            before = (self.backlog - max(0.0, self.slack)) / max(1e-9, (1.0 - used) * OVERLOAD_SECONDS)
            if used >= 1.0 or before >= 1.0:
                return 1.0
        knee, full = (PROVEN_KNEE_SHARE, KNEE_PRICE) if proven else (KNEE_SHARE, UNPROVEN_PRICE)
        if used <= knee:
            return before
        price = full * ((min(used, 1.0) - knee) / (1.0 - knee)) ** 2
        if used <= 1.0:
            return max(before, price)
        late = max(price, 1.0 - min(1.0, max(0.0, self.slack) / ((used - 1.0) * OVERLOAD_SECONDS)))
        return late if proven else price + (late - price) * min(1.0, (used - 1.0) / UNPROVEN_BAND)


class Prediction(NamedTuple):
    """What is expected of one set of scalers."""

    scalers: tuple[float, ...]
    flow: Flow
    bad: float
    """Bad requests/s."""
    score: float
    """Bad requests/s with latency, N-1, cost and closed ceilings as small change."""

    def share(self, total: float) -> float:
        """Bad requests as a share of `total` requests/s."""
        return self.bad / total if total > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class TrafficModel:
    """One service, ready to be asked what would happen."""

    regions: tuple[Region, ...]
    origins: Origins
    demand: float
    """Requests/s now."""
    forecast: float
    """Requests/s one dead time from now; what `origins` add up to."""

    @cached_property
    def scalers(self) -> tuple[float, ...]:
        """The scalers as wanted now."""
        return tuple([r.scaler for r in self.regions])

    def index(self, region: RegionName) -> int:
        """Position of `region`.

        Raises:
            ValueError: it is not in the model.
        """
        for i, r in enumerate(self.regions):
            if r.name == region:
                return i
        raise ValueError(region)

    @cached_property
    def shared(self) -> bool:
        """Whether requests are shared out by weight."""
        return any(r.shared for r in self.regions)

    def flow(self, opened: Sequence[float]) -> Flow:
        """Where the forecast goes under these ceilings in requests/s; by weight they are no ceilings, and their ratios alone count."""
        return share_out(self.origins, opened) if self.shared else pour(self.origins, opened)

    def at_home(self) -> list[float]:
        """Requests/s of the forecast that come to each region first, if nothing is in the way."""
        if self.shared:
            return list(self.flow([r.ceiling for r in self.regions]).loads)
        homes = [0.0] * len(self.regions)
        for rate, order in zip(self.origins.rates, self.origins.orders, strict=True):
            homes[order[0]] += rate
        return homes

    @cached_property
    def potential(self) -> float:
        """Requests/s that all member regions could carry well with open ceilings; bad shares taken off."""
        return sum(
            [
                min(r.capacity_expected, r.lets_in(1.0)) * (1.0 - r.bad)
                for r in self.regions
                if r.member and not r.dead
            ]
        )

    def room(self, *, raised: bool = False) -> float:
        """Requests/s that the open regions carry well with the ceilings as they are, or once they are `raised`."""
        opened = [(r, r.lets_in(1.0 if raised else r.scaler)) for r in self.regions if r.scaler > 0.0]
        return sum([min(ceiling, r.capacity_expected) * (1.0 - r.bad) for r, ceiling in opened])

    def busier(self, factor: float) -> TrafficModel:
        """The same with every origin sending `factor` times as much."""
        return replace(
            self,
            origins=self.origins.scaled(factor),
            demand=factor * self.demand,
            forecast=factor * self.forecast,
        )

    @cached_property
    def base(self) -> Prediction:
        """What is expected under the scalers as wanted now."""
        return self.predict(self.scalers)

    def predict_with(self, index: int, scaler: float) -> Prediction:
        """What is expected if the region at `index` alone had another scaler."""
        now = self.scalers
        return self.predict((*now[:index], scaler, *now[index + 1 :]))

    @cached_property
    def _numbers(self) -> tuple[tuple[float, float, float, bool, bool, float, float, float], ...]:
        """(ceiling, capacity, cost, counts as room, only `bad` is bad up to the knee, 1 - bad, likely, what closing takes away) of each."""
        return tuple(
            [
                (
                    r.ceiling,
                    r.capacity,
                    r.cost,
                    r.member and not r.dead,
                    not r.dead and r.quota is None and r.capacity > 0.0 and r.backlog <= r.slack,
                    1.0 - r.bad,
                    r.capacity_expected,
                    r.ceiling if r.graded else self.forecast,
                )
                for r in self.regions
            ]
        )

    def predict(self, scalers: Sequence[float]) -> Prediction:
        """What is expected under these scalers."""
        numbers = self._numbers
        opened = [s * n[0] for s, n in zip(scalers, numbers, strict=True)]
        flow, shared = self.flow(opened), self.shared
        bad, cost, closed, room, largest = flow.unserved, 0.0, 0.0, 0.0, 0.0
        for i, (_, capacity, price, counts, plain, well, capacity_expected, taken) in enumerate(numbers):
            load = flow.loads[i]
            if load > 0.0:
                if plain and load / capacity <= PROVEN_KNEE_SHARE:
                    bad += load * (1.0 - load * well / load)
                else:
                    bad += load * self.regions[i].bad_share(load)
                cost += load * price
            if counts:
                part = min(opened[i], capacity_expected)
                if shared:
                    part = capacity_expected if scalers[i] > 0.0 else 0.0
                room += part
                largest = max(largest, part)
                closed += (1.0 - scalers[i]) * taken
        exposed = max(0.0, self.forecast - (room - largest))
        score = (
            bad
            + TRAVEL_PRICE * flow.travel
            + COST_PRICE * cost
            + LOSS_PRICE * exposed
            + CLOSED_PRICE * closed
        )
        return Prediction(scalers=tuple(scalers), flow=flow, bad=bad, score=score)


Part = tuple[float, float]
"""(Good answers for each request, requests/s up to which that lasts)."""


def least_bad(traffic: TrafficModel) -> float:
    """Bad requests/s of the forecast that remain under every set of ceilings, within the limits or not.

    Only what the model says of the regions goes in; membership and posture stay as they are.
    """
    parts = [p for r in traffic.regions if r.member and not r.dead and r.ceiling > 0.0 for p in parts_of(r)]
    left, good = traffic.forecast, 0.0
    for worth, width in sorted(parts, reverse=True):
        taken = min(left, width)
        good += worth * taken
        left -= taken
    return max(0.0, traffic.forecast - good)


def parts_of(region: Region) -> list[Part]:
    """What the region answers well, at most, as parts of falling worth; past the last one more load answers no more.

    Nothing is late up to `full`: there the backlog of a whole `OVERLOAD_SECONDS` is as long as the slack, and past it the answers in time
    become fewer with every request more, whether the capacity is proven or not (`Region._late`).
    """
    room = 1.0 + max(0.0, region.slack) / OVERLOAD_SECONDS
    full = room * region.capacity
    well = 1.0 - region.bad
    parts = [(well, full)]
    if region.p_recovered > 0.0 and region.capacity_nominal > region.capacity:
        parts.append((well * region.p_recovered, room * region.capacity_nominal - full))
    if region.quota is None:
        return parts
    return _below(parts, region.quota, region.p_quota_lifted)


def _below(parts: list[Part], quota: float, p_recovered: float) -> list[Part]:
    """The parts where what exceeds `quota` is refused, but for the chance that it is lifted."""
    cut = []
    for worth, width in parts:
        under = min(width, max(0.0, quota))
        quota -= under
        cut += [(worth, under), (worth * p_recovered, width - under)]
    return cut
