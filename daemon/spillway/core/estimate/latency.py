"""How long the answers of a region take: its service time, and what its queue adds.

The service time: its usual one (baseline), its present one, and how it changes from minute to minute.

    baseline  <- baseline + w (mean - baseline)      w depends on distance and direction (`next_baseline`)
    service   <- service + SMOOTH (mean - service)   or the mean itself where it jumped beyond noise (`believed_at_once`)
    slope     <- slope + SLOPE (gain / period - slope)   while the mean rises minute by minute (`learn_latency`)
    slowness   = service / baseline, extrapolated along the slope where a leak is believed (`slowness`)

All times are in seconds. A leak is a service time that rises minute by minute. The means that are learned here contain no queueing by chance:
the caller has divided it out.

The queue: how long requests wait by chance, how many slots that shows, and what comes in while they wait. The model of a region is a queue with
c servers, also called slots (`concurrency`: the requests that it can work on at a time). The share rho of them is busy. Service times are log-normal with the
squared coefficient of variation `SCV`, and their mean is S.

Waiting by chance, M/G/c (H. Sakasegawa, Ann. Inst. Stat. Math. 29, 1977):

    Wq / S = (1 + SCV) / 2 x rho^(sqrt(2 (c + 1)) - 1) / (c (1 - rho))        `queueing_delay` is 1 + Wq / S

What the servers could answer while time-outs cut off a standing queue, with z the normal quantile of p = answered / (answered + failed)
and s^2 = ln(1 + SCV):

    offered = (answered + failed) x (Phi(z - s) + (1 - p) exp(z s - s^2 / 2))  `offered_capacity`

The formula follows from the time-out. A request that waited nearly until its time-out holds a slot for the rest y. It is answered if its
service time S is shorter: the share p = P(S <= y) of them. All slots together do the work (answered + failed) x E[min(S, y)] in a second.
Divided by E[S], this work is a rate of answers.

Arrivals where requests wait for long, first come, first served: the requests in work are those that came in while the request that is
answered now waited (Little's law).

    in_work  = arrivals x latency
    filling  = (in_work - in_work of the minute before) / elapsed / answers      bounded by `MOST_FILLING_SHARE`
    arrivals <- arrivals + w (answers x (1 + filling) - arrivals)                w = min(1, LONG_LATENCY / latency)

`in_work` uses the arrivals of the minutes before, because what is answered in an overload arrived before its minute.
"""

from __future__ import annotations

from math import exp, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from spillway.core.values.state import ArrivalTrack, ConcurrencyTrack, LatencyTrack

NEAR_BASELINE = 0.15
"""Distance of a mean latency from the baseline, as a share, up to which it is noise: the mix of requests and sampling move it by as much."""

SMOOTH = 0.6
"""Weight of the newest minute in the service time, the served rate and the shares of `FailureTrack`: two minutes carry 84 %."""

JUMP_ANSWERS = 500.0
JUMP_SHARE = 0.2
"""Answers of a minute, and change of a ratio (or of a mean, as a share of the baseline), from which a jump is no noise: it is believed at
once."""

LASTING_MINUTES = 3
"""Minutes in a row from which a rising latency is a leak, and a steady high one is slowness. Chance alone brings three rises once in some
hundred minutes, and a queue that drains is gone by then."""

RISEN = 1.05
"""Mean latency over its baseline from which a rise is extrapolated; below it is noise."""

LEAKED = 1.5
"""Slowness up to which a rise is extrapolated; beyond it the present latency is bad enough to act on."""

RISE = 0.005
"""Least gain of the mean latency in a minute, over the baseline, that counts as rising."""

STEEPER = 5.0
"""Gain of the mean latency of a nearly full region, over its slope before, from which the region begins to queue: a leak keeps its slope."""

SLOPE = 0.5
"""Weight of the newest minute in the slope."""

BASELINE_NEAR = (0.05, 0.02)
BASELINE_FAR = (0.3, 0.002)
"""Weights of a minute in the baseline, as (mean below it, mean above it), for a mean near the baseline and for one far from it.

Far below: the load was not low before. Far above: half-life of about six hours, as what stays slow for a day is usual. Upward is slower than
downward, because a service time that rises by a percent a minute must not raise the baseline."""


