"""How long a backend stays as it is after a move (dwell), and how flapping lengthens that (backoff).

    backoff(t) = 1 + (backoff - 1) x 2^-((t - backoff_at) / hold_decay)         `current_backoff`
    dwell up   = max(dwell, dead time, min(hold_max, dwell x backoff(t)))       `required_dwell`
    dwell down = max(dwell, dead time), or none after a raise by no more than `MINOR_CHANGE`

A cut soon after a raise, and a move that disappointed, multiply the backoff by `hold_growth`. The settings are those of the policy's rhythm.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp2

from spillway.core.values.policy import Policy, Rhythm
from spillway.core.values.state import BackendMemory

MINOR_CHANGE = 0.1
"""Change of a scaler up to which it is a correction and no move in a direction."""

REVERSAL_SECONDS = 3600.0
"""A change of direction within this time of the last move counts as flapping."""


def current_backoff(memory: BackendMemory, rhythm: Rhythm, at: float) -> float:
    """Multiplier on the dwell at UTC second `at`: 1 or more, halving its excess every `hold_decay` seconds."""
    if memory.backoff <= 1.0:
        return 1.0
    return 1.0 + (memory.backoff - 1.0) * exp2(-max(0.0, at - memory.backoff_at) / rhythm.backoff_decay)


def required_dwell(
    memory: BackendMemory, policy: Policy, at: float, direction: int, dead_time: float
) -> float:
    """Seconds that must pass between the last move and one in `direction` (-1 down, 1 up).

    A direction of 0 is a way up that goes no further than what was proven to fit; `dead_time` is the one that was measured.
    Never less than the dead time.
    """
    rhythm = policy.rhythm
    plain = max(rhythm.dwell, policy.timing.dead_time)
    # after a raise by very little a cut need not wait: what is seen to be bad does not come from it
    if direction < 0.0 < memory.moved_by <= MINOR_CHANGE + 1e-9:
        return 0.0
    # a cut waits for the plain dwell, so that flapping slows the return and not the rescue
    if direction <= 0:
        return max(plain, dead_time)
    # a raise that tests what may be too much waits for the lengthened one
    return max(plain, dead_time, min(rhythm.backoff_max, plain * current_backoff(memory, rhythm, at)))


def has_dwelt(memory: BackendMemory, policy: Policy, at: float, direction: int, dead_time: float) -> bool:
    """Whether the backend may move in `direction` again; `dead_time` is the one that was measured."""
    if memory.moved_at is None:
        return True
    return at - memory.moved_at >= required_dwell(memory, policy, at, direction, dead_time)


def backoff_after(memory: BackendMemory, rhythm: Rhythm, at: float, change: float) -> float:
    """The multiplier after a scaler moved by `change` at UTC second `at`: a cut soon after a raise lengthens the dwell.

    A minor cut does not: it only brings a ceiling nearer to what the region was found to take.
    """
    backoff = current_backoff(memory, rhythm, at)
    flapped = (
        change <= -MINOR_CHANGE
        and memory.direction > 0
        and memory.moved_at is not None
        and at - memory.moved_at < REVERSAL_SECONDS
    )
    return backoff * rhythm.backoff_growth if flapped else backoff


def penalised(memory: BackendMemory, rhythm: Rhythm, at: float) -> BackendMemory:
    """The memory after a move that disappointed: its dwell grows as after a reversal."""
    return replace(memory, backoff=current_backoff(memory, rhythm, at) * rhythm.backoff_growth, backoff_at=at)
