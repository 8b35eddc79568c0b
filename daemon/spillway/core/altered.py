"""A frozen value with some of its fields changed: what `dataclasses.replace` does, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from spillway.core.maker import copier

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def altered(value: T, /, **changes: object) -> T:
    """`value` with `changes`; checks of the class run as for any new value.

    Args:
        value: A dataclass all of whose fields its constructor takes.
        changes: New values by field.

    Raises:
        TypeError: it has no such field.
    """
    kind: Any = type(value)
    copy = copier(kind)
    if copy is None:
        return replace(value, **changes)
    made: T = copy(value)
    try:
        for name, change in changes.items():
            setattr(made, name, change)
    except AttributeError:
        raise TypeError(f"{kind.__name__} has no field {name}") from None
    made.__class__ = kind
    check = _check(kind)
    if check is not None:
        check(made)
    return made


@cache
def _check(kind: Any) -> Callable[[Any], None] | None:
    """The checks of a class, if it has any; remembered, because an attribute that is not there is looked for long."""
    return getattr(kind, "__post_init__", None)
