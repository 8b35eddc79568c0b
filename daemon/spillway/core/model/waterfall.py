"""Google's waterfall by region as a pure function: nearest first, preferred first, ceilings, proportional overfill.

Sources: reference/gcp.md 2.1 to 2.3 (BS, SLP, CAP). Everything at or above its ceiling shares the excess so that all
regions have the same relative overload, staying as local as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Demand by where it comes from, with the order in which each origin tries the regions."""

    rates: tuple[float, ...]
    """Requests/s of each origin."""
    orders: tuple[tuple[int, ...], ...]
    """For each origin, all region indices: preferred ones first, then by distance."""
    round_trips: tuple[tuple[float, ...], ...]
    """Seconds from each origin to each region."""

    @property
    def total(self) -> float:
        """Requests/s of all origins."""
        return sum(self.rates)

    def scaled(self, factor: float) -> Origins:
        """The same with every rate multiplied."""
        return Origins(
            rates=tuple(r * factor for r in self.rates), orders=self.orders, round_trips=self.round_trips
        )


class Flow(NamedTuple):
    """Where the demand ends up."""

    loads: tuple[float, ...]
    """Requests/s at each region."""
    travel: float
    """Sum of requests/s x round trip in seconds."""
    unserved: float
    """Requests/s that no region takes: every ceiling is 0."""
    overfilled: bool
    """True where the loads are no longer those that the ceilings let in; always where weights share them out."""


def share_out(origins: Origins, weights: Sequence[float]) -> Flow:
    """Distribute the demand of `origins` in proportion to weights, wherever it comes from: a URL map knows no distance and no ceiling."""
    total, whole = origins.total, sum(weights)
    if whole <= _EPSILON:
        return Flow(loads=(0.0,) * len(weights), travel=0.0, unserved=total, overfilled=total > 0)
    shares = [weight / whole for weight in weights]
    travel = sum(
        rate * share * trip
        for rate, trips in zip(origins.rates, origins.round_trips, strict=True)
        for share, trip in zip(shares, trips, strict=True)
    )
    return Flow(loads=tuple([total * s for s in shares]), travel=travel, unserved=0.0, overfilled=True)


def pour(origins: Origins, ceilings: Sequence[float]) -> Flow:
    """Distribute the demand of `origins` over regions with these ceilings in requests/s.

    Each round every origin offers what is left of it to its next region; a region with too little room takes the same
    share of each offer. What is offered first is served first, so neighbours go before strangers.
    """
    total, room_all = origins.total, sum(ceilings)
    count = len(ceilings)
    if room_all <= _EPSILON:
        return Flow(loads=(0.0,) * count, travel=0.0, unserved=total, overfilled=total > 0)
    overfilled = total > room_all
    factor = total / room_all if overfilled else 1.0
    room = [c * factor for c in ceilings]
    loads = [0.0] * count
    travel = 0.0
    orders, round_trips = origins.orders, origins.round_trips
    pending = [(rate, i) for i, rate in enumerate(origins.rates) if rate > _EPSILON]
    for rank in range(count):
        if not pending:
            break
        # after the first round few origins are left, so only the regions that they come to are looked at
        wanted: dict[int, float] = {}
        for rate, i in pending:
            region = orders[i][rank]
            wanted[region] = wanted.get(region, 0.0) + rate
        share = {
            r: 0.0 if room[r] <= _EPSILON else 1.0 if w <= room[r] else room[r] / w for r, w in wanted.items()
        }
        left = []
        for rate, i in pending:
            region = orders[i][rank]
            part = share[region]
            if part > 0.0:
                taken = rate * part
                loads[region] += taken
                room[region] -= taken
                travel += taken * round_trips[i][region]
                rate -= taken  # noqa: PLW2901 - what is left goes on to the next region
            if rate > _EPSILON:
                left.append((rate, i))
        pending = left
    _settle(pending, loads, ceilings)
    return Flow(loads=tuple(loads), travel=travel, unserved=0.0, overfilled=overfilled)


def _settle(pending: list[tuple[float, int]], loads: list[float], ceilings: Sequence[float]) -> None:
    """Give the crumbs of rounding to the open regions in proportion, so that nothing is lost."""
    crumbs = sum(rate for rate, _ in pending)
    if crumbs > 0.0:
        room_all = sum(ceilings)
        for region, ceiling in enumerate(ceilings):
            loads[region] += crumbs * ceiling / room_all
