"""The update of a backend's estimate by the minutes that are new: one sample after another, each learned once.

Each minute passes through the concepts in this order: quota, failures and the healthy share that there was (`failures`), queueing by
chance (`latency`), saturation or not (`capacity`), service time and arrivals (`latency`). What a minute cannot tell, it leaves as it was:
garbage teaches nothing, and few answers teach only that there were few.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import NamedTuple

from spillway.core.estimate.capacity import (
    QUEUED,
    SATURATED_SECONDS,
    SETTLING,
    UNPROVEN_ROOM,
    LoadSample,
    concurrency_after,
    is_saturated,
    learn_saturated,
    learn_unsaturated,
    undecided_after,
)
from spillway.core.estimate.failures import (
    BAD_MINUTE,
    learn_failures,
    learn_quota,
    next_errors,
    next_slow,
    next_slow_saturated,
    share_in,
)
from spillway.core.estimate.latency import (
    NEARLY_FULL,
    NOT_KNOWN,
    SMOOTH,
    NearlyFull,
    believed_at_once,
    is_near,
    learn_arrivals,
    learn_latency,
    next_baseline,
    queueing_delay,
    weigh_delay,
)
from spillway.core.values.histogram import Distribution
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import Minute
from spillway.core.values.state import ConcurrencyTrack, Estimate, LatencyTrack, SaturationTrack

REMEMBERED = 3600.0
"""Seconds for which a region without series is believed to have the traffic that it had. A hole in the metrics is filled by then;
a region to which nobody is sent, as a standby is nearer, stays silent. So an opening of another
region longer ago is not what has drawn its requests away."""


BEYOND_CARRIED = 1.2
"""Load over the most that an autoscaled region was seen to carry well, from which the load explains that it is late: demand swings by some
percent around its mean, and a neighbour that has left brings far more."""


class Circumstances(NamedTuple):
    """What is known of a backend besides its minutes."""

    target: float | None
    """Requests/s at scaler 1 for all endpoints, the prior of the capacity."""
    slo: Slo
    evidence: Evidence
    period: float
    """Seconds of a sample."""
    cut_at: float = inf
    """UTC seconds at which its ceiling was lowered last; infinite where it was raised since, or never moved."""
    autoscaled: bool = False
    """True for a backend whose number of slots is not known and grows with its load."""


class Timed(NamedTuple):
    """What the latency of a minute bears on."""

    latency: LatencyTrack
    concurrency: ConcurrencyTrack
    saturation: SaturationTrack
    slow: float
    """Of `FailureTrack`."""
    errors: float
    """Of `FailureTrack`."""


def learn(estimate: Estimate, minutes: tuple[Minute, ...], known: Circumstances) -> Estimate:
    """The estimate after all minutes that are newer than the last one learned; garbage teaches nothing."""
    for minute in minutes:
        if minute.end > estimate.last_minute and minute.contradiction is None:
            estimate = _after(estimate, minute, known)
    return estimate


def smoothed_rate(served: float, minutes: tuple[Minute, ...], last: float, period: float) -> float:
    """Requests/s that one of several services on a region sends there, smoothed as `served` is.

    Args:
        served: Before.
        minutes: Its own.
        last: UTC end of the newest minute that is in `served` already.
        period: Seconds of a sample.
    """
    for minute in minutes:
        if minute.end > last and minute.total >= 0.0:
            served += SMOOTH * (minute.total / period - served)
    return served


def settled(estimate: Estimate, at: float) -> Estimate:
    """The estimate at UTC second `at`, before anything new is learned.

    Saturation that nothing has confirmed since is undecided, and no longer saturation. A region that has been silent for
    long is not believed to have its traffic still.
    """
    if estimate.served > 0.0 and at - estimate.last_minute > REMEMBERED:
        estimate = replace(estimate, served=0.0)
    old = estimate.saturation
    if old.rate is None or at - old.last_at <= SATURATED_SECONDS:
        return estimate
    undecided = replace(old, rate=None, undecided_rate=old.rate, undecided_minutes=0, waiting=0.0)
    return replace(estimate, saturation=undecided)


def _after(old: Estimate, minute: Minute, known: Circumstances) -> Estimate:
    """The estimate after one more minute."""
    total, period, failures = minute.total, known.period, old.failures
    rate = total / period
    served = old.served + SMOOTH * (rate - old.served)
    # 1. Too few answers to learn anything but that.
    if total * known.evidence.minutes < known.evidence.min_requests:
        return replace(old, last_minute=minute.end, served=served, arrivals=NOT_KNOWN)
    # 2. What needs no latency: the quota, and how bad the minute was.
    quota = learn_quota(old.quota, minute, total, known.target, period)
    spread = minute.latency
    late = 0.0 if spread is None else spread.share_above(known.slo.latency)
    bad = (minute.server_error + minute.too_many + late * minute.ok) / total
    if spread is None or spread.count <= 0:
        errors = next_errors(failures.errors, minute, total)
        timed = Timed(old.latency, old.concurrency, old.saturation, failures.slow, errors)
        arrivals = NOT_KNOWN
    else:
        # 3. What the latency shows of capacity, queueing and service time, unless endpoints came or went in this minute.
        share = share_in(old.health, minute.end, period)
        if share is None or share <= 0.0:
            timed = Timed(old.latency, old.concurrency, old.saturation, failures.slow, failures.errors)
        else:
            timed = _after_latency(old, minute, spread, known, share=share, late=late)
        # 4. What came in, by what became more inside.
        arrivals = learn_arrivals(old.arrivals, minute.end - old.last_minute, rate, spread.mean)
    return Estimate(
        last_minute=minute.end,
        served=served,
        health=old.health,
        latency=timed.latency,
        concurrency=timed.concurrency,
        saturation=timed.saturation,
        arrivals=arrivals,
        quota=quota,
        failures=learn_failures(failures, slow=timed.slow, errors=timed.errors, bad=bad),
    )


def _after_latency(
    old: Estimate,
    minute: Minute,
    spread: Distribution,
    known: Circumstances,
    *,
    share: float,
    late: float,
) -> Timed:
    """What the latency of a minute teaches of a region with this healthy share; the share `late` of its answers was too late."""
    latency, saturation, failures = old.latency, old.saturation, old.failures
    raw, answered = spread.mean, minute.ok / known.period
    baseline = raw if latency.baseline is None else latency.baseline
    if known.autoscaled:
        return _after_autoscaled(old, minute, spread, known, late)
    # 1. Slots as known; before the first latency those of the target, or some room above what was in work.
    concurrency = old.concurrency.limit
    if concurrency is None:
        if known.target is not None:
            concurrency = known.target * baseline
        else:
            concurrency = UNPROVEN_ROOM * (answered * raw) / share
    busy, healthy = answered * baseline, concurrency * share
    if healthy <= 0.0:  # nothing was in work
        return Timed(latency, old.concurrency, saturation, failures.slow, failures.errors)
    # 2. What the latency would be without waiting by chance.
    mean = raw / queueing_delay(busy / healthy, healthy)
    # 3. All slots are taken: the answers are the capacity, and the latency is a queue.
    if is_saturated(mean, baseline, answered * raw, healthy):
        sample = LoadSample(minute.end, answered, mean, baseline, share, concurrency)
        return _after_saturated(old, minute, spread, known, sample)
    # 4. Nearly full, the waiting itself shows how many slots there are, unless it may come from saturation before.
    wanting, delay, minutes = False, old.concurrency.delay, old.concurrency.minutes
    if saturation.rate is None and saturation.undecided_rate is None:
        shown, delay, minutes, wanting = _slots_shown(
            old, known, raw / baseline, busy=busy, healthy=healthy, scale=baseline * share
        )
        concurrency = shown / share
        if concurrency * share != healthy:
            healthy = concurrency * share
            mean = raw / queueing_delay(busy / healthy, healthy)
    if wanting:
        mean = baseline  # what is longer is a queue
    # 5. What saturation left open, and how large the region is.
    sample = LoadSample(minute.end, answered, mean, baseline, share, concurrency)
    undecided = undecided_after(saturation, latency, sample)
    nearly_full = busy >= NEARLY_FULL * undecided.concurrency * share
    usual = next_baseline(baseline, mean, nearly_full=nearly_full)
    limit = concurrency_after(sample, undecided, usual)
    # 6. Service time and failures; what was smoothed until a question was decided was a queue that drained.
    decided = saturation.rate is not None or (
        saturation.undecided_rate is not None and undecided.rate is None
    )
    at_once = decided or believed_at_once(latency, mean, minute.total, baseline)
    return Timed(
        learn_latency(
            latency,
            mean,
            usual,
            known.period,
            at_once=at_once,
            queued=undecided.rate is not None,
            nearly_full=nearly_full,
        ),
        ConcurrencyTrack(limit=limit, delay=delay, minutes=minutes),
        learn_unsaturated(saturation, minute.end, undecided, wanting=wanting),
        next_slow(failures.slow, late, at_once=at_once),
        next_errors(failures.errors, minute, minute.total),
    )


def _after_autoscaled(
    old: Estimate, minute: Minute, spread: Distribution, known: Circumstances, late: float
) -> Timed:
    """What the latency of a minute teaches of a backend that grows with its load, up to a size that nobody tells.

    Its `concurrency` is the most that it was seen to work on at its usual latency.
    """
    latency, saturation, carried = old.latency, old.saturation, old.concurrency.limit
    raw, answered = spread.mean, minute.ok / known.period
    baseline = raw if latency.baseline is None else latency.baseline
    # 1. Late at far more load than it ever carried: the load makes it late, and its answers are its capacity.
    asked = minute.total / known.period * baseline
    if carried is not None and late >= BAD_MINUTE and asked > BEYOND_CARRIED * carried:
        sample = LoadSample(minute.end, answered, raw, baseline, 1.0, carried)
        return _after_saturated(old, minute, spread, known, sample)
    # 2. Otherwise what is late there is late at any load.
    usual = next_baseline(baseline, raw, nearly_full=False)
    if late < BAD_MINUTE and is_near(raw, baseline):
        carried = max(carried or 0.0, answered * raw)
    if saturation.rate is not None or saturation.undecided_rate is not None:
        saturation = replace(saturation, rate=None, undecided_rate=None, undecided_minutes=0, waiting=0.0)
    at_once = old.saturation.rate is not None or believed_at_once(latency, raw, minute.total, baseline)
    return Timed(
        learn_latency(latency, raw, usual, known.period, at_once=at_once, queued=False, nearly_full=False),
        replace(old.concurrency, limit=carried),
        saturation,
        next_slow(old.failures.slow, late, at_once=at_once),
        next_errors(old.failures.errors, minute, minute.total),
    )


def _after_saturated(
    old: Estimate, minute: Minute, spread: Distribution, known: Circumstances, sample: LoadSample
) -> Timed:
    """What a saturated minute teaches: its answers are the capacity, and its latency is a queue."""
    latency, saturation, failures, baseline = old.latency, old.saturation, old.failures, sample.baseline
    service_time = baseline if latency.service_time is None else latency.service_time
    return Timed(
        replace(latency, baseline=baseline, service_time=service_time),
        replace(old.concurrency, limit=sample.concurrency),
        learn_saturated(
            saturation,
            sample,
            failed=minute.server_error / known.period,
            rate=minute.total / known.period,
            all_waited=spread.share_above(baseline) >= QUEUED,
            unsettled=known.period < minute.end - known.cut_at <= SETTLING,
        ),
        next_slow_saturated(failures.slow, was_saturated=saturation.rate is not None),
        failures.errors,
    )


def _slots_shown(
    old: Estimate, known: Circumstances, ratio: float, *, busy: float, healthy: float, scale: float
) -> NearlyFull:
    """The slots that the waiting of an unsaturated minute shows; those that were known where the region is not nearly full.

    Args:
        old: Before the minute.
        known: Besides the minutes.
        ratio: Mean latency over its baseline.
        busy: Slots in use.
        healthy: Slots of the healthy endpoints, as known.
        scale: Slots for each request/s: baseline x healthy share.
    """
    if busy < NEARLY_FULL * healthy:
        return NearlyFull(healthy, 0.0, 0, wanting=False)
    return weigh_delay(
        old.concurrency,
        busy,
        healthy,
        ratio,
        found=old.saturation.last_rate * scale,
        prior=(known.target or 0.0) * scale,
    )
