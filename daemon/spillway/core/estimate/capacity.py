"""What saturation shows of a region, and what is believed of its capacity after that.

The one law used is Little's: requests in work = rate x mean latency. A region has `concurrency` = capacity x service time, so at a known
service time its capacity is concurrency / service time, whether it is slow, short of machines, or both.

    saturated    latency without queueing by chance >= 1.5 x baseline, and requests in work >= 0.95 x concurrency:
                   its answer rate is its capacity, corrected where time-outs cut answers off (`latency.offered_capacity`)
    undecided    no longer saturated: was it slow, or are machines missing?
                   as fast as usual          -> machines are missing:  concurrency = rate x baseline
                   slow for three minutes    -> it is slow:            concurrency stays, if that explains the rate
    else         more in work than the known concurrency, at the usual latency -> the region is larger

The capacity that is believed follows from the same law:

    capacity = concurrency / (slowness x baseline) x healthy share               `capacity_proven`

While a region is saturated, and while it is undecided after that, its answer rate then is its capacity. Missing machines may come back,
and a quota may be lifted, but no sample shows that before load comes. So a loss is a belief with two modes: still lost, or recovered. The
chance of the first halves with time:

    p_degraded  = 2^-(age / (RECOVERY_SECONDS x backoff))                        `p_degraded`
    p_recovered = 1 - p_degraded
    nominal     = target x healthy share / slowness

The half-life doubles with every return that finds the same loss (`persistence`).
"""

from __future__ import annotations

from dataclasses import replace
from math import exp2
from typing import NamedTuple

from spillway.core.estimate.latency import LASTING_MINUTES, NEAR_BASELINE, is_near, offered_capacity, slowness
from spillway.core.values.state import Estimate, LatencyTrack, SaturationTrack

SATURATED_LATENCY = 1.5
"""Mean latency over its baseline from which a full region is saturated. Below it the region is larger than known."""

NEARLY_ALL = 0.95
"""Share of a figure from which it counts as all of it, because the reading of a minute is good to some percent. It is used for three figures:

- the slots in work: from this share of all slots the region is full;
- the answer rate known of a saturated region: below this share too little arrives to measure the capacity;
- the latency of the minute before: below this share of it the queue becomes shorter.
"""

STEADY = 0.1
"""Largest change of the mean latency of a slow region from minute to minute, as a share. The latency of a queue that drains falls faster."""

QUEUED = 0.97
"""Share of a minute's answers that took longer than the usual mean, from which all of them had to wait."""

SETTLING = 300.0
"""Seconds after a cut in which fewer requests arrive already, but the answers are still those of requests that waited in the old queue."""

EXPLAINED = 0.6
"""Share of a region's slots from which its slowness explains its saturation: the slots that its saturated answer rate needs at the present
service time, over all slots. The share is low because requests that time out use slots too, but are no answers."""

SAME_RATE = 0.2
"""Share by which two saturated rates may differ and be the same finding."""

SATURATED_SECONDS = 1200.0
"""Age at which saturation that no minute has confirmed since becomes undecided: its queue is long gone."""


class LoadSample(NamedTuple):
    """One minute of a backend, read by Little's law. Rates in requests/s, times in seconds."""

    end: float
    """UTC seconds."""
    answered: float
    """2xx answers."""
    mean: float
    """Mean latency of 2xx answers, queueing by chance divided out."""
    baseline: float
    """Mean latency at low load; that of this minute where there is none yet."""
    share: float
    """Healthy share during the minute."""
    concurrency: float
    """Requests that the whole region can work on at a time, as known before."""


class Undecided(NamedTuple):
    """Concurrency, and what is not decided about it, after an unsaturated minute."""

    concurrency: float
    rate: float | None
    minutes: int


def is_saturated(mean: float, baseline: float, in_work: float, healthy: float) -> bool:
    """Whether all `healthy` slots were taken in a minute with so many requests in work, and requests waited for them."""
    return mean >= SATURATED_LATENCY * baseline and in_work >= NEARLY_ALL * healthy


