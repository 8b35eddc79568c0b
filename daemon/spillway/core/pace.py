"""The pace of a region: its usual one, and how it changes from minute to minute."""

from __future__ import annotations

from typing import Any

from spillway.core.belief import CALM
from spillway.core.memory import Estimate

SUDDEN = 1.3
"""Mean latency over its baseline, reached within a minute, that may be want of slots."""

RISE = 0.005
"""Least gain of the mean latency in a minute, over the baseline, that counts as rising."""

STEEPER = 5.0
"""Gain of a nearly full region's mean latency over its gains before from which it begins to queue: a leak is no faster than it was."""

SLOPE = 0.5
"""Weight of the newest minute in the slope."""

BASELINE_CALM, BASELINE_CALM_UP = 0.05, 0.02
BASELINE_DOWN, BASELINE_UP = 0.3, 0.002
"""Weight of a minute in the baseline: near it, below and above; well below it (it was not low load before) and well above
(half-life of about six hours: a region that stays slow for a day is no longer slow but so). Up is slower, as a service time that
leaks upward by a percent a minute must not take the baseline along."""


def sudden(old: Estimate, mean: float, baseline: float) -> bool:
    """Whether it became slow from one minute to the next: for want of slots, or because each request takes longer."""
    return 0.0 < old.mean <= (1.0 + CALM) * baseline and mean >= SUDDEN * baseline


def usual_pace(baseline: float, mean: float, *, crowded: bool) -> float:
    """The baseline after a minute; what had to wait for a slot tells nothing of the usual pace."""
    if crowded:
        return baseline
    near = abs(mean - baseline) <= CALM * baseline
    if mean < baseline:
        step = BASELINE_CALM if near else BASELINE_DOWN
    else:
        step = BASELINE_CALM_UP if near else BASELINE_UP
    return baseline + step * (mean - baseline)


def learn_slope(
    old: Estimate, new: Any, mean: float, usual: float, period: float, *, queued: bool, crowded: bool
) -> None:
    """A service time that rises from minute to minute; a queue that fills or drains is none. `new` is the draft."""
    gained = mean - old.mean
    queued = queued or (crowded and old.rising > 0 and gained > STEEPER * old.slope * period)
    new.mean = mean
    if not old.mean or queued or gained < RISE * usual or gained > CALM * usual:
        new.rising, new.slope = 0, 0.0
        return
    slope = gained / period
    new.rising = old.rising + 1
    new.slope = slope if old.rising == 0 else old.slope + SLOPE * (slope - old.slope)
