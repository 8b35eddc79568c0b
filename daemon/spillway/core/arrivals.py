"""What came into a region in a minute: what went out, and what has become more inside."""

from __future__ import annotations

from typing import Any

from spillway.core.memory import Estimate
from spillway.core.snapshot import Minute

CONNECTED = 180.0
"""Seconds between two minutes up to which what became more inside tells what came in between."""

MOST = 1.0
"""Arrivals of a minute over its answers, or answers over arrivals, beyond which a latency cannot be true: as much again."""

SETTLES = 45.0
"""Seconds of latency from which the newest minute counts for less in the arrivals behind what is inside. The two feed on each other,
which swings up where its weight is more than a minute over the latency."""


def learn_arrivals(old: Estimate, new: Any, minute: Minute, rate: float, mean: float) -> None:
    """Fill the draft `new` with what this minute tells of the arrivals: `rate` requests/s went out, with `mean` seconds of latency.

    Inside is what came in while the one that is answered now had to wait (first come, first served): arrivals times latency. Those
    of the minutes before stand for them, as what is answered in an overload came before its minute.
    """
    elapsed = minute.end - old.last_minute
    before = old.in_work if elapsed <= CONNECTED and rate > 0.0 else None
    usual = rate if before is None else old.arrived
    new.in_work = usual * mean
    if before is not None:
        new.filling = min(MOST, max(-MOST, (new.in_work - before) / elapsed / rate))
    weight = SETTLES / mean if mean > SETTLES else 1.0
    new.arrived = usual + weight * (rate * (1.0 + new.filling) - usual)
