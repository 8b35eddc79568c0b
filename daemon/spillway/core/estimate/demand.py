"""Where demand comes from, and how much of it is to be expected.

While no region is full, what a place sends to a region is what it would send there first. Once ceilings bind, part of
it shows up elsewhere: the place's total is still true, and the shares remembered from before say whose it is.

    level    <- level + w (rate - level)              w = LEVEL, or 1 for a jump beyond noise           `follow`
    trend    <- trend + TREND (slope - trend)         Holt's linear method, damped (Gardner 1985)
    forecast  = level + trend x reach beyond noise, reach = damping x t / (damping + t), inside bounds   `forecast`
    onset     = growth of all places within one minute beyond noise and chance: a surge begins           `onset_demand`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import exp, sqrt

from spillway.core.estimate.daytime import rise
from spillway.core.values.state import OriginMemory, ServiceMemory
from spillway.core.values.units import RegionName

LEVEL = 0.5
"""Weight of the newest window in an origin's level."""

JUMP = 0.15
"""Change of an origin's rate, as a share of its level, that is believed at once: three standard deviations of what swings from
minute to minute."""

TREND = 0.3
"""Weight of the newest slope in its trend (Holt's linear method)."""

TREND_NOISE = 0.05
"""Share of the level that a trend must promise at least; only what goes beyond it is forecast. Demand swings by as much from
minute to minute, and a trend that is noise moves the one region at the margin by far more."""

DAMPING_SECONDS = 600.0
"""A trend is believed for about this long (damping: E. S. Gardner, J. Forecasting 4, 1985)."""

TREND_DEAD_TIMES = 2.0
"""Dead times of demand that a trend must have behind it: what is seen of the first one may be the beginning of the service."""

SLOW_SECONDS = 1800.0
"""Time constant of the slow average of demand: longer than holes and garbage in the metrics last as a rule, shorter than a day's rise."""

ONSET = 0.1
"""Growth of all demand from one minute to the next that is the beginning of a surge, besides what chance brings."""

CHANCE = 3.0
"""Standard deviations of a minute's count, which is a Poisson number at best, that chance is granted."""

ONSET_BOUND = 2.0
"""A surge whose first minute is all that was seen is not believed to more than double the demand."""

GROWTH_BOUND = 1.2
SHRINK_BOUND = 0.8
"""No forecast leaves this band around what was last seen."""

SMALLEST_SHARE = 0.002
"""Origins below this share of the total are dropped."""

ONE_PLACE = ""
"""The place of all clients where Monitoring does not tell places apart."""

Rates = Mapping[str, Mapping[RegionName, float]]
"""Requests/s by place and serving region."""


NextOf = Callable[[str, RegionName], tuple[RegionName, ...]]
"""The regions that clients of a place try after their home, nearest first."""


def attribute(
    origins: tuple[OriginMemory, ...], seen: Rates, full: frozenset[RegionName], next_of: NextOf
) -> dict[tuple[str, RegionName], float]:
    """Requests/s by (place, home region), from what each place sent where.

    Args:
        origins: What is remembered.
        seen: What was observed.
        full: Regions at their ceiling, closed or lost: part of their demand went elsewhere.
        next_of: Spill order.
    """
    if not full:
        return _without_small(
            {(place, home): rate for place, row in seen.items() for home, rate in row.items()}
        )
    found: dict[tuple[str, RegionName], float] = {}
    known = {o.place for o in origins}
    for place, row in seen.items():
        prior = {o.home: o.level for o in origins if o.place == place}
        if not prior and ONE_PLACE in known:
            prior = {o.home: o.level for o in origins if o.place == ONE_PLACE}
        for home, rate in _of_place(place, row, prior, full, next_of).items():
            found[place, home] = rate
    return _without_small(found)


def _without_small(
    found: dict[tuple[str, RegionName], float],
) -> dict[tuple[str, RegionName], float]:
    floor = SMALLEST_SHARE * sum(found.values())
    return {key: rate for key, rate in found.items() if rate > floor}


def _of_place(
    place: str,
    row: Mapping[RegionName, float],
    prior: dict[RegionName, float],
    full: frozenset[RegionName],
    next_of: NextOf,
) -> dict[RegionName, float]:
    total, before = sum(row.values()), sum(prior.values())
    if before <= 0.0 or total <= 0.0 or not any(home in full for home in prior):
        return dict(row)
    # 1. What each home would have first, if the place had its total now and its shares of before.
    scaled = {home: rate * total / before for home, rate in prior.items()}
    # 2. What full regions have less than that went on, in spill order, to regions that have more than their own.
    inflow: dict[RegionName, float] = {}
    for home in sorted(full):  # the order of a set changes from process to process
        excess = max(0.0, scaled.get(home, 0.0) - row.get(home, 0.0))
        for receiver in next_of(place, home):
            if receiver == home:
                continue
            # the same clients do not go away because others come: what it used to get first is its own
            owned = inflow.get(receiver, 0.0) + scaled.get(receiver, 0.0)
            taken = min(excess, max(0.0, row.get(receiver, 0.0) - owned))
            inflow[receiver] = inflow.get(receiver, 0.0) + taken
            excess -= taken
            if excess <= 0.0:
                break
    # 3. Regions that are not full keep what is left to them; the rest is the full ones', by their shares of before.
    own = {r: max(0.0, rate - inflow.get(r, 0.0)) for r, rate in row.items() if r not in full}
    rest = max(0.0, total - sum(own.values()))
    weights = {home: scaled.get(home, 0.0) for home in sorted(full)}
    weight = sum(weights.values())
    if weight <= 0.0:
        return dict(row)
    return {**own, **{home: rest * w / weight for home, w in weights.items() if w > 0.0}}


