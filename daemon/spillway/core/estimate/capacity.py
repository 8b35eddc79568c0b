"""What is believed of a region's capacity: what was proven last, what it is if all is well again, and the chance of that.

Little's law, requests in work = rate x mean latency, makes the capacity of a region from what it can work on at a time:

    capacity = concurrency / (slowness x baseline) x healthy share               `capacity_proven`

While it is saturated its answer rate is its capacity, and for some time after that as well. Machines that were missing may be back, and a
quota may be lifted, without anything that shows it before load comes. So what was lost is no number that creeps up again but a belief with
two modes, gone and back; the chance of the first halves with time:

    p_degraded  = 2^-(age / (RECOVERY_SECONDS x backoff))                        `p_degraded`
    p_recovered = 1 - p_degraded
    nominal     = target x healthy share / slowness

With every return that found the same loss the half-life doubles (`persistence`).
"""

from __future__ import annotations

from math import exp2
from typing import NamedTuple

from spillway.core.estimate.latency import slowness
from spillway.core.values.state import Estimate, SaturationTrack

RECOVERY_SECONDS = 1800.0
"""Half-life of a loss: after so long without contrary evidence, lost machines or a quota are as likely gone as not.
Multiplied by the backend's backoff, which doubles when a return failed."""

MOST_DOUBLINGS = 5
"""Doublings of the half-life at most: to sixteen hours."""

CERTAIN = 0.005
"""Chance below which a loss is taken for over: eight half-lives."""


def p_degraded(since: float, at: float, backoff: float) -> float:
    """Chance that what was last seen at `since` still holds at UTC second `at`: 1 then, halving ever after."""
    return exp2(-max(0.0, at - since) / (RECOVERY_SECONDS * backoff))


def persistence(saturation: SaturationTrack) -> float:
    """By how much longer than usual a low capacity is believed: it doubles with every return that found the same."""
    return 2.0 ** min(MOST_DOUBLINGS, max(0, saturation.findings - 1))


class CapacityBelief(NamedTuple):
    """What a region can take, in requests/s with what is healthy."""

    capacity_proven: float
    """Proven last, or the prior where nothing is."""
    capacity_nominal: float
    """If all that was lost is back; never under `capacity_proven`."""
    p_recovered: float
    """Chance of that by now; 0 where nothing was lost."""


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
        backoff: How much longer than usual to distrust.
        ahead: Seconds from the newest minute to the moment for which it is asked.
        p_recovered: Chance that a closed region is its old self again, slowness and all; 0 for one that is open.
    """
    proven = capacity_proven(estimate, target, share, ahead)
    if proven is None:
        return None
    # 1. Endpoints come and go: what is healthy now is the better mode, and the lowest share of late the worse one.
    health = estimate.health
    if health.drops > 1 and 0.0 < health.lowest < share:
        left = p_degraded(health.lowest_at, at, backoff)
        if left > CERTAIN:
            return CapacityBelief(
                capacity_proven=proven * health.lowest / share,
                capacity_nominal=proven,
                p_recovered=1.0 - left,
            )
    # 2. What a saturated region answers is its capacity, and without a target there is nothing that it may return to.
    if target is None or estimate.saturation.rate is not None:
        return CapacityBelief(capacity_proven=proven, capacity_nominal=proven, p_recovered=0.0)
    # 3. Nothing is lost where the target is not above what was proven.
    nominal = target * share / (1.0 if p_recovered > 0.0 else slowness(estimate.latency, ahead))
    if nominal <= proven:
        return CapacityBelief(capacity_proven=proven, capacity_nominal=proven, p_recovered=0.0)
    # 4. Of a closed region nothing is seen: its caller knows since when. Of an open one the last finding counts.
    if p_recovered <= 0.0:
        left = p_degraded(estimate.saturation.last_at, at, backoff * persistence(estimate.saturation))
        p_recovered = 1.0 - left
    return CapacityBelief(capacity_proven=proven, capacity_nominal=nominal, p_recovered=p_recovered)
