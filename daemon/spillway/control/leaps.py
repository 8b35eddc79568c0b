"""What the memory keeps of times that have not come yet: a clock that was set back must not make anything wait for years.

A move "made in ten years" would keep its region from moving until then, and no minute would be new. So where the clock
is far behind what was saved, each remembered time in the future becomes now.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from spillway.core.values.state import ControllerMemory, DayMemory, HealthTrack, ServiceMemory

SLACK = 60.0
"""Seconds that the clock may run back without more ado: answers of the cloud are dated to a second, late ones arrive late."""
_ENDINGS = ("_at", "_since", "_until")
_OTHERS = frozenset({"since", "last_minute"})
_HOUR = 3600.0


def is_time(name: str) -> bool:
    """Whether a field of the memory holds UTC seconds, by its name."""
    return name in _OTHERS or name.endswith(_ENDINGS)


def without_future(memory: ControllerMemory, at: float) -> ControllerMemory:
    """The memory without any time after `at`, in UTC seconds."""
    clamped: ControllerMemory = _clamped(memory, at)
    return clamped


def _within(part: Any, at: float) -> Any:
    """A value of the memory with each dataclass in it clamped."""
    if is_dataclass(part):
        return _clamped(part, at)
    return tuple(_within(item, at) for item in part) if isinstance(part, tuple) else part


def _clamped(value: Any, at: float) -> Any:
    """A dataclass of the memory, with all that it holds."""
    changes: dict[str, object] = {}
    for field in fields(value):
        part = getattr(value, field.name)
        if isinstance(part, float):
            if is_time(field.name) and part > at:
                changes[field.name] = at
        elif isinstance(part, tuple) or is_dataclass(part):
            changes[field.name] = _within(part, at)
    # Times that stand in tuples, or are counted in hours.
    if isinstance(value, HealthTrack):
        changes["changes"] = tuple((min(when, at), share) for when, share in value.changes)
    if isinstance(value, ServiceMemory):
        changes["writes"] = tuple(when for when in value.writes if when <= at)
        changes["roomy_since"] = tuple((region, min(when, at)) for region, when in value.roomy_since)
    if isinstance(value, DayMemory) and value.hour > at / _HOUR:
        changes["hour"] = -1
    return replace(value, **changes)