def follow(
    origins: tuple[OriginMemory, ...],
    found: Mapping[tuple[str, RegionName], float],
    elapsed: float,
) -> tuple[OriginMemory, ...]:
    """The remembered origins after one more window, `elapsed` seconds after the last; sorted."""
    old = {(o.place, o.home): o for o in origins}
    places = {place for place, _ in found}
    merged = []
    for key in sorted({*found, *(k for k in old if k[0] in places)}):
        rate = found.get(key, 0.0)
        before = old.get(key)
        if before is None or elapsed <= 0.0:
            merged.append(OriginMemory(place=key[0], home=key[1], level=rate))
            continue
        # a jump beyond noise is believed at once, all else by half
        jumped = abs(rate - before.level) > JUMP * before.level
        weight = 1.0 if jumped else LEVEL
        level = before.level + weight * (rate - before.level)
        slope = (level - before.level) / elapsed
        trend = before.trend + TREND * (slope - before.trend)
        merged.append(
            OriginMemory(
                place=before.place,
                home=before.home,
                level=level,
                trend=trend,
                onset=(rate - before.level) / elapsed,
            )
        )
    if not merged:
        return origins
    floor = SMALLEST_SHARE * sum(o.level for o in merged)
    return tuple(o for o in merged if o.level > floor)


def slow_average(before: float, origins: Iterable[OriginMemory], elapsed: float, *, may_fall: bool) -> float:
    """Requests/s of all origins together, smoothed slowly, `elapsed` seconds after `before`; the first level seen is the average."""
    level = sum([o.level for o in origins])
    if before <= 0.0 or elapsed <= 0.0:
        return level
    # while some region cannot be seen, nothing is believed to be gone
    if level < before and not may_fall:
        return before
    return before + (1.0 - exp(-elapsed / SLOW_SECONDS)) * (level - before)


def forecast(origin: OriginMemory, seconds: float) -> float:
    """Requests/s expected `seconds` after the newest sample, with a damped trend, inside the bounds."""
    level, gain = origin.level, origin.trend * _reach(seconds)
    noise = TREND_NOISE * level  # only what a trend promises beyond it counts
    if -noise <= gain <= noise:
        return level
    expected = level + (gain - noise if gain > noise else gain + noise)
    return min(GROWTH_BOUND * level, max(SHRINK_BOUND * level, expected))


def _reach(seconds: float) -> float:
    """Seconds of undamped growth that are worth `seconds` of a growth that is believed less and less."""
    return DAMPING_SECONDS * seconds / (DAMPING_SECONDS + seconds)


def onset_demand(origins: Iterable[OriginMemory], seconds: float) -> float:
    """Requests/s of all origins together `seconds` after the newest sample, if that is the first minute of a surge; otherwise 0.

    What one place gains and another loses in the same minute is traffic that moves, and no surge.
    """
    level = onset = 0.0
    for origin in origins:
        level += origin.level
        onset += origin.onset
    if onset * 60.0 < ONSET * level + CHANCE * sqrt(level / 60.0):  # both of a minute
        return 0.0
    return min(ONSET_BOUND * level, level + onset * _reach(seconds))


def trend_known(memory: ServiceMemory, dead_time: float) -> bool:
    """Whether demand has been seen for long enough to tell a trend from its own beginning.

    The first minutes of a service rise from nothing, and that rise is no trend.

    Args:
        memory: With the first and the newest minute of demand.
        dead_time: Seconds from a decision to its visible effect.
    """
    return memory.origins_at - memory.demand_since >= TREND_DEAD_TIMES * dead_time


def expected(
    memory: ServiceMemory, origins: Iterable[OriginMemory], seconds: float, dead_time: float
) -> list[float]:
    """Requests/s of each origin `seconds` after the newest minute: by its trend or by the habit of its place, whichever is more.

    Until a trend is known (`trend_known`), by its level or by the habit.
    """
    rises = {day.place: rise(day, memory.origins_at, seconds) for day in memory.days}
    known = trend_known(memory, dead_time)
    return [
        max(forecast(o, seconds) if known else o.level, o.level * rises.get(o.place, 1.0)) for o in origins
    ]
