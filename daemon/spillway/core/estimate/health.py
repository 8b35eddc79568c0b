"""Healthy shares as they were: of a past minute, and of a region that comes and goes."""

from __future__ import annotations

from typing import Any

from spillway.core.values.state import Estimate

SHARE_STEP = 0.05
"""Change of the healthy share that counts as a fall or a return."""

FLAP_SECONDS = 1800.0
"""A fall within this time of the last low is flapping: the next one is to be expected."""


def share_in(estimate: Estimate, end: float, period: float) -> float | None:
    """Healthy share during the minute that ended at `end`, or None where it changed meanwhile (or about then)."""
    low, high = _shares_between(estimate, end - period, end + period)
    return low if low == high else None


def lowest_share(estimate: Estimate, start: float, end: float) -> float:
    """Lowest healthy share between `start` and `end`, UTC seconds."""
    return _shares_between(estimate, start, end)[0]


def fell_at(estimate: Estimate) -> float | None:
    """UTC seconds at which the healthy share last changed, if it fell then."""
    shares = estimate.shares
    if not shares:
        return None
    before = shares[-2][1] if len(shares) > 1 else 1.0
    return shares[-1][0] if shares[-1][1] < before else None


def _shares_between(estimate: Estimate, start: float, end: float) -> tuple[float, float]:
    """Lowest and highest healthy share between two moments; the first one remembered holds for all time before."""
    shares = estimate.shares
    if not shares or shares[-1][0] <= start:
        share = shares[-1][1] if shares else estimate.healthy_share
        return share, share  # it has not changed since: the usual case
    before = 1.0
    low, high = 2.0, -1.0
    for at, share in shares:
        if at > start:
            low, high = min(low, before), max(high, before)
        if at >= end:
            return low, high
        before = share
    return min(low, before), max(high, before)


def flapping(old: Estimate, share: float, at: float) -> dict[str, Any]:
    """What a change of the healthy share to `share` at UTC second `at` says of its coming and going."""
    if share >= old.healthy_share - SHARE_STEP:
        back = share > old.healthy_share and old.healthy_share <= old.share_low + SHARE_STEP
        return {"share_low_at": at} if back and old.share_drops else {}
    again = old.share_drops > 0 and at - old.share_low_at < FLAP_SECONDS
    return {
        "share_drops": old.share_drops + 1 if again else 1,
        "share_low": min(share, old.share_low) if again else share,
        "share_low_at": at,
    }