def slowness(latency: LatencyTrack, ahead: float = 0.0) -> float:
    """Service time over its baseline, `ahead` seconds after the newest minute; 1 where it is faster, or slower by no more than noise."""
    if not latency.service_time or not latency.baseline:
        return 1.0
    ratio = latency.service_time / latency.baseline
    # a leak is extrapolated to the moment that is asked for, until it is bad enough by itself
    risen = latency.rising >= LASTING_MINUTES and latency.mean >= RISEN * latency.baseline
    if ahead > 0.0 and risen and ratio < LEAKED:
        return max(1.0, (latency.mean + latency.slope * ahead) / latency.baseline)
    return ratio if ratio > 1.0 + NEAR_BASELINE else 1.0


def is_near(mean: float, baseline: float) -> bool:
    """Whether this mean latency is the usual one, within noise."""
    return abs(mean - baseline) <= NEAR_BASELINE * baseline


def next_baseline(baseline: float, mean: float, *, nearly_full: bool) -> float:
    """The baseline after a minute; a nearly full region leaves it as it is, because requests may have waited for a slot."""
    if nearly_full:
        return baseline
    below, above = BASELINE_NEAR if is_near(mean, baseline) else BASELINE_FAR
    step = below if mean < baseline else above
    return baseline + step * (mean - baseline)


def believed_at_once(latency: LatencyTrack, mean: float, answers: float, baseline: float) -> bool:
    """Whether a minute's mean replaces the service time: it is the first, or a jump beyond noise over plenty of answers."""
    known = latency.service_time
    return known is None or (answers >= JUMP_ANSWERS and abs(mean - (known or mean)) > JUMP_SHARE * baseline)


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


SCV = 0.35
"""Squared coefficient of variation of service times: log-normal with a p95 of two and a half times the median."""

NO_SHARE = 1e-4
"""Share of the answers, or of the failures, that counts as none."""

_NORMAL, _SIGMA = NormalDist(), sqrt(log(1.0 + SCV))

MOST_UTILISATION = 0.97
"""Largest share of the slots in use for which waiting by chance is computed; the formula has no limit at 1."""

NEARLY_FULL = 0.85
"""Share of the known slots in use from which a region is nearly full: if requests do not wait then, there are more slots."""

DELAY_NOISE = 0.025
"""Noise of the mean latency over `DELAY_MINUTES`, as a share of the baseline: three standard deviations of a sampled mean."""

DELAY_WEIGHT = 0.3
"""Weight of the newest minute in the latency of a region that is nearly full."""

DELAY_MINUTES = 4
"""Minutes nearly full before that latency proves anything."""

SATURATED_USE = 0.92
"""Share of the known slots in use from which a longer latency means that slots are short, and not that they are slow."""

SATURATED_DELAY = 0.08
"""Mean latency above the one that chance explains, as a share of the baseline, from which slots are short."""

RECOVERED = 1.15
"""Slots, over those that were found when it was saturated, from which that loss is over: no reading is so far off."""

FULLEST = 0.995
"""Largest share of the slots in use that the mean of a minute can show."""

HALVINGS = 10
"""Steps of the bisection for the number of slots behind a latency: to a thousandth."""


def queueing_delay(utilisation: float, concurrency: float) -> float:
    """Mean latency over the service time where requests wait by chance alone, with this share of the slots in use; 1 or more.

    In a region with few slots requests wait long before it is full. Such a region is neither slow nor short.
    """
    if concurrency <= 0.0:
        return 1.0
    return 1.0 + _waiting(min(utilisation, MOST_UTILISATION), concurrency)


def _waiting(rho: float, concurrency: float) -> float:
    """Mean wait over the service time."""
    chance: float = rho ** (sqrt(2.0 * (concurrency + 1.0)) - 1.0) / (concurrency * (1.0 - rho))
    return (1.0 + SCV) / 2.0 * chance


def concurrency_shown(busy: float, delay: float) -> float:
    """Slots of a region where `busy` are in use and chance makes the mean latency `delay` times the service time.

    The inverse of `queueing_delay`, by bisection: with fewer slots requests would wait longer than they do.
    """
    low, high = busy / FULLEST, 2.0 * busy
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        waits = _waiting(busy / middle, middle) > delay - 1.0
        low, high = (middle, high) if waits else (low, middle)
    return low


