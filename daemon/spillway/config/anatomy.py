"""Finding one's way in a model: which section and which field a location belongs to."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from spillway.config.derived import model_of
from spillway.config.tree import Location


def alternatives(annotation: Any) -> Iterator[Any]:
    """The types that an annotation admits, without `Annotated`, `Union` and None; for a plain dataclass its model."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for part in get_args(annotation):
            yield from alternatives(part)
    elif isinstance(annotation, type) and is_dataclass(annotation):
        yield model_of(annotation)
    elif annotation is not type(None):
        yield annotation


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a section by the keys that people write: `for` where the field itself has to be `lasts`."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def is_model(annotation: Any) -> bool:
    """True for a pydantic model, that is a section with keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def item_of(annotation: Any) -> Any | None:
    """What a list or a mapping by name holds; None for anything else."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin in {dict, Mapping} or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return arguments[1]
    if isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset):
        return arguments[0]
    return None


def is_mapping(annotation: Any) -> bool:
    """True for a mapping by name, such as `services`."""
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _step(candidates: list[Any], part: str | int) -> list[Any]:
    following: list[Any] = []
    for candidate in candidates:
        if is_model(candidate):
            if isinstance(part, str) and (found := keys_of(candidate).get(part)) is not None:
                following.extend(alternatives(found.annotation))
        elif (item := item_of(candidate)) is not None:
            following.extend(alternatives(item))
    return following


def sections_at(model: type[object], location: Location) -> list[type[BaseModel]]:
    """The models that may stand at `location`: several where a union leaves the choice."""
    candidates = list(alternatives(model))
    for part in location:
        candidates = _step(candidates, part)
    return [candidate for candidate in candidates if is_model(candidate)]


def section_at(model: type[object], location: Location, data: Any) -> type[BaseModel] | None:
    """The model at `location`; of several the one that `data` resembles most in its keys and its fixed words."""
    given = data if isinstance(data, dict) else {}

    def resemblance(section: type[BaseModel]) -> tuple[int, int]:
        known = {key: info for key, info in keys_of(section).items() if key in given}
        words = [key for key, info in known.items() if given[key] in _words(info.annotation)]
        return len(words), len(known)

    return max(sections_at(model, location), key=resemblance, default=None)


def _words(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def field_at(model: type[object], location: Location) -> FieldInfo | None:
    """The field behind `location`; for an item of a list or mapping, the field that holds the collection."""
    for length in range(len(location), 0, -1):
        name = location[length - 1]
        for section in sections_at(model, location[: length - 1]):
            if isinstance(name, str) and name in (keys := keys_of(section)):
                return keys[name]
    return None


def describe(field: FieldInfo | None) -> str:
    """What a field means, in the words of its docstring; of a section, those of its model."""
    if field is None:
        return ""
    if field.description:
        return " ".join(field.description.split())
    for candidate in alternatives(field.annotation):
        if is_model(candidate) and candidate.__doc__:
            return " ".join(candidate.__doc__.split())
    return ""
