"""A region that falls silent because nobody is sent there any more, and not because its metrics are missing.

Cloud Monitoring shows nothing in both cases. They are told apart by where the demand is seen:

1. All demand that is known is seen in the other regions, and one of them was opened lately. Clients that have a nearer region than
   before are sent there whole, so nothing is missing.
2. The region had no more than a trickle, what others could not take. It has none once they can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spillway.core.estimate.backend import BackendBelief
from spillway.core.estimate.sample import Blind, Window
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import OriginMemory

COMPLETE = 0.95
"""Share of the demand known that must be seen in the others: demand swings by as much from minute to minute."""

TRICKLE = 0.05
"""Share of what is seen in the others up to which a region's traffic is so little that its end is likelier than a hole in its metrics, and
that it would hardly be missed if it is one."""

OPENED_SECONDS = 3600.0
"""Age of a join or a raise up to which it may be what has drawn the requests away."""


def drop_departed_traffic(
    facts: Sequence[BackendBelief], origins: Iterable[OriginMemory], newest: float
) -> Sequence[BackendBelief]:
    """The facts, with no traffic left in regions whose requests have gone to others.

    Args:
        facts: Of all regions of a service.
        origins: Its demand as remembered.
        newest: UTC end of the newest minute that any of them shows.
    """
    silent = {f.region for f in facts if _silent(f)}
    if not silent:
        return facts
    seen = sum([f.window.newest for f in facts if isinstance(f.window, Window) and f.window.end >= newest])
    opened = any(_opened(f, newest) for f in facts if f.region not in silent)
    complete = opened and seen >= COMPLETE * sum([o.level for o in origins])
    return [
        _departed(f) if f.region in silent and (complete or f.estimate.served <= TRICKLE * seen) else f
        for f in facts
    ]


def _silent(facts: BackendBelief) -> bool:
    """Whether a region that is open and healthy had traffic, and shows none in minutes in which others show theirs."""
    window = facts.window
    absent = isinstance(window, Blind) and window.absence is Absence.NO_SERIES
    return absent and facts.serving and facts.health is not None and not facts.dead and not facts.idle


def _opened(facts: BackendBelief, newest: float) -> bool:
    """Whether a region was joined or raised lately."""
    memory = facts.memory
    raised = memory.moved_at if memory.direction > 0 else None
    return facts.serving and any(
        at is not None and newest - at <= OPENED_SECONDS for at in (memory.joined_at, raised)
    )


def _departed(facts: BackendBelief) -> BackendBelief:
    """The region with no traffic left."""
    return facts._replace(estimate=replace(facts.estimate, served=0.0))
