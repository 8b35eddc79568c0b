"""The hours of the day: how demand of a place usually grows from one to the next, learned from the days that were seen.

    growth[h] <- growth[h] + w (ln(mean of hour h / mean of the hour before) - growth[h])      w = 1 / days seen, `DAYS_MOST` at most
    swing[h]  <- the same mean of its absolute deviation
    rise       = exp(integral over the hours ahead of max(0, |growth| - SWINGS_DEDUCTED x swing) with its sign), and never below 1

What grew from one hour to the next is taken as the way from the middle of the one to that of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import exp, log

from spillway.core.values.policy import HOUR
from spillway.core.values.state import DayMemory, OriginMemory

HOURS = 24

FULL_HOUR = 30
"""Minutes that an hour's mean takes at least."""

STEEPEST = 4.0
"""Largest growth in an hour that is learned, and smallest as its inverse: more is an outage or its end."""

DAYS_LEAST = 2
"""Days on which an hour must have been seen before anything is expected of it: once is no habit."""

DAYS_MOST = 5
"""Days over which the mean runs: a change of habit is learned within a week."""

SWINGS_DEDUCTED = 2.0
"""Mean deviations from day to day by which a growth must exceed nothing; only what goes beyond them is expected. For a normal
distribution that leaves one in twenty to chance (1.6 standard deviations)."""

MOST_PLACES = 12
"""Places that are followed: there are fewer continents."""


def follow_days(
    days: tuple[DayMemory, ...], origins: Iterable[OriginMemory], end: float
) -> tuple[DayMemory, ...]:
    """The remembered days after one more minute of demand, which ended at UTC second `end`; sorted by place."""
    levels: dict[str, float] = {}
    for origin in origins:
        levels[origin.place] = levels.get(origin.place, 0.0) + origin.level
    known = {day.place: day for day in days}
    for place in sorted(levels):
        if place in known or len(known) < MOST_PLACES:
            day = known.get(place) or DayMemory(place=place)
            known[place] = _with_minute(day, levels[place], int((end - 1.0) // HOUR))
    return tuple([known[place] for place in sorted(known)])


def _with_minute(day: DayMemory, rate: float, hour: int) -> DayMemory:
    # 1. The hour still runs.
    if hour == day.hour:
        return replace(day, rates=day.rates + rate, minutes=day.minutes + 1)
    # 2. It is over, but too little was seen of it, or the clock went back.
    if day.minutes < FULL_HOUR or hour < day.hour:
        return replace(day, hour=hour, rates=rate, minutes=1, before=0.0)
    # 3. It is over and known: its growth is learned.
    day, mean = _learned(day), day.rates / day.minutes
    return replace(day, hour=hour, rates=rate, minutes=1, before=mean if hour == day.hour + 1 else 0.0)


def _learned(day: DayMemory) -> DayMemory:
    """With the hour that has just ended held against the one before it."""
    mean = day.rates / day.minutes
    if day.before <= 0.0 or mean <= 0.0:
        return day
    grown = log(min(STEEPEST, max(1.0 / STEEPEST, mean / day.before)))
    k = day.hour % HOURS
    growth, swing, seen = (
        [*(day.growth or (0.0,) * HOURS)],
        [*(day.swing or (0.0,) * HOURS)],
        [*(day.seen or (0,) * HOURS)],
    )
    off = abs(grown - growth[k])
    if seen[k] == 0:
        growth[k] = round(grown, 4)
    else:
        weight = 1.0 / min(seen[k] + 1, DAYS_MOST)
        growth[k] = round(growth[k] + weight * (grown - growth[k]), 4)
        swing[k] = round(off if seen[k] == 1 else swing[k] + weight * (off - swing[k]), 4)
    seen[k] = min(DAYS_MOST, seen[k] + 1)
    return replace(day, growth=tuple(growth), swing=tuple(swing), seen=tuple(seen))


def rise(day: DayMemory, at: float, seconds: float) -> float:
    """Demand `seconds` after UTC second `at` over the demand then, by habit; never below 1.

    A rise is prepared for; of a fall nothing is believed before it comes.
    """
    if not day.seen:
        return 1.0
    total, now, end = 0.0, at, at + seconds
    while now < end:
        # what grew from one hour to the next is the way from the middle of the one to that of the other
        slot = int((now + HOUR / 2) // HOUR)
        until = min(end, slot * HOUR + HOUR / 2)
        k = slot % HOURS
        if day.seen[k] >= DAYS_LEAST:
            sure = max(0.0, abs(day.growth[k]) - SWINGS_DEDUCTED * day.swing[k])
            total += (sure if day.growth[k] > 0.0 else -sure) * (until - now) / HOUR
        now = until
    return max(1.0, exp(total))
