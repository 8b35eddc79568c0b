"""Shapes of request bodies: which fields, of which type, with which references.

A shape checks a body and brings it to one form (64-bit integers as strings, references as relative names, enumeration
numbers as names, nulls left out). A test holds every shape against the published discovery documents.
"""

from __future__ import annotations

import base64
import binascii
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spillway.sandbox import links
from spillway.sandbox.refusals import invalid, unknown_field, unmodelled

type_names = {
    "string": "TYPE_STRING",
    "boolean": "TYPE_BOOL",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "number": "TYPE_FLOAT",
    "bytes": "TYPE_BYTES",
}
_WHOLE = re.compile(r"^-?[0-9]+$")


class Shape(ABC):
    """What a value may look like."""

    @abstractmethod
    def read(self, value: Any, path: str, project: str) -> Any:
        """Check a value and return it in the sandbox's own form.

        Args:
            value: what the body holds; never None.
            path: where it stands, counted from `resource`.
            project: completes references that start at their scope.

        Raises:
            Refusal: the value is of another shape; the sentence names the place.
        """

    def links(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """All references in a value that was read: (place, relative name)."""
        del value, path
        return iter(())

    def show(self, value: Any, version: str) -> Any:
        """The value as the API answers it."""
        del version
        return value


@dataclass(frozen=True, slots=True)
class Scalar(Shape):
    """A string, a truth value or a number within bounds."""

    type: str
    low: float | None = None
    high: float | None = None
    pattern: str | None = None

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take what the API takes: whole numbers also as strings, as JSON of protobuf messages writes them."""
        del project
        result: Any = _CASTS[self.type](value)
        if result is None:
            raise invalid(path, value, f"The value must be of type {type_names[self.type]}.")
        number = int(result) if self.type == "int64" else result
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise invalid(path, value, f"Value must be {_bounds(self.low, self.high)}.")
        if self.pattern is not None and not re.fullmatch(self.pattern, result):
            raise invalid(path, value, f"Must be a match of regex '{self.pattern}'")
        return result


def _bounds(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low:g}"
    return f"at most {high:g}" if low is None else f"between {low:g} and {high:g}"


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _int32(value: Any) -> int | None:
    if isinstance(value, str) and _WHOLE.match(value):
        value = int(value)
    number = _number(value)
    return int(number) if number is not None and number == int(number) and abs(number) <= 2**32 else None


def _int64(value: Any) -> str | None:
    if isinstance(value, str):
        return value if _WHOLE.match(value) else None
    number = _number(value)
    return str(int(number)) if number is not None and number == int(number) else None


def _bytes(value: Any) -> str | None:
    """Base64 in the web-safe alphabet, as `format: byte` of the documents has it; also from the standard one."""
    try:
        raw = base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (AttributeError, binascii.Error, ValueError):
        return None
    return base64.urlsafe_b64encode(raw).decode()


_CASTS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "boolean": _boolean,
    "number": _number,
    "int32": _int32,
    "int64": _int64,
    "bytes": _bytes,
}


@dataclass(frozen=True, slots=True)
class Choice(Shape):
    """One of a few names. `numbers` maps the protobuf numbers that a client may send instead."""

    names: tuple[str, ...]
    numbers: Mapping[int, str] = field(default_factory=dict)

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take a name, or a known number."""
        del project
        name = self.numbers.get(value, value) if isinstance(value, int) else value
        if name not in self.names:
            raise invalid(path, value, f"Must be one of [{', '.join(self.names)}].")
        return name


@dataclass(frozen=True, slots=True)
class Link(Shape):
    """A reference to a resource of one of these collections; kept as its relative name."""

    collections: tuple[str, ...]

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take a URL or a relative name."""
        key = links.parse(value, project) if isinstance(value, str) else None
        if key is None:
            raise invalid(path, value, "The URL is malformed.")
        if key.collection not in self.collections:
            raise invalid(path, value, f"The URL must refer to one of [{', '.join(self.collections)}].")
        return key.path

    def links(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """The one reference."""
        yield path, value

    def show(self, value: Any, version: str) -> Any:
        """The full URL; policies of Network Services keep the form without a version that clients send."""
        if "/locations/" in value:
            return f"//networkservices.googleapis.com/{value}"
        return links.url(value, version)


@dataclass(frozen=True, slots=True)
class ListOf(Shape):
    """An array of one shape, of at most `most` items."""

    item: Shape
    most: int | None = None

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take each item."""
        if not isinstance(value, list):
            raise invalid(path, value, "The value must be an array.")
        if self.most is not None and len(value) > self.most:
            raise invalid(path, len(value), f"At most {self.most} values are allowed.")
        return [self.item.read(item, f"{path}[{at}]", project) for at, item in enumerate(value)]

    def links(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """The references of all items."""
        for at, item in enumerate(value):
            yield from self.item.links(item, f"{path}[{at}]")

    def show(self, value: Any, version: str) -> Any:
        """Each item as the API answers it."""
        return [self.item.show(item, version) for item in value]


@dataclass(frozen=True, slots=True)
class MapOf(Shape):
    """An object with free names, such as labels."""

    item: Shape

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take each entry."""
        if not isinstance(value, dict):
            raise invalid(path, value, "The value must be an object.")
        return {
            name: self.item.read(item, f"{path}.{name}", project)
            for name, item in value.items()
            if item is not None
        }


@dataclass(frozen=True, slots=True)
class Obj(Shape):
    """An object with these fields; `unmodelled` names fields of the real API that are refused with their own words."""

    fields: Mapping[str, Shape]
    unmodelled: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    """Fields that the API sets: clients send them back, and the API ignores them."""

    def read(self, value: Any, path: str, project: str) -> Any:
        """Take each field; null means that it is left out, and so does what is empty where the field is not modelled."""
        if not isinstance(value, dict):
            raise invalid(path, value, "The value must be an object.")
        result = {}
        for name, item in value.items():
            if name in self.outputs:
                continue
            if name not in self.fields and name not in self.unmodelled:
                raise unknown_field(path, name)
            if item is None:
                continue
            if name in self.unmodelled:
                if item in ([], {}):
                    continue
                raise unmodelled(f"{path}.{name}")
            result[name] = self.fields[name].read(item, f"{path}.{name}", project)
        return result

    def links(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """The references of all fields."""
        for name, item in value.items():
            if name in self.fields:
                yield from self.fields[name].links(item, f"{path}.{name}")

    def show(self, value: Any, version: str) -> Any:
        """Each field as the API answers it."""
        return {
            name: self.fields[name].show(item, version) if name in self.fields else item
            for name, item in value.items()
        }


STRING = Scalar("string")
BOOLEAN = Scalar("boolean")
INT = Scalar("int32")
NUMBER = Scalar("number")
BYTES = Scalar("bytes")
RATIO = Scalar("number", low=0, high=1)
PORT = Scalar("int32", low=1, high=65535)
STRINGS = ListOf(STRING)
LABELS = MapOf(STRING)
DURATION = Obj(
    {"seconds": Scalar("int64", low=0, high=315576000000), "nanos": Scalar("int32", low=0, high=999999999)}
)


def whole(low: int, high: int | None = None) -> Scalar:
    """A whole number within bounds."""
    return Scalar("int32", low=low, high=high)


def choice(names: str) -> Choice:
    """One of the words of `names`."""
    return Choice(tuple(names.split()))


def words(names: str) -> frozenset[str]:
    """The words of `names` as a set."""
    return frozenset(names.split())


def merge(target: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7396): objects merge, null removes, everything else (arrays too) replaces."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            old = result.get(name)
            result[name] = merge(old if isinstance(old, dict) else {}, value)
        else:
            result[name] = value
    return result
