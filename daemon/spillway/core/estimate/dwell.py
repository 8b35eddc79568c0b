"""How long a backend rests after a move: the dwell, lengthened by flapping, decaying with time."""

from __future__ import annotations

from dataclasses import replace
from math import exp2

from spillway.core.values.policy import Rhythm, Timing
from spillway.core.values.state import BackendMemory

TRIM = 0.1
"""Change of a scaler up to which it is a trim."""

REVERSAL_SECONDS = 3600.0
"""A change of direction within this time of the last move counts as flapping."""


def hold_at(memory: BackendMemory, rhythm: Rhythm, at: float) -> float:
    """Multiplier on the rest at UTC second `at`: 1 or more, halving its excess every `backoff_decay` seconds."""
    if memory.hold <= 1.0:
        return 1.0
    return 1.0 + (memory.hold - 1.0) * exp2(-max(0.0, at - memory.hold_at) / rhythm.backoff_decay)


def rest_of(
    memory: BackendMemory, rhythm: Rhythm, timing: Timing, at: float, direction: int, dead_time: float
) -> float:
    """Seconds that must pass between the last move and one in `direction` (-1 down, 1 up).

    A direction of 0 is a way up that goes no further than what was proven to fit; `dead_time` is the one that was measured.
    Never less than the dead time. A way down rests only for the plain dwell, so that flapping slows the return and not
    the rescue; a way up waits for the grown one where it tests what may be too much. A raise by a trifle binds nobody's
    hands: what is seen to be bad is not its doing.
    """
    plain = max(rhythm.dwell, timing.dead_time)
    if direction < 0.0 < memory.moved_by <= TRIM + 1e-9:
        return 0.0
    if direction <= 0:
        return max(plain, dead_time)
    return max(plain, dead_time, min(rhythm.backoff_max, plain * hold_at(memory, rhythm, at)))


def rested(
    memory: BackendMemory, rhythm: Rhythm, timing: Timing, at: float, direction: int, dead_time: float
) -> bool:
    """Whether the backend may move in `direction` again; `dead_time` is the one that was measured."""
    if memory.moved_at is None:
        return True
    return at - memory.moved_at >= rest_of(memory, rhythm, timing, at, direction, dead_time)


def hold_after(memory: BackendMemory, rhythm: Rhythm, at: float, change: float) -> float:
    """The multiplier after a scaler moved by `change` at UTC second `at`: a cut soon after a raise lengthens the rest.

    A trim is no cut: it only brings a ceiling nearer to what the region was found to take.
    """
    hold = hold_at(memory, rhythm, at)
    flapped = (
        change <= -TRIM
        and memory.direction > 0
        and memory.moved_at is not None
        and at - memory.moved_at < REVERSAL_SECONDS
    )
    return hold * rhythm.backoff_growth if flapped else hold


def penalised(memory: BackendMemory, rhythm: Rhythm, at: float) -> BackendMemory:
    """The memory after a move that disappointed: its rest grows as after a reversal."""
    return replace(memory, hold=hold_at(memory, rhythm, at) * rhythm.backoff_growth, hold_at=at)