def offered_capacity(answered: float, failed: float) -> float:
    """Requests/s that all slots together could answer, where `failed` requests/s time out in a standing queue."""
    total = answered + failed
    if failed <= NO_SHARE * total:
        return answered
    p = max(NO_SHARE, answered / total)
    z = _NORMAL.inv_cdf(p)
    return total * (_NORMAL.cdf(z - _SIGMA) + (1.0 - p) * exp(z * _SIGMA - _SIGMA**2 / 2.0))


class NearlyFull(NamedTuple):
    """What a minute of a nearly full region shows of its slots."""

    concurrency: float
    """Slots that there are, by how long requests had to wait."""
    delay: float
    """Of `ConcurrencyTrack`."""
    minutes: int
    """Of `ConcurrencyTrack`."""
    wanting: bool
    """Whether requests waited because slots were short, so that the latency is no service time."""


def weigh_delay(
    old: ConcurrencyTrack, busy: float, concurrency: float, ratio: float, *, found: float, prior: float
) -> NearlyFull:
    """Weigh the latency of an unsaturated minute in which `NEARLY_FULL` of the slots or more were in use.

    Args:
        old: Before.
        busy: Slots in use, by Little's law at the usual service time.
        concurrency: Slots that are known.
        ratio: Mean latency over the baseline.
        found: Slots when it was saturated last; 0 where it never was.
        prior: Slots by its target.
    """
    minutes = min(DELAY_MINUTES, old.minutes + 1)
    delay = ratio if minutes == 1 else old.delay + DELAY_WEIGHT * (ratio - old.delay)
    # 1. Requests wait longer than chance explains: slots are short.
    expected = queueing_delay(busy / concurrency, concurrency)
    if busy >= SATURATED_USE * concurrency and ratio > expected + SATURATED_DELAY:
        return NearlyFull(min(concurrency, concurrency_shown(busy, ratio)), delay, minutes, wanting=True)
    # 2. They wait less than that, for minutes: there are more slots than are known.
    if minutes >= DELAY_MINUTES:
        concurrency = max(concurrency, concurrency_shown(busy, max(1.0, delay) + DELAY_NOISE))
        # 3. Many more than were left when it was saturated: what was lost is back, all of it.
        if concurrency >= RECOVERED * found > 0.0:
            concurrency = max(concurrency, prior)
    return NearlyFull(concurrency, delay, minutes, wanting=False)


CONNECTED = 180.0
"""Seconds between two minutes up to which the growth of the requests in work counts as arrivals."""

MOST_FILLING_SHARE = 1.0
"""Bound on `filling`: requests in work grow or fall by no more than the answers of the minute. More cannot be true."""

LONG_LATENCY = 45.0
"""Seconds of latency from which the newest minute counts for less in the arrivals. Arrivals and requests in work depend on each other, and
that oscillates if the weight is more than a minute over the latency."""

NOT_KNOWN = ArrivalTrack()
"""The track after a minute without latencies: the requests in work are not known."""


def learn_arrivals(old: ArrivalTrack, elapsed: float, rate: float, mean: float) -> ArrivalTrack:
    """The track after one more minute.

    Args:
        old: Before.
        elapsed: Seconds between the ends of the minute before and of this one.
        rate: Requests/s that were answered.
        mean: Their mean latency in seconds.
    """
    # without a minute just before there is nothing to compare with: arrivals are the answers
    before = old.in_work if elapsed <= CONNECTED and rate > 0.0 else None
    arrivals = rate if before is None else old.rate
    in_work = arrivals * mean
    filling = 0.0
    if before is not None:
        filling = min(MOST_FILLING_SHARE, max(-MOST_FILLING_SHARE, (in_work - before) / elapsed / rate))
    weight = LONG_LATENCY / mean if mean > LONG_LATENCY else 1.0
    arrivals += weight * (rate * (1.0 + filling) - arrivals)
    return ArrivalTrack(in_work=in_work, rate=arrivals, filling=filling)
