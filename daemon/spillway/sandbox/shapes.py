"""Shapes of request bodies from the published schemas.

What the documents say in words alone is added: which texts are references, and within which bounds numbers lie.
"""

from __future__ import annotations

from collections.abc import Mapping

from spillway.published.schemas import Field, fields
from spillway.sandbox.schema import Choice, ListOf, MapOf, Obj, Scalar, Shape

_SCALARS = {
    "string": Scalar("string"),
    "boolean": Scalar("boolean"),
    "int32": Scalar("int32", low=-(2**31), high=2**31 - 1),
    "uint32": Scalar("int32", low=0, high=2**32 - 1),
    "int64": Scalar("int64"),
    "uint64": Scalar("int64", low=0),
    "double": Scalar("number"),
    "bytes": Scalar("bytes"),
}


def published(schema: str, own: Mapping[str, Shape] | None = None, *, unmodelled: str = "") -> Obj:
    """The shape of a published schema.

    Args:
        schema: its name in the documents.
        own: shapes that take the place of the published ones, by path; the elements of a list stand at the list's path, and
            `backends.capacityScaler` is in each of them. A shape for a field that may repeat is that of the whole list.
        unmodelled: paths of fields, between spaces, that the sandbox refuses because it does not imitate them.

    Raises:
        ValueError: a path leads to no published field.
    """
    own = own or {}
    refused = frozenset(unmodelled.split())
    seen: set[str] = set()
    shape = _object(schema, "", own, refused, seen)
    if strangers := sorted({*own, *refused} - seen):
        raise ValueError(f"{schema} does not have {', '.join(strangers)}")
    return shape


def _object(
    schema: str, prefix: str, own: Mapping[str, Shape], refused: frozenset[str], seen: set[str]
) -> Obj:
    shapes: dict[str, Shape] = {}
    unmodelled, outputs = set(), set()
    for name, field in fields(schema).items():
        path = f"{prefix}{name}"
        seen.add(path)
        if path in refused:
            unmodelled.add(name)
        elif path in own:
            shapes[name] = own[path]
        elif field.output_only:
            outputs.add(name)
        else:
            shapes[name] = _shape(field, path, own, refused, seen)
    return Obj(shapes, unmodelled=frozenset(unmodelled), outputs=frozenset(outputs))


def _shape(
    field: Field, path: str, own: Mapping[str, Shape], refused: frozenset[str], seen: set[str]
) -> Shape:
    item: Shape
    if field.schema:
        item = _object(field.schema, f"{path}.", own, refused, seen)
    elif field.names:
        item = Choice(field.names)
    else:
        item = _SCALARS[field.type]
    if field.is_list:
        return ListOf(item)
    return MapOf(item) if field.is_map else item


def under(place: str, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes by their paths below a place."""
    return {f"{place}.{path}": shape for path, shape in shapes.items()}
