"""The healthy share of a region's endpoints: as it was in a past minute, and whether it comes and goes (flaps)."""

from __future__ import annotations

from dataclasses import replace

from spillway.core.values.snapshot import HealthCount
from spillway.core.values.state import HealthTrack

SHARE_STEP = 0.05
"""Change of the healthy share that counts as a fall or a return."""

FLAP_SECONDS = 1800.0
"""A fall within this time of the last low is flapping: the next one is to be expected."""

CHANGES_KEPT = 7
"""Changes of the healthy share that are remembered: a region that flaps every minute covers a dead time with them."""


def learn_health(old: HealthTrack, health: HealthCount | None, at: float) -> HealthTrack:
    """The track with the endpoints and the healthy share as they were read at UTC second `at`; unchanged where nothing was read."""
    if health is None or health.total <= 0:
        return old
    share = health.healthy / health.total
    if share == old.share and health.total == old.endpoints:
        return old  # the usual case
    changes = (*old.changes[-CHANGES_KEPT:], (at, share))
    new = replace(old, endpoints=health.total, share=share, changes=changes)
    # 1. No fall: with a return the low ends now.
    if share >= old.share - SHARE_STEP:
        returned = share > old.share and old.share <= old.lowest + SHARE_STEP
        return replace(new, lowest_at=at) if returned and old.drops else new
    # 2. A fall soon after the last low counts on; any other begins anew.
    if old.drops > 0 and at - old.lowest_at < FLAP_SECONDS:
        return replace(new, drops=old.drops + 1, lowest=min(share, old.lowest), lowest_at=at)
    return replace(new, drops=1, lowest=share, lowest_at=at)


def share_in(health: HealthTrack, end: float, period: float) -> float | None:
    """Healthy share during the minute that ended at `end`, or None where it changed meanwhile (or about then)."""
    low, high = _shares_between(health, end - period, end + period)
    return low if low == high else None


def lowest_share(health: HealthTrack, start: float, end: float) -> float:
    """Lowest healthy share between `start` and `end`, UTC seconds."""
    return _shares_between(health, start, end)[0]


def fell_at(health: HealthTrack) -> float | None:
    """UTC seconds at which the healthy share last changed, if it fell then."""
    changes = health.changes
    if not changes:
        return None
    before = changes[-2][1] if len(changes) > 1 else 1.0
    return changes[-1][0] if changes[-1][1] < before else None


def _shares_between(health: HealthTrack, start: float, end: float) -> tuple[float, float]:
    """Lowest and highest healthy share between two moments; before the first change remembered all endpoints were healthy."""
    changes = health.changes
    if not changes or changes[-1][0] <= start:
        share = changes[-1][1] if changes else health.share
        return share, share  # it has not changed since: the usual case
    before = 1.0
    low, high = 2.0, -1.0
    for at, share in changes:
        # each change ends the time of the share before it
        if at > start:
            low, high = min(low, before), max(high, before)
        if at >= end:
            return low, high
        before = share
    return min(low, before), max(high, before)
