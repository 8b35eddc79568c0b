"""What is told about the configuration, made from the models: the reference page and the JSON Schema.

The schema is for editors: completion, descriptions, and red underlines while typing. It knows shapes, ranges and names
of keys. What must hold between keys is known to `check` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from spillway.config.anatomy import alternatives, describe, is_mapping, is_model, item_of, keys_of
from spillway.config.features import table
from spillway.config.fields import KINDS, Between, Shape, format_duration
from spillway.config.model import Config
from spillway.config.suggest import listing

_INTRODUCTION = """# Configuration

This page is made from the code by `spillway docs docs/`; a test keeps it fresh. A production configuration to begin with is
[`config/spillway.yaml`](../config/spillway.yaml); [`config/reference.yaml`](../config/reference.yaml) shows every key with a comment.

- One YAML file, or a directory whose `*.yaml` files are joined section by section; the same thing in two files is an
  error. Top-level keys that begin with `x-` are yours, for anchors.
- **Unknown keys are errors**, and so are wrong types: `"80"` is a text, not a number. `spillway check` names every
  mistake at once, each with file, line, path, and what to write instead.
- Durations are a number and a unit: `250ms`, `90s`, `40m`, `3h`, `2d`, or several: `2h30m`. Ratios and shares go from 0 to 1. Times are
  ISO with a zone: `2026-12-01T06:00:00Z`.
- Plain words are read as in YAML 1.2: only `true` and `false` are truth values; `on`, `no`, `80:43` and `010` are texts.
- Names of files are relative to the file in which they are written.
- `spillway check --schema` prints a JSON Schema for editors.

"""


def render() -> str:
    """The page, as Markdown."""
    book = _Book()
    book.add(Config, "")
    features = f"## What a load balancer can do\n\n{table()}\n"
    return _INTRODUCTION + "\n".join([features, *book.chapters])


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a whole configuration file; durations are strings with a unit."""
    made = _tidy(Config.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Spillway configuration",
        "patternProperties": {"^x-": {"description": "Yours: a home for YAML anchors."}},
    }


def _tidy(node: Any) -> Any:
    """Defaults as people write them: durations with their unit, none for whole sections; no titles made of names."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {
        key: _tidy(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
    }
    default = tidy.get("default")
    if isinstance(default, dict):
        del tidy["default"]
    elif isinstance(default, int | float) and not isinstance(default, bool) and tidy.get("type") == "string":
        tidy["default"] = format_duration(default)
    return tidy


@dataclass(slots=True)
class _Book:
    """Chapters in the order of the models; a section that occurs in several places has one chapter."""

    chapters: list[str] = field(default_factory=list)
    first: dict[type[BaseModel], str] = field(default_factory=dict)

    def add(self, model: type[BaseModel], path: str) -> None:
        self.first[model] = path
        title = f"## `{path}`" if path else "## Top level"
        rows = [
            title,
            "",
            _words(model.__doc__),
            "",
            "| key | type | default | meaning |",
            "| --- | --- | --- | --- |",
        ]
        below: list[tuple[type[BaseModel], str]] = []
        for key, info in keys_of(model).items():
            sections = list(_sections(info.annotation, f"{path}.{key}" if path else key))
            for section, place in sections:
                if section not in self.first:
                    self.first[section] = place
                    below.append((section, place))
            kind = _kind(info.annotation, info.metadata)
            if sections:
                section, _ = sections[0]
                kind = _collection(info.annotation, f"[section]({_anchor(self.first[section])})")
            rows.append(
                f"| `{key}` | {kind} | {_default(info, is_section=bool(sections))} | {_cell(describe(info))} |"
            )
        self.chapters.append("\n".join(rows) + "\n")
        for section, place in below:
            self.add(section, place)


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(path: str) -> str:
    """The anchor that common Markdown renderers give to a heading: letters, digits, hyphens and underscores."""
    return "#" + "".join(c for c in path.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _sections(annotation: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The models inside an annotation, and the path at which each stands."""
    for candidate in alternatives(annotation):
        if is_model(candidate):
            yield candidate, path
        elif (item := item_of(candidate)) is not None:
            yield from _sections(item, f"{path}.NAME" if is_mapping(candidate) else f"{path}[]")


def _collection(annotation: Any, item: str) -> str:
    if any(is_model(candidate) for candidate in alternatives(annotation)):
        is_list = any(item_of(candidate) is not None for candidate in alternatives(annotation))
        return f"{item}, or list of such" if is_list else item
    for candidate in alternatives(annotation):
        if item_of(candidate) is not None:
            return f"{item} by name" if is_mapping(candidate) else f"list of {item}"
    return item


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """What may be written, in a few words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *more = get_args(annotation)
        return _kind(base, [*more, *metadata])
    named = _named(metadata)
    if named is not None:
        return named
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{value}`" for value in annotation)
    if origin is not None and item_of(annotation) is not None:
        what = _kind(item_of(annotation), [])
        what = f"({what})" if " or " in what else what
        return f"{what}, by name" if is_mapping(annotation) else f"list of {what}"
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if arguments:
        return " or ".join(dict.fromkeys(_kind(argument, metadata) for argument in arguments))
    words = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}
    return words.get(annotation, str(annotation)) + _range(metadata)


def _named(metadata: list[Any]) -> str | None:
    """A kind of our own: a duration, a port, a name of some shape."""
    for entry in metadata:
        if isinstance(entry, Shape):
            return entry.what.removeprefix("a ").removeprefix("the ")
        if isinstance(entry, BeforeValidator | AfterValidator) and entry.func in KINDS:
            spans = [e for e in metadata if isinstance(e, Between)]
            return KINDS[entry.func] + "".join(
                f", {s.low} to {s.high}{', whole seconds' if s.whole else ''}" for s in spans
            )
    return None


def _range(metadata: list[Any]) -> str:
    parts: list[str] = []
    for entry in metadata:
        if isinstance(entry, Ge):
            parts.append(f"at least {entry.ge}")
        elif isinstance(entry, Gt):
            parts.append(f"more than {entry.gt}")
        elif isinstance(entry, Le):
            parts.append(f"at most {entry.le}")
        elif isinstance(entry, Lt):
            parts.append(f"less than {entry.lt}")
        elif isinstance(entry, MinLen | MaxLen):
            continue  # the number of characters or entries is said where it is exceeded
    return f", {listing(parts)}" if parts else ""


def _default(info: FieldInfo, *, is_section: bool) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    if is_section and (isinstance(value, BaseModel) or is_dataclass(value)):
        section: Any = type(value)
        usual = section()
        (model,) = alternatives(section)
        own = [
            f"`{entry.alias or name}: {getattr(value, name)}`"
            for name, entry in model.model_fields.items()
            if getattr(value, name) != getattr(usual, name)
        ]
        return ", ".join(own) or "as below"
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if is_section:
        return "one called `default`"
    if isinstance(value, float) and "duration" in _kind(info.annotation, info.metadata):
        return f"`{format_duration(value)}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(repr, value))}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
