"""A frozen value with some of its fields changed: what `dataclasses.replace` does, in half the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@cache
def _parts(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The names of the fields of a dataclass, of which there are two at least, and what reads them all at once."""
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


def altered(value: T, **changes: object) -> T:
    """`value` with `changes`; checks of the class run as for any new value.

    Args:
        value: A dataclass of two fields or more, all of which its constructor takes.
        changes: New values by field.

    Raises:
        TypeError: it has no such field.
    """
    names, read = _parts(type(value))
    return type(value)(**dict(zip(names, read(value), strict=True)) | changes)
