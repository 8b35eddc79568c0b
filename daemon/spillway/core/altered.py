"""A frozen value with some of its fields changed: what `dataclasses.replace` does, in a quarter of the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_Put = Callable[[Any, Any], None]


class _Parts(NamedTuple):
    """How to read and write the fields of a dataclass with slots."""

    read: Callable[[Any], tuple[Any, ...]]
    """All fields at once; there are two at least."""
    puts: tuple[_Put, ...]
    """What writes each field, in the same order: the slot itself, which being frozen does not close."""
    by_name: dict[str, _Put]
    check: Callable[[Any], None] | None
    """The checks of the class, if it has any."""


@cache
def _parts(kind: type[Any]) -> _Parts | None:
    """The parts of `kind`; None where its fields are no slots."""
    names = tuple(field.name for field in fields(kind))
    slots = [getattr(kind, name, None) for name in names]
    puts = tuple(slot.__set__ for slot in slots if isinstance(slot, MemberDescriptorType))
    if len(puts) < len(names):
        return None
    by_name = dict(zip(names, puts, strict=True))
    return _Parts(attrgetter(*names), puts, by_name, getattr(kind, "__post_init__", None))


def altered(value: T, **changes: object) -> T:
    """`value` with `changes`; checks of the class run as for any new value.

    Args:
        value: A dataclass of two fields or more, all of which its constructor takes.
        changes: New values by field.

    Raises:
        TypeError: it has no such field.
    """
    kind = type(value)
    parts = _parts(kind)
    if parts is None:
        return replace(value, **changes)
    made = object.__new__(kind)
    for put, kept in zip(parts.puts, parts.read(value), strict=True):
        put(made, kept)
    for name, change in changes.items():
        try:
            parts.by_name[name](made, change)
        except KeyError:
            raise TypeError(f"{kind.__name__} has no field {name}") from None
    if parts.check is not None:
        parts.check(made)
    return made
