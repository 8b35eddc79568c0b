"""Checking what was read against a model: all mistakes at once, each with its place and its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import cache
from itertools import groupby
from typing import Annotated, Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from spillway.config.anatomy import keys_of, section_at
from spillway.config.derived import Plain
from spillway.config.source import Source
from spillway.config.suggest import suggestion
from spillway.config.tree import Location
from spillway.config.words import explain
from spillway.errors import Problem

T = TypeVar("T")


def check_model(model: type[T], source: Source) -> tuple[T | None, tuple[Problem, ...]]:
    """The instance that `source` describes, and all that is wrong with it.

    The instance is None if there is any problem. Types are strict: a number in quotes is no number.
    """
    if source.data is None:
        return None, in_order(source.problems)
    instance, errors = validate(model, source.data)
    if not errors:
        return (None if source.problems else instance), in_order(source.problems)
    meant = {
        meant_key(model, source.data, locate(e, source.data))
        for e in errors
        if e["type"] == "extra_forbidden"
    }
    problems = [
        _problem(error, model, source) for error in errors if not _follows(error, errors, source, meant)
    ]
    return None, in_order((*source.problems, *problems))


def _follows(
    error: ErrorDetails, errors: list[ErrorDetails], source: Source, meant: set[Location | None]
) -> bool:
    """True for what only follows from another mistake that is named already."""
    at = locate(error, source.data)
    if error["type"] == "missing":  # it is there, under a misspelt key
        return at in meant
    if error["type"] == "too_short":  # pydantic counts only the entries without mistakes
        inner = [locate(other, source.data) for other in errors]
        return any(len(place) > len(at) and place[: len(at)] == at for place in inner)
    return False


def meant_key(model: type[object], data: Any, at: Location) -> Location | None:
    """The location that the unknown key at `at` was most likely meant for; None if something stands there too."""
    section = section_at(model, at[:-1], look_up(data, at[:-1]))
    meant = suggestion(str(at[-1]), keys_of(section)) if section is not None else None
    if meant is None or look_up(data, (*at[:-1], meant)) is not None:
        return None
    return (*at[:-1], meant)


def validate(model: type[T], data: Any) -> tuple[T | None, list[ErrorDetails]]:
    """The instance of a model or plain dataclass, or pydantic's errors.

    JSON carries the data: strict, but lists may become tuples there.
    """
    section: Any = model
    adapter: TypeAdapter[T] = _adapter(section)
    try:
        return adapter.validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


@cache
def _adapter(section: Any) -> TypeAdapter[Any]:
    """What validates a section: a model by itself, a plain dataclass through the model that is made from it."""
    annotation: Any = Annotated[section, Plain()] if is_dataclass(section) else section
    return TypeAdapter(annotation)


def locate(error: ErrorDetails, data: Any) -> Location:
    """Where in the data an error lies: pydantic's own path without the names of unions, tags and validators."""
    found: list[str | int] = []
    current = data
    for part in error["loc"]:
        if (isinstance(current, dict) and part in current) or (
            isinstance(current, list) and isinstance(part, int) and 0 <= part < len(current)
        ):
            found.append(part)
            current = look_up(current, (part,))
    if error["type"] == "missing":
        found.append(error["loc"][-1])
    if error["type"] == "union_tag_not_found":
        found.append(str(error.get("ctx", {}).get("discriminator", "")).strip("'"))
    if error["type"] == "union_tag_invalid":
        key = str(error.get("ctx", {}).get("discriminator", "")).strip("'")
        if isinstance(current, dict) and key in current:
            found.append(key)
    return tuple(found)


def look_up(data: Any, location: Location) -> Any:
    """The value at `location`, or None."""
    for part in location:
        if isinstance(data, dict):
            data = data.get(str(part))
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _problem(error: ErrorDetails, model: type[object], source: Source) -> Problem:
    at = locate(error, source.data)
    message, remedy = explain(error, model=model, at=at, around=look_up(source.data, at[:-1]))
    return source.problem(at, message, remedy)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems by file and line, each once; what an anchor brings in at several paths is one, at the first of them."""
    found: dict[tuple[str, ...], Problem] = {}
    for p in problems:
        where = p.origin or f"{p.line} {p.path}"
        found.setdefault((p.file, where, p.message, p.remedy), p)
    return tuple(sorted(found.values(), key=lambda p: (p.file, p.line, p.path, p.message)))


def render_problems(problems: Iterable[Problem], *, noun: str = "problem") -> str:
    """Problems as people read them: by file, each with its line and path, what is wrong, what to write, and a count."""
    listed = in_order(problems)
    if not listed:
        return f"no {noun}s"
    lines: list[str] = []
    for file, group in groupby(listed, key=lambda p: p.file):
        for problem in group:
            where = f"{file}:{problem.line}" if problem.line else file
            lines += [f"{where}  {problem.path}", f"    {_capital(problem.message)}"]
            if problem.remedy:
                lines.append(f"    -> {_capital(problem.remedy)}")
        lines.append("")
    files = len({p.file for p in listed})
    return "\n".join([*lines, f"{counted(len(listed), noun)} in {counted(files, 'file')}"])


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _capital(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text if not first.isalpha() else text[:1].upper() + text[1:]
