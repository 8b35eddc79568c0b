"""Sections that the core defines as plain dataclasses: the pydantic models that check and describe them.

The core may not import pydantic. It says of each field what it means and what it may be (`core.values.policy.Spec`).
`model_of` makes a pydantic model from that. Validation, JSON Schema, reference page and messages use this model like any
other section. What it accepts becomes an instance of the dataclass, so the rest of the program sees the core's values.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import Field as PlainField
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from annotated_types import MinLen
from pydantic import BaseModel, Field, GetCoreSchemaHandler, WithJsonSchema, create_model
from pydantic_core import CoreSchema, core_schema

from spillway.config.fields import Between, Duration, Model, RegionName, Time, format_duration
from spillway.core.values.policy import Spec, ValueKind


@dataclass(frozen=True, slots=True)
class Plain:
    """Marks a plain dataclass in an annotation: pydantic checks it by its model and returns the dataclass."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def build(checked: BaseModel) -> object:
            return source(**{field.name: getattr(checked, field.name) for field in fields(source)})

        return core_schema.no_info_after_validator_function(build, handler.generate_schema(model_of(source)))


@cache
def model_of(plain: type[object]) -> type[Model]:
    """Make the model of a plain dataclass: its defaults, ranges and meanings, under the keys that users write."""
    hints = get_type_hints(plain, include_extras=True)
    definitions: dict[str, Any] = {
        field.name: _definition(field, hints[field.name])
        for field in fields(plain)  # type: ignore[arg-type]  # `type[object]` stands for any dataclass
    }
    return create_model(
        f"{plain.__name__}Config", __base__=Model, __doc__=_for_users(plain.__doc__), **definitions
    )


def _for_users(text: str | None) -> str:
    """The first paragraph of a docstring; what follows is for developers."""
    return (text or "").partition("\n\n")[0]


def _definition(field: PlainField[Any], hint: Any) -> tuple[Any, Any]:
    """Type and pydantic's description of one field. A section has no `Spec`: its own docstring describes it."""
    kind, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    spec = next((entry for entry in said if isinstance(entry, Spec)), None)
    given: dict[str, Any] = {}
    if field.default is not MISSING:
        given["default"] = field.default
    elif field.default_factory is not MISSING:
        given["default_factory"] = field.default_factory
    if spec is None:
        return _annotation(kind, None), Field(**given)
    return _annotation(kind, spec), Field(alias=spec.key, description=spec.meaning, **given)


def _annotation(kind: Any, spec: Spec | None) -> Any:
    """The type that pydantic checks, with its range."""
    if is_dataclass(kind):
        return Annotated[kind, Plain()]
    if get_origin(kind) is tuple:
        item, _ = get_args(kind)
        return tuple[_annotation(item, None), ...]  # type: ignore[misc]  # computed, not written
    if spec is None:
        return kind
    written = _written(kind, spec)
    return written | None if type(None) in get_args(kind) else written


def _written(kind: Any, spec: Spec) -> Any:
    """The type of a single value, as users write it.

    Raises:
        TypeError: a duration without bounds.
    """
    if spec.kind is ValueKind.TIME:
        return Time
    if spec.kind is ValueKind.REGION:
        return RegionName
    if spec.kind is ValueKind.DURATION:
        if spec.least is None or spec.most is None:
            raise TypeError(f"a duration has two bounds; give least and most: {spec.meaning}")
        return Annotated[Duration, Between(format_duration(spec.least), format_duration(spec.most))]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Annotated[kind, WithJsonSchema({"type": "string", "enum": [str(word) for word in kind]})]
    if kind is str and spec.least is not None:
        return Annotated[str, MinLen(int(spec.least))]
    return Annotated[kind, Field(ge=spec.least, gt=spec.above, le=spec.most, lt=spec.below)]