def learn_saturated(
    old: SaturationTrack,
    sample: LoadSample,
    *,
    failed: float,
    rate: float,
    all_waited: bool,
    unsettled: bool,
) -> SaturationTrack:
    """The track after a minute in which all slots were taken.

    Args:
        old: Before.
        sample: The minute.
        failed: 5xx answers in requests/s.
        rate: All answers in requests/s.
        all_waited: Whether all of them took longer than the usual mean.
        unsettled: Whether its ceiling was lowered so lately that what is answered may have come before the cut.
    """
    share, known = sample.share, old.rate
    found = offered_capacity(sample.answered, failed) / share
    # a region whose queue becomes shorter and that gets fewer requests does not show its capacity: the known rate holds
    if known is not None and not all_waited:
        falls = sample.mean < NEARLY_ALL * (old.waiting + sample.concurrency / known)
        if (falls or unsettled) and rate / share < NEARLY_ALL * known:
            found = known
    waiting = sample.mean - sample.concurrency * share / max(sample.answered, 1e-6)
    return replace(
        old,
        rate=found,
        last_rate=found,
        last_at=sample.end,
        findings=_findings(old, found, sample.end),
        waiting=max(0.0, waiting),
    )


def _findings(old: SaturationTrack, rate: float, at: float) -> int:
    """How often it was found saturated at about this rate, this time included."""
    if old.last_at and at - old.last_at <= SATURATED_SECONDS:
        return max(1, old.findings)  # the same finding still
    return old.findings + 1 if abs(rate - old.last_rate) <= SAME_RATE * rate else 1


def undecided_after(old: SaturationTrack, latency: LatencyTrack, sample: LoadSample) -> Undecided:
    """What is known of the concurrency after an unsaturated minute. The question of a loss ends when the region is fast, or steadily slow."""
    mean, baseline, concurrency = sample.mean, sample.baseline, sample.concurrency
    # 1. Since it was saturated, the cause is not decided.
    rate, minutes = old.undecided_rate, old.undecided_minutes
    if old.rate is not None:
        rate, minutes = old.rate, 0
    if rate is None:
        return Undecided(concurrency, None, minutes)
    # 2. As fast as usual: its queue is gone, and machines are missing.
    if mean <= (1.0 + NEAR_BASELINE) * baseline:
        return Undecided(min(concurrency, rate * baseline), None, minutes)
    # 3. A latency that stays for minutes is slowness; one that falls is a queue that drains.
    minutes = minutes + 1 if abs(mean - latency.mean) <= STEADY * mean else 0
    if minutes < LASTING_MINUTES:
        return Undecided(concurrency, rate, minutes)
    # 4. Slowness explains the saturation if nearly all slots were in work then. If far fewer were, the others are lost.
    in_work = rate * mean
    return Undecided(concurrency if in_work >= EXPLAINED * concurrency else in_work, None, minutes)


def concurrency_after(sample: LoadSample, undecided: Undecided, baseline: float) -> float:
    """Requests that the whole region can work on at a time, after an unsaturated minute that left `baseline` behind."""
    concurrency = undecided.concurrency
    # more in work than the known concurrency: at the usual latency the region is larger, else part of it may be a queue
    if undecided.rate is None and is_near(sample.mean, sample.baseline):
        concurrency = max(concurrency, sample.answered * sample.baseline / sample.share)
    # concurrency = capacity x baseline: a better baseline must not change the capacity
    return concurrency * (baseline / sample.baseline)


def learn_unsaturated(
    old: SaturationTrack, end: float, undecided: Undecided, *, wanting: bool
) -> SaturationTrack:
    """The track after an unsaturated minute that ended at `end`; `wanting` tells if requests waited because slots were short."""
    if old.rate is None and undecided.rate is None is old.undecided_rate and not wanting:
        return old  # the usual case: nothing was undecided, and nothing is
    return replace(
        old,
        rate=None,
        last_at=end if wanting else old.last_at,
        undecided_rate=undecided.rate,
        undecided_minutes=undecided.minutes,
        waiting=0.0,
    )


UNPROVEN_ROOM = 1.5
"""Capacity assumed over the load seen, where neither a target in requests/s nor a saturation tells."""

RECOVERY_SECONDS = 1800.0
"""Half-life of a loss: after so long without new evidence, lost machines or a quota are as likely back as not, and a low healthy share
is as likely to return as not. It is multiplied by the backend's backoff, which doubles when a return failed."""

