"""The published schemas of the resources that Spillway deals with, from a file that is trimmed out of Google's documents.

`python -m tests.sandbox.trim` writes the file anew from the discovery documents inside google-api-python-client; a test
compares the two. Nothing here is needed from that package while Spillway runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("schemas.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What one field holds: a plain value, an object, or a list or table of either."""

    type: str = ""
    """`string boolean int32 uint32 int64 uint64 double bytes any`; empty for an object."""
    names: tuple[str, ...] = ()
    """All that a text of few values may be."""
    schema: str = ""
    """Name of an object's schema."""
    is_list: bool = False
    is_map: bool = False
    """An object with free names."""
    output_only: bool = False
    """Set by the API alone."""


@cache
def fields(schema: str) -> Mapping[str, Field]:
    """The fields of a schema by name.

    Raises:
        KeyError: the file does not have this schema.
    """
    return {name: _field(given) for name, given in _document()[schema].items()}


def field_of(schema: str, argument: str) -> Field | None:
    """The field that an argument of the provider stands for, by its name in Python; None where the schema has none.

    The provider writes `enable_cdn` for `enableCDN`, and lists in the plural.
    """
    wanted = argument.replace("_", "").lower()
    for name, field in fields(schema).items():
        if wanted == name.lower() or (field.is_list and wanted.rstrip("s") == name.lower().rstrip("s")):
            return field
    return None


@cache
def _document() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["schemas"]
    return found


def _field(given: str | list[str] | dict[str, Any]) -> Field:
    """A field as the file has it: a type, a list of names, or a table with `list`, `map`, `ref` and `output`."""
    if isinstance(given, str):
        return Field(type=given)
    if isinstance(given, list):
        return Field(type="string", names=tuple(given))
    output = bool(given.get("output"))
    if "ref" in given:
        return Field(schema=given["ref"], output_only=output)
    if "of" in given:
        inner = _field(given["of"])
        return Field(
            type=inner.type,
            names=inner.names,
            schema=inner.schema,
            is_list=given["in"] == "list",
            is_map=given["in"] == "map",
            output_only=output,
        )
    inner = _field(given["is"])
    return Field(type=inner.type, names=inner.names, output_only=output)
