"""What follows from a frozen value alone, worked out when first asked for and kept beside that value."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T", bound="Remembering")
R = TypeVar("R")


class Remembering:
    """Room beside the fields of a frozen value; no part of its equality, its `repr`, its copies or what is stored."""

    __slots__ = ("_known",)

    _known: dict[Callable[..., Any], Any]


def remembered(make: Callable[[T], R]) -> Callable[[T], R]:
    """`make`, called once for each value: a fleet's directory is the same in every tick."""

    @wraps(make)
    def recall(value: T) -> R:
        try:
            known = value._known
        except AttributeError:
            known = {}
            object.__setattr__(value, "_known", known)
        try:
            found: R = known[make]
        except KeyError:
            found = known[make] = make(value)
        return found

    return recall
