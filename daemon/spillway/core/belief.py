"""What is believed of a region's capacity: what was proven last, what it is if all is well again, and the chance of that.

Machines that were missing may be back, and a quota may be lifted, without anything that shows it before load comes. So
what was lost is no number that creeps up again but a doubt, which halves with time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2

from spillway.core.maker import maker
from spillway.core.memory import Estimate

CALM = 0.15
"""A mean latency this near to the baseline is the baseline: mixes of requests and sampling move it by as much."""

RECOVERY_SECONDS = 1800.0
"""Half-life of the doubt: after so long without contrary evidence, lost machines or a quota are as likely gone as not.
Multiplied by the backend's hold, which doubles when a return failed."""

LASTING = 5
"""Doublings of the half-life at most: to sixteen hours."""

CERTAIN = 0.005
"""Chance below which a doubt is dropped: eight half-lives."""

RISING_MINUTES = 3
"""Minutes in a row from which a rise is believed: chance alone brings three such steps once in some hundred minutes."""

RISEN = 1.05
"""Mean latency over its baseline from which a rise is carried on: below it is the noise of quiet days."""

LEAKED = 1.5
"""Slowness up to which a rise is carried on; past it what is seen is bad enough to act on."""


def doubt_left(since: float, at: float, hold: float) -> float:
    """Chance that what was last seen at `since` still holds at UTC second `at`: 1 then, halving ever after."""
    return exp2(-max(0.0, at - since) / (RECOVERY_SECONDS * hold))


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What a region can take, in requests/s with what is healthy."""

    low: float
    """Proven last, or the prior where nothing is."""
    high: float
    """If all that was lost is back; never under `low`."""
    hope: float
    """Chance of that by now; 0 where nothing was lost."""


_belief = maker(Belief)


def belief(
    estimate: Estimate,
    target: float | None,
    share: float,
    at: float,
    hold: float,
    ahead: float = 0.0,
    reopens: float = 0.0,
) -> Belief | None:
    """What is believed of a region's capacity with `share` of its endpoints healthy, or None where nothing tells.

    Args:
        estimate: What was learned.
        target: Requests/s at scaler 1 for all endpoints, the prior.
        share: Healthy share.
        at: UTC seconds now.
        hold: How much longer than usual to distrust.
        ahead: Seconds from the newest minute to the moment for which it is asked.
        reopens: Chance that a closed region is its old self again, slowness and all.
    """
    low = capacity(estimate, target, share, ahead)
    if low is None:
        return None
    if estimate.share_drops > 1 and 0.0 < estimate.share_low < share:
        left = doubt_left(estimate.share_low_at, at, hold)
        if left > CERTAIN:
            return _belief(low=low * estimate.share_low / share, high=low, hope=1.0 - left)
    if target is None or estimate.saturated_rate is not None:
        return _belief(low=low, high=low, hope=0.0)
    high = target * share / (1.0 if reopens > 0.0 else slowness(estimate, ahead))
    if high <= low:
        return _belief(low=low, high=low, hope=0.0)
    if reopens > 0.0:
        return _belief(low=low, high=high, hope=reopens)
    return _belief(low=low, high=high, hope=1.0 - doubt_left(estimate.low_at, at, hold * lasting(estimate)))


def lasting(estimate: Estimate) -> float:
    """By how much longer than usual a low capacity is believed: it doubles with every return that found the same."""
    return 2.0 ** min(LASTING, max(0, estimate.low_count - 1))


def slowness(estimate: Estimate, ahead: float = 0.0) -> float:
    """Service time over its baseline, `ahead` seconds after the newest minute; what is within noise of it, or better, is 1."""
    if not estimate.service_time or not estimate.baseline:
        return 1.0
    ratio = estimate.service_time / estimate.baseline
    risen = estimate.rising >= RISING_MINUTES and estimate.mean >= RISEN * estimate.baseline
    if ahead > 0.0 and risen and ratio < LEAKED:
        return max(1.0, (estimate.mean + estimate.slope * ahead) / estimate.baseline)
    return ratio if ratio > 1.0 + CALM else 1.0


def capacity(estimate: Estimate, target: float | None, share: float, ahead: float = 0.0) -> float | None:
    """Requests/s that the region sustains with `share` of its endpoints healthy, or None where nothing tells."""
    if estimate.saturated_rate is not None:
        whole: float | None = estimate.saturated_rate
    elif estimate.doubt is not None:
        whole = estimate.doubt
    elif estimate.slots is not None and estimate.service_time:
        whole = estimate.slots / (slowness(estimate, ahead) * (estimate.baseline or estimate.service_time))
    else:
        whole = target
    return None if whole is None else whole * share
