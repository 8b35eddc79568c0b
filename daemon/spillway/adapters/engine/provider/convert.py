"""Properties as Pulumi names them to fields of the API and back, by the published schemas.

The provider's names differ from the API's by a rule: `enableCdn` is `enableCDN`, and lists stand in the plural
(`requestHeadersToAdds` is `requestHeadersToAdd`). What differs otherwise is given as `renamed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spillway.adapters.engine.provider.kinds import Props, singular
from spillway.adapters.program.provider_fields import fields_of
from spillway.errors import PermanentError
from spillway.published.schemas import Field, fields

Body = dict[str, Any]
Names = Mapping[str, str]
"""Paths of properties to the names of the API's fields, such as `logConfig.requestHeaders` to `loggingHttpRequestHeaders`."""


def to_body(schema: str, props: Mapping[str, Any], renamed: Names | None = None, at: str = "") -> Body:
    """Properties as fields of a published schema; what is None is left out.

    Args:
        schema: name of the published schema.
        props: by the provider's names.
        renamed: for properties whose field has another name than the rule gives.
        at: path of `props` in the resource, with a dot at its end.

    Raises:
        PermanentError: the API has no such field, so that it could not be sent.
    """
    known = fields(schema)
    body: Body = {}
    for name, value in props.items():
        if value is None:
            continue
        path = f"{at}{name}"
        field = field_name(schema, name, (renamed or {}).get(path))
        if field is None:
            raise PermanentError(
                f"the embedded engine cannot send {path}: {schema} has no such field",
                remedy="Leave it out, or use the real gcp plugin (`spillway setup`).",
            )
        body[field] = _value(known[field], value, renamed, f"{path}.")
    return body


def to_props(
    schema: str, body: Mapping[str, Any], arguments: type, renamed: Names | None = None, at: str = ""
) -> Props:
    """Those fields that the provider has a property for, by its names.

    Args:
        schema: name of the published schema.
        body: as the API answers it.
        arguments: the provider's class of arguments.
        renamed: as for `to_body`.
        at: path of the result in the resource, with a dot at its end.
    """
    props: Props = {}
    published = fields(schema)
    for name, given in fields_of(arguments).items():
        path = f"{at}{name}"
        field = field_name(schema, name, (renamed or {}).get(path))
        if field is None or body.get(field) is None:
            continue
        value, inner = body[field], published[field].schema
        if given.inside is not None and inner and isinstance(value, Mapping):
            value = to_props(inner, value, given.inside, renamed, f"{path}.")
        elif given.inside is not None and inner and isinstance(value, list):
            value = [to_props(inner, item, given.inside, renamed, f"{path}.") for item in value]
        props[name] = value
    return props


def field_name(schema: str, name: str, renamed: str | None = None) -> str | None:
    """The API's field that a property stands for; None where there is none."""
    known = fields(schema)
    if renamed is not None:
        return renamed
    if name in known:
        return name
    wanted = name.lower()
    for field, what in known.items():
        if field.lower() == wanted or (what.is_list and singular(field) == singular(name)):
            return field
    return None


def _value(field: Field, value: Any, renamed: Names | None, at: str) -> Any:
    if field.schema and isinstance(value, Mapping):
        return to_body(field.schema, value, renamed, at)
    if field.is_list and isinstance(value, Sequence) and not isinstance(value, str):
        return [
            to_body(field.schema, item, renamed, at) if field.schema and isinstance(item, Mapping) else item
            for item in value
        ]
    return value  # 64-bit numbers too go as the provider has them (measured: `seconds` of outlier detection as a number)
