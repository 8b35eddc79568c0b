"""Pulumi's property wire: protobuf structs with wrapped secrets and unknown values, to plain values and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

from spillway.adapters.engine.provider.kinds import Props

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 the mark of a secret on the wire, none itself


def plain(struct: struct_pb2.Struct) -> tuple[Props, frozenset[str]]:
    """Properties without wrappers and nulls, whole numbers as int, and the names of those that hold secrets."""
    raw = json_format.MessageToDict(struct)
    secret = frozenset(name for name, value in raw.items() if _holds_secret(value))
    return {name: _open(value) for name, value in raw.items() if value is not None}, secret


def secret_paths(struct: struct_pb2.Struct) -> frozenset[str]:
    """Where secrets stand, such as `iap.oauth2ClientSecret`; a list that holds one is secret as a whole."""
    return frozenset(_secrets(json_format.MessageToDict(struct), ""))


def _secrets(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in values.items():
        if is_secret(value) or (isinstance(value, list) and _holds_secret(value)):
            yield f"{prefix}{name}"
        elif isinstance(value, Mapping):
            yield from _secrets(value, f"{prefix}{name}.")


def struct(props: Props, secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """A struct of `props`, with the properties named in `secret` wrapped."""
    hidden = set(secret)
    wrapped = {
        name: {_SIGNATURE: _SECRET, "value": value} if name in hidden else value
        for name, value in props.items()
    }
    result = struct_pb2.Struct()
    json_format.ParseDict(wrapped, result)
    return result


def is_secret(value: Any) -> bool:
    """True for the wrapper of a secret, whether what it holds is in clear or encrypted."""
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return is_secret(value) or any(_holds_secret(part) for part in value.values())
    return isinstance(value, list) and any(_holds_secret(part) for part in value)


def _open(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET:
            return _open(value.get("value"))
        return {name: _open(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_open(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def without_secrets(props: Mapping[str, Any]) -> Props:
    """Properties as an exported state has them, but for those that hold secrets."""
    return {name: value for name, value in props.items() if not _holds_secret(value)}


def opened(props: Mapping[str, Any]) -> Props:
    """Properties as an exported state has them, without the wrappers of secrets."""
    return {name: _open(value) for name, value in props.items()}
