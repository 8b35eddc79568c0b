"""The service time of a region: its usual one (baseline), its present one, and how it changes from minute to minute.

    baseline  <- baseline + w (mean - baseline)      w by how far and in which direction the mean lies (`next_baseline`)
    service   <- service + SMOOTH (mean - service)   or the mean itself where it jumped beyond noise (`believed_at_once`)
    slope     <- slope + SLOPE (gain / period - slope)   while the mean rises minute by minute (`learn_latency`)
    slowness   = service / baseline, carried on along the slope where a leak is believed (`slowness`)

All times in seconds. A mean that is learned here is free of queueing: the caller has divided the delay out.
"""

from __future__ import annotations

from spillway.core.values.state import LatencyTrack

NEAR_BASELINE = 0.15
"""A mean latency this near to the baseline is the baseline: mixes of requests and sampling move it by as much."""

SMOOTH = 0.6
"""Weight of the newest minute in service time and base shares: two minutes carry 84 %."""

PLAIN = 500.0
PLAIN_STEP = 0.2
"""A jump by this much (of the ratio, or of the baseline) over this many answers is no noise: it is believed at once."""

RISING_MINUTES = 3
"""Minutes in a row from which a rise is believed: chance alone brings three such steps once in some hundred minutes."""

RISEN = 1.05
"""Mean latency over its baseline from which a rise is carried on: below it is the noise of quiet days."""

LEAKED = 1.5
"""Slowness up to which a rise is carried on; past it what is seen is bad enough to act on."""

RISE = 0.005
"""Least gain of the mean latency in a minute, over the baseline, that counts as rising."""

STEEPER = 5.0
"""Gain of a nearly full region's mean latency over its gains before from which it begins to queue: a leak is no faster than it was."""

SLOPE = 0.5
"""Weight of the newest minute in the slope."""

BASELINE_NEAR_DOWN, BASELINE_NEAR_UP = 0.05, 0.02
BASELINE_DOWN, BASELINE_UP = 0.3, 0.002
"""Weight of a minute in the baseline: near it, below and above; well below it (it was not low load before) and well above
(half-life of about six hours: a region that stays slow for a day is no longer slow but so). Up is slower, as a service time that
leaks upward by a percent a minute must not take the baseline along."""


def slowness(latency: LatencyTrack, ahead: float = 0.0) -> float:
    """Service time over its baseline, `ahead` seconds after the newest minute; what is within noise of it, or better, is 1."""
    if not latency.service_time or not latency.baseline:
        return 1.0
    ratio = latency.service_time / latency.baseline
    # a leak is carried on to the moment that is asked for, as long as it is not bad enough by itself
    risen = latency.rising >= RISING_MINUTES and latency.mean >= RISEN * latency.baseline
    if ahead > 0.0 and risen and ratio < LEAKED:
        return max(1.0, (latency.mean + latency.slope * ahead) / latency.baseline)
    return ratio if ratio > 1.0 + NEAR_BASELINE else 1.0


def is_near(mean: float, baseline: float) -> bool:
    """Whether this mean latency is the usual one, within noise."""
    return abs(mean - baseline) <= NEAR_BASELINE * baseline


def next_baseline(baseline: float, mean: float, *, nearly_full: bool) -> float:
    """The baseline after a minute; what had to wait for a slot tells nothing of the usual service time."""
    if nearly_full:
        return baseline
    near = is_near(mean, baseline)
    if mean < baseline:
        step = BASELINE_NEAR_DOWN if near else BASELINE_DOWN
    else:
        step = BASELINE_NEAR_UP if near else BASELINE_UP
    return baseline + step * (mean - baseline)


def believed_at_once(latency: LatencyTrack, mean: float, answers: float, baseline: float) -> bool:
    """Whether a minute's mean replaces the service time: it is the first, or a jump beyond noise over plenty of answers."""
    known = latency.service_time
    return known is None or (answers >= PLAIN and abs(mean - (known or mean)) > PLAIN_STEP * baseline)


def learn_latency(
    old: LatencyTrack,
    mean: float,
    baseline: float,
    period: float,
    *,
    at_once: bool,
    queued: bool,
    nearly_full: bool,
) -> LatencyTrack:
    """The track after an unsaturated minute.

    Args:
        old: Before.
        mean: Mean latency of the minute without queueing.
        baseline: As it is after this minute.
        period: Seconds of a sample.
        at_once: Whether the mean is believed without smoothing.
        queued: Whether part of the latency may be a queue that fills or drains; that is no rise of the service time.
        nearly_full: Whether the region was nearly full.
    """
    known = old.service_time
    service_time = mean if at_once or known is None else known + SMOOTH * (mean - known)
    gained = mean - old.mean
    # a nearly full region whose latency climbs much faster than before begins to queue
    queued = queued or (nearly_full and old.rising > 0 and gained > STEEPER * old.slope * period)
    if not old.mean or queued or gained < RISE * baseline or gained > NEAR_BASELINE * baseline:
        rising, slope = 0, 0.0
    else:
        slope = gained / period
        if old.rising:
            slope = old.slope + SLOPE * (slope - old.slope)
        rising = old.rising + 1
    return LatencyTrack(baseline=baseline, service_time=service_time, mean=mean, rising=rising, slope=slope)
