"""Names and checked numbers that every other module of the core uses.

A frozen value with some of its fields changed: what `dataclasses.replace` does, in a fraction of the time.

Frozen values made in a sixth of the time that their own constructors take: a tick of a large fleet makes ten thousands.

A frozen dataclass refuses to have its fields set, so its own constructor goes round that for each of them, through
`object.__setattr__`, and gets its arguments in a dictionary. Here a value is filled in while it is of an open subclass, and
becomes one of the frozen class before anybody else sees it. What is made is the same: same class, same fields, same checks.

What follows from a frozen value alone, worked out when first asked for and kept beside that value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, replace
from functools import cache, wraps
from math import isnan
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

RegionName = str
ServiceName = str

HOUR = 3600.0
"""Seconds."""

SCALER_FLOOR = 0.1
"""Smallest scaler that is not zero (google.cloud.compute_v1.types.Backend.capacity_scaler)."""

SCALER_STEP = 0.01
"""Scalers are written in hundredths: differences below are no change (reference: no-op suppression)."""


def is_legal_scaler(value: float) -> bool:
    """Tell whether the API takes this scaler: exactly 0, or 0.1 to 1.0 (py:Backend.capacity_scaler)."""
    return value == 0.0 or SCALER_FLOOR <= value <= 1.0


def legal_scaler(value: float) -> float:
    """Return the legal scaler nearest to `value`, in hundredths; under 0.05 is 0, 0.05 to 0.1 is 0.1.

    Raises:
        ValueError: `value` is not a number (NaN).
    """
    if isnan(value):
        raise ValueError("a capacity scaler cannot be NaN")
    if value < SCALER_FLOOR / 2:
        return 0.0
    return min(1.0, max(SCALER_FLOOR, round(value, 2)))


if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")


def altered(value: D, /, **changes: object) -> D:
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
    made: D = copy(value)
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


P = ParamSpec("P")
T = TypeVar("T")


def maker(kind: Callable[P, T]) -> Callable[P, T]:
    """A function that makes what `kind` makes, of the same arguments.

    Args:
        kind: A dataclass whose fields are slots, all of them arguments of its constructor.

    Raises:
        TypeError: it is none.
    """
    made_of: Any = kind
    arguments = sorted(fields(made_of), key=lambda field: bool(field.kw_only))
    if not _has_slots(made_of) or not all(f.init for f in arguments):
        raise TypeError(f"{made_of.__name__} is no dataclass of slots that its constructor takes")
    parameters = [f.name if _needed(f) else f"{f.name}=_default_{f.name}" for f in arguments]
    named = sum(1 for f in arguments if f.kw_only)
    if named:
        parameters.insert(len(parameters) - named, "*")
    lines = [
        *(f"_made.{f.name} = {_value(f)}" for f in arguments),
        "_made.__class__ = _Kind",
        *(["_made.__post_init__()"] if hasattr(made_of, "__post_init__") else []),
    ]
    known = {f"_default_{f.name}": f.default for f in arguments}
    known |= {f"_new_{f.name}": f.default_factory for f in arguments}
    made: Callable[P, T] = _compiled(", ".join(parameters), lines, made_of, known)
    return made


def _needed(field: Field[Any]) -> bool:
    """Whether there is no default."""
    return field.default is MISSING and field.default_factory is MISSING


def _value(field: Field[Any]) -> str:
    """What a field becomes: its argument, or something new where it has none."""
    name = field.name
    return (
        name
        if field.default_factory is MISSING
        else f"_new_{name}() if {name} is _default_{name} else {name}"
    )


def drafter(kind: Any) -> Callable[[Any], Any]:
    """A function that makes an open copy of a value of `kind`: to be changed field by field, and then `closed`.

    Args:
        kind: A dataclass whose fields are slots.

    Raises:
        TypeError: it is none.
    """
    copy = copier(kind)
    if copy is None:
        raise TypeError(f"{kind.__name__} is no dataclass of slots")
    return copy


def closed(draft: Any, kind: type[T]) -> T:
    """The draft as the value of `kind` that it has become: frozen. Checks of the class are not run."""
    draft.__class__ = kind
    made: T = draft
    return made


@cache
def copier(kind: Any) -> Callable[[Any], Any] | None:
    """A function that makes an open copy of a value of the dataclass `kind`, or None where its fields are no slots.

    Whoever takes one changes it as needed and then sets its `__class__` to `kind`.
    """
    lines = [f"_made.{field.name} = _value.{field.name}" for field in fields(kind)]
    return _compiled("_value", lines, kind, {}) if _has_slots(kind) else None


def _has_slots(kind: Any) -> bool:
    return all(isinstance(getattr(kind, field.name, None), MemberDescriptorType) for field in fields(kind))


@cache
def _opened(kind: Any) -> type[Any]:
    """`kind` without its refusal to be changed: the same slots, so that a value can turn from one into the other."""
    usual = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(f"Open{kind.__name__}", (kind,), {"__slots__": (), "__module__": __name__, **usual})


def _compiled(parameters: str, lines: list[str], kind: Any, known: dict[str, Any]) -> Callable[..., Any]:
    """A function that makes an open value of `kind` and gives it back after `lines`; `dataclasses` makes its own like that.

    Its own names begin with an underscore, so that no field hides them.
    """
    space = {"_new": object.__new__, "_Open": _opened(kind), "_Kind": kind, **known}
    body = "\n    ".join(["_made = _new(_Open)", *lines, "return _made"])
    exec(f"def function({parameters}):\n    {body}", space)  # noqa: S102 - names of fields, nothing from outside
    made: Callable[..., Any] = space["function"]
    return made


H = TypeVar("H", bound="Remembering")
R = TypeVar("R")


class Remembering:
    """Room beside the fields of a frozen value; no part of its equality, its `repr`, its copies or what is stored."""

    __slots__ = ("_known",)

    _known: dict[Callable[..., Any], Any]


def remembered(make: Callable[[H], R]) -> Callable[[H], R]:
    """`make`, called once for each value: a fleet's directory is the same in every tick."""

    @wraps(make)
    def recall(value: H) -> R:
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
