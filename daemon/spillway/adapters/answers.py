"""JSON answers of Google's REST APIs: parsed within bounds, and their fields read with the type that the API documents.

What an answer holds was written by somebody else. A field of another type, a number that is none, and a list that is no list
are said in words (`ShapeError`), so that a read becomes missing data with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NoReturn

_VALUES_MAX = 1_000_000
"""Values in one answer. A page of 500 backend services with 50 backends each has some 250,000."""
_TEXT_MAX = 4096
"""Characters of one field. A page token is the longest field that is read; a URL of a group has some 200."""
_QUOTED_MAX = 100
"""Characters that a sentence quotes."""

Object = Mapping[str, object]


class ShapeError(ValueError):
    """An answer has not the shape that the API documents, or is larger than Spillway reads. The message is a clause."""


def parse(body: bytes) -> Object:
    """The object that a body holds. The caller has bounded its size.

    Raises:
        ShapeError: it is no JSON object, nested too deep, or has too many values.
    """
    if not body.strip():
        raise ShapeError("it is empty")
    # every value but the first stands behind one of these bytes; those in strings make the estimate too large only
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _VALUES_MAX:
        raise ShapeError(f"it has more than {_VALUES_MAX:,} values, the most that Spillway reads")
    try:
        found = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except ShapeError:
        raise
    except RecursionError:
        raise ShapeError("it is nested deeper than the parser follows") from None
    except UnicodeDecodeError:
        raise ShapeError("it is no UTF-8") from None
    except ValueError:
        raise ShapeError(f"it is no JSON: {quoted(body[:_QUOTED_MAX].decode(errors='replace'))}") from None
    if not isinstance(found, dict):
        raise ShapeError(f"it is {_kind(found)}, not a JSON object")
    return found


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """One object of an answer.

    Raises:
        ShapeError: it has a key twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ShapeError("an object has a key twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ShapeError(f"it holds {text}, which JSON does not have")


def quoted(text: str) -> str:
    """The beginning of a text of somebody else, for a sentence."""
    return repr(text[:_QUOTED_MAX]) + ("..." if len(text) > _QUOTED_MAX else "")


def objects(where: Object, key: str) -> Sequence[Object]:
    """The objects in a list; none where the field is left out, as Google's APIs leave out empty lists.

    Raises:
        ShapeError: it is no list, or something else is in it.
    """
    found: list[Object] = []
    for item in _items(where, key):
        if not isinstance(item, dict):
            raise ShapeError(f"{key} holds {_kind(item)} where an object belongs")
        found.append(item)
    return found


def texts(where: Object, key: str) -> Sequence[str]:
    """The texts in a list; as `objects`."""
    found: list[str] = []
    for item in _items(where, key):
        if not isinstance(item, str):
            raise ShapeError(f"{key} holds {_kind(item)} where a text belongs")
        found.append(item)
    return found


def _items(where: Object, key: str) -> list[object]:
    found = where.get(key, [])
    if not isinstance(found, list):
        raise ShapeError(f"{key} is {_kind(found)}, not a list")
    return found


def part(where: Object, key: str) -> Object:
    """An object; an empty one where the field is left out.

    Raises:
        ShapeError: it is no object.
    """
    found = where.get(key, {})
    if not isinstance(found, dict):
        raise ShapeError(f"{key} is {_kind(found)}, not an object")
    return found


def text(where: Object, key: str, default: str | None = None) -> str:
    """A text; `default` where the field is left out.

    Raises:
        ShapeError: it is no text or too long, or it is left out or empty and has no default.
    """
    found = where.get(key, default)
    if found is None and key not in where:
        raise ShapeError(f"{key} is left out")
    if not isinstance(found, str):
        raise ShapeError(f"{key} is {_kind(found)}, not a text")
    if not found and default is None:
        raise ShapeError(f"{key} is empty")
    if len(found) > _TEXT_MAX:
        raise ShapeError(f"{key} is longer than {_TEXT_MAX} characters, the most that Spillway reads")
    return found


def number(where: Object, key: str, default: float, *, most: float) -> float:
    """A number from 0 to `most`; `default` where the field is left out.

    Raises:
        ShapeError: it is no number, or another one.
    """
    found = where.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ShapeError(f"{key} is {_kind(found)}, not a number")
    if not 0 <= found <= most or not isfinite(found):
        raise ShapeError(f"{key} is not from 0 to {most:g}")
    return float(found)


def truth(where: Object, key: str, *, default: bool) -> bool:
    """True or false; `default` where the field is left out.

    Raises:
        ShapeError: it is neither.
    """
    found = where.get(key, default)
    if not isinstance(found, bool):
        raise ShapeError(f"{key} is {_kind(found)}, not true or false")
    return found


def _kind(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    names = {bool: "a truth value", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
