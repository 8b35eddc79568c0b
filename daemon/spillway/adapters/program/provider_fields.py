"""Every property that the pinned provider has for a kind of resource, from its classes' own argument tables.

Nothing here is a list by hand: a new version of the package brings its new properties along. Paths are camelCase, as
`ignore_changes` wants them; a path in snake case has no effect there (measured).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a type: its names, and what it holds."""

    python: str
    """As the classes' constructors take it."""
    name: str
    """As Pulumi's wire and the state have it."""
    inside: type | None
    """The type of the object, or of each element of the list, where it holds such; None for plain values."""
    is_list: bool

    @property
    def is_open(self) -> bool:
        """True if others may own fields inside: an object that is not one value, such as a duration."""
        return self.inside is not None and not self.is_list and not _is_duration(self.inside)


@cache
def fields_of(arguments: type) -> Mapping[str, Field]:
    """The fields of one of the package's argument classes, by their names on the wire."""
    types = input_type_types(arguments)
    found = {}
    for python, name in input_type_py_to_pulumi_names(arguments).items():
        inside, is_list = _inside(types.get(name))
        found[name] = Field(python=python, name=name, inside=inside, is_list=is_list)
    return found


def arguments_of(resource: type) -> type:
    """The argument class that belongs to a resource class."""
    found: type = getattr(sys.modules[resource.__module__], f"{resource.__name__}Args")
    return found


def class_of(token: str) -> Any:
    """The package's class of a type token such as `gcp:compute/backendService:BackendService`."""
    from spillway.adapters.program import sdk

    _, place, name = token.split(":")
    return getattr(getattr(sdk, place.partition("/")[0]), name)


def unnamed(resource: type, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of all properties that a declaration does not speak of, sorted.

    Args:
        resource: the resource's class.
        arguments: the declaration's keywords. One that is None is spoken of: the program wants nothing there.
    """
    return tuple(sorted(_unnamed(arguments_of(resource), arguments, "")))


def every_property(resource: type) -> tuple[str, ...]:
    """All properties at the top of a resource, sorted."""
    return tuple(sorted(fields_of(arguments_of(resource))))


def keywords(arguments: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their names on the wire as keywords of an argument class; what the class does not have is left out."""
    known = fields_of(arguments)
    return {
        known[name].python: _argument(known[name], value) for name, value in values.items() if name in known
    }


def extra_keywords(arguments: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their names in Python as keywords of an argument class; sections inside become classes.

    Raises:
        KeyError: the class has no such argument; `check` refuses such a configuration.
    """
    known = {field.python: field for field in fields_of(arguments).values()}
    return {name: _extra(known[name], value) for name, value in values.items()}


def extra_properties(arguments: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The same by their names on the wire, as plain values.

    Raises:
        KeyError: the class has no such argument; `check` refuses such a configuration.
    """
    known = {field.python: field for field in fields_of(arguments).values()}
    return {known[name].name: _extra_property(known[name], value) for name, value in values.items()}


def _extra_property(field: Field, value: Any) -> Any:
    if field.inside is None:
        return value
    if isinstance(value, Mapping):
        return extra_properties(field.inside, value)
    return [extra_properties(field.inside, part) for part in value]


def _extra(field: Field, value: Any) -> Any:
    if field.inside is None:
        return value
    if isinstance(value, Mapping):
        return field.inside(**extra_keywords(field.inside, value))
    return [field.inside(**extra_keywords(field.inside, part)) for part in value]


def _argument(field: Field, value: Any) -> Any:
    if field.inside is None:
        return value
    if isinstance(value, Mapping):
        return field.inside(**keywords(field.inside, value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [field.inside(**keywords(field.inside, part)) for part in value]
    return value


def _unnamed(arguments: type, given: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for field in fields_of(arguments).values():
        path = f"{prefix}{field.name}"
        if field.python not in given:
            yield path
        elif field.inside is not None and field.is_open and is_input_type(type(given[field.python])):
            yield from _unnamed(field.inside, vars(given[field.python]), f"{path}.")


def _inside(annotation: Any) -> tuple[type | None, bool]:
    """The argument class in an annotation, and whether a list holds it."""
    if isinstance(annotation, type) and is_input_type(annotation):
        return annotation, False
    found = next((part for part in _parts(get_args(annotation)) if is_input_type(part)), None)
    return found, found is not None


def _parts(annotations: Iterable[Any]) -> Iterator[type]:
    for annotation in annotations:
        if isinstance(annotation, type):
            yield annotation
        yield from _parts(get_args(annotation))


def _is_duration(arguments: type) -> bool:
    return set(fields_of(arguments)) == {"seconds", "nanos"}