MOST_DOUBLINGS = 5
"""Largest number of doublings of the half-life: to sixteen hours."""

CERTAIN = 0.005
"""Chance below which a loss is taken for over: eight half-lives."""


def p_degraded(since: float, at: float, backoff: float) -> float:
    """Chance that what was last seen at `since` still holds at UTC second `at`: 1 then, halving ever after."""
    return exp2(-max(0.0, at - since) / (RECOVERY_SECONDS * backoff))


def persistence(saturation: SaturationTrack) -> float:
    """Factor on the half-life of a loss: it doubles with every return that finds the same loss."""
    return 2.0 ** min(MOST_DOUBLINGS, max(0, saturation.findings - 1))


class CapacityBelief(NamedTuple):
    """What a region can take, in requests/s with what is healthy."""

    capacity_proven: float
    """Proven last, or the prior where nothing is proven."""
    capacity_nominal: float
    """The capacity if all that was lost is back; never under `capacity_proven`."""
    p_recovered: float
    """Chance that it is back by now; 0 where nothing was lost."""


def capacity_proven(
    estimate: Estimate, target: float | None, share: float, ahead: float = 0.0
) -> float | None:
    """Requests/s that the region sustains with `share` of its endpoints healthy, or None where nothing tells.

    Args:
        estimate: What was learned.
        target: Requests/s at scaler 1 for all endpoints, the prior.
        share: Healthy share.
        ahead: Seconds from the newest minute to the moment for which it is asked.
    """
    saturation, limit, latency = estimate.saturation, estimate.concurrency.limit, estimate.latency
    if saturation.rate is not None:
        whole: float | None = saturation.rate
    elif saturation.undecided_rate is not None:
        whole = saturation.undecided_rate
    elif limit is not None and latency.service_time:
        usual = latency.baseline or latency.service_time
        whole = limit / (slowness(latency, ahead) * usual)
    else:
        whole = target
    return None if whole is None else whole * share


def believed_capacity(
    estimate: Estimate,
    target: float | None,
    share: float,
    at: float,
    backoff: float,
    *,
    ahead: float = 0.0,
    p_recovered: float = 0.0,
) -> CapacityBelief | None:
    """What is believed of a region's capacity with `share` of its endpoints healthy, or None where nothing tells.

    Args:
        estimate: What was learned.
        target: Requests/s at scaler 1 for all endpoints, the prior.
        share: Healthy share.
        at: UTC seconds now.
        backoff: Factor on the half-life of a loss.
        ahead: Seconds from the newest minute to the moment for which it is asked.
        p_recovered: Chance that a closed region is its old self again, slowness and all; 0 for one that is open.
    """
    proven = capacity_proven(estimate, target, share, ahead)
    if proven is None:
        return None
    # 1. Endpoints come and go: the present healthy share is the better mode, the lowest recent one the worse mode.
    health = estimate.health
    if health.drops > 1 and 0.0 < health.lowest < share:
        left = p_degraded(health.lowest_at, at, backoff)
        if left > CERTAIN:
            return CapacityBelief(
                capacity_proven=proven * health.lowest / share,
                capacity_nominal=proven,
                p_recovered=1.0 - left,
            )
    # 2. The answer rate of a saturated region is its capacity; without a target nobody knows what it could return to.
    if target is None or estimate.saturation.rate is not None:
        return CapacityBelief(capacity_proven=proven, capacity_nominal=proven, p_recovered=0.0)
    # 3. Nothing is lost where the target is not above what was proven.
    nominal = target * share / (1.0 if p_recovered > 0.0 else slowness(estimate.latency, ahead))
    if nominal <= proven:
        return CapacityBelief(capacity_proven=proven, capacity_nominal=proven, p_recovered=0.0)
    # 4. A closed region shows nothing, so the caller gives the chance. For an open one the last saturation counts.
    if p_recovered <= 0.0:
        left = p_degraded(estimate.saturation.last_at, at, backoff * persistence(estimate.saturation))
        p_recovered = 1.0 - left
    return CapacityBelief(capacity_proven=proven, capacity_nominal=nominal, p_recovered=p_recovered)
