"""Field types of the configuration: durations, times, ratios, scalers, ports, addresses, names.

A validator raises `ValueError("what is wrong; what to write instead")`: `config.words` splits the sentence at the
semicolon into a problem's message and its remedy.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from spillway.core.values.topology import is_legal_scaler

T = TypeVar("T")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)"
_PARTS = re.compile(_PART)
_DURATION = re.compile(rf"\s*{_PART}(\s*{_PART})*\s*")
_PORTS = re.compile(r"\s*([0-9]+)\s*-\s*([0-9]+)\s*")


class Model(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def parse_duration(value: Any) -> float:
    """Seconds from `90s`, `40m`, `3h`, `2d`, `250ms` or `2h30m`; a bare number has no unit and is refused.

    Of a compound each unit is smaller than the one before it.

    Raises:
        ValueError: not a duration.
    """
    if isinstance(value, str) and _DURATION.fullmatch(value):
        parts = _PARTS.findall(value)
        sizes = [_UNITS[unit] for _, unit in parts]
        if any(later >= earlier for earlier, later in pairwise(sizes)):
            raise ValueError(f"{value!r} has its units out of order; write the largest first, such as 2h30m")
        return sum(float(count) * _UNITS[unit] for count, unit in parts)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"the number {value} has no unit; write for instance {value:g}s or {value:g}m")  # noqa: TRY004 pydantic wants ValueError
    raise ValueError(f"{value!r} is not a duration; write numbers and units: 250ms, 90s, 40m, 2h30m, 2d")


def format_duration(seconds: float) -> str:
    """How people write a duration: 60s, 90s, 8m, 1h, 250ms."""
    for unit in ("d", "h", "m") if seconds >= 120 else ():
        count = seconds / _UNITS[unit]
        if count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds * 1000:g}ms" if 0 < seconds < 1 else f"{seconds:g}s"


def parse_time(value: Any) -> float:
    """UTC seconds since 1970 from an ISO time such as `2026-12-01T06:00:00Z`.

    Raises:
        ValueError: not a time, or one without a zone.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a time; write it as 2026-12-01T06:00:00Z") from None
    if not isinstance(value, datetime):
        raise ValueError(f"{value!r} is not a time; write it as 2026-12-01T06:00:00Z")  # noqa: TRY004 pydantic wants ValueError
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; end it with Z for UTC")
    return value.astimezone(UTC).timestamp()


def parse_error_code(value: Any) -> str:
    """The status of an error, or a class of them, as Google writes it: `404`, `5xx`.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return str(value)
    if isinstance(value, str) and value in {"4xx", "5xx"}:
        return value
    raise ValueError(f"{value!r} is no status of an error; write a number from 400 to 599, 4xx or 5xx")


def _port(value: Any) -> Any:
    if isinstance(value, str) and (match := _PORTS.fullmatch(value)):
        low, high = match.groups()
        raise ValueError(
            f"{value!r} is a range of ports, {low} to {high} and all between; a load balancer's frontend listens "
            f"on one port: write frontends.http with port: {low} and frontends.https with port: {high}"
        )
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= 65535:
        raise ValueError(f"{value} is no port; ports go from 1 to 65535")
    return value


def _scaler(value: float) -> float:
    if is_legal_scaler(value):
        return value
    if 0 < value < 1:
        raise ValueError(
            f"a capacity scaler of {value:g} is refused by Google: between 0 and 0.1 there is nothing; "
            "write 0 to drain, or 0.1 to 1.0"
        )
    raise ValueError(f"a capacity scaler of {value:g} is out of range; write 0 to drain, or 0.1 to 1.0")


def split_address(value: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`; an empty host means every interface.

    Raises:
        ValueError: not an address to listen on.
    """
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (
        not colon
        or not port.isascii()
        or not port.isdigit()
        or int(port) > 65535
        or (":" in host and not bracketed)
    ):
        raise ValueError(
            f"{value!r} is not an address to listen on; write host and port, such as 127.0.0.1:9464 or [::1]:9464"
        )
    return (host[1:-1] if bracketed else host), int(port)


def _address(value: str) -> str:
    split_address(value)
    return value


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a duration, both allowed; `whole` where Google takes whole seconds only."""

    low: str
    high: str
    whole: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, seconds: float) -> float:
        if not parse_duration(self.low) <= seconds <= parse_duration(self.high):
            raise ValueError(
                f"{format_duration(seconds)} is out of range; write a duration from {self.low} to {self.high}"
            )
        if self.whole and seconds != int(seconds):
            raise ValueError(
                f"{format_duration(seconds)} is not a whole number of seconds, and Google takes no parts; "
                f"write {max(1, round(seconds))}s"
            )
        return seconds


@dataclass(frozen=True, slots=True)
class Shape:
    """A text of a fixed shape: what it is, the pattern, and an example."""

    what: str
    pattern: str
    example: str
    hint: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$", "examples": [self.example]}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            hint = f" ({self.hint})" if self.hint else ""
            raise ValueError(f"{value!r} is not {self.what}; write one such as {self.example}{hint}")
        return value


def _how_many(value: Any) -> str:
    return "many" if isinstance(value, list | tuple) else "one"


OneOrMany = Annotated[
    Annotated[T, Tag("one")] | Annotated[tuple[T, ...], Field(min_length=1), Tag("many")],
    Discriminator(_how_many),
]
"""One value, or a list of them. It stays as it is written; `each_of` makes a tuple of it."""


def each_of(value: T | tuple[T, ...] | None) -> tuple[T, ...]:
    """All values of a `OneOrMany`; none for None."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True, slots=True)
class Short:
    """A section that may be written as one text: the value of this key."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._widen, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    def _widen(self, value: Any) -> Any:
        if isinstance(value, int | float):
            plain = json.dumps(value)
            raise ValueError(f'{plain} is not a text; put it into quotes: "{plain}"')  # noqa: TRY004 pydantic wants ValueError
        return {self.key: value} if isinstance(value, str) else value


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$",
            "examples": ["90s", "40m", "2h30m"],
        }
    ),
]
Time = Annotated[
    float, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Ratio = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[int, Field(ge=1, le=99)]
Port = Annotated[
    int,
    BeforeValidator(_port),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
]
Scaler = Annotated[
    float,
    AfterValidator(_scaler),
    WithJsonSchema({"anyOf": [{"const": 0}, {"type": "number", "minimum": 0.1, "maximum": 1}]}),
]
"""0, or 0.1 to 1.0: what the Compute API takes (py:Backend.capacity_scaler)."""
Address = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9464"]})
]
Name = Annotated[
    str,
    Shape(
        "a name",
        r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?",
        "pool-eu",
        "a small letter first, then small letters, digits and hyphens, 42 at most",
    ),
]
RESOURCE = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
"""Pattern of a resource's name in Compute (RFC 1035)."""
HOST_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""Pattern of what stands between the dots of a host name (RFC 1123), in small letters."""
API = r"(https://(www|compute)\.googleapis\.com/compute/(v1|beta)/)?"
"""Pattern of what a resource's URL may begin with."""
GroupName = Annotated[
    str,
    Shape(
        "the name of a group",
        RESOURCE,
        "llm-eu-b",
        "a small letter first, then small letters, digits and hyphens, 63 at most",
    ),
]
_ROOT = rf"{API}projects/[^/\s]+"
NetworkName = Annotated[
    str,
    Shape(
        "the name of a network",
        rf"{RESOURCE}|{_ROOT}/global/networks/{RESOURCE}",
        "default",
        "or projects/P/global/networks/N; a small letter first, then small letters, digits and hyphens, 63 at most",
    ),
]
SubnetworkName = Annotated[
    str,
    Shape(
        "the name of a subnetwork",
        rf"{RESOURCE}|{_ROOT}/regions/[a-z0-9-]+/subnetworks/{RESOURCE}",
        "projects/my-project/regions/us-east4/subnetworks/llm",
        "or its name alone, if it is in the group's region: 63 small letters, digits and hyphens at most",
    ),
]
PortName = Annotated[
    str,
    Shape("the name of a port", r"[a-z0-9-]{1,63}", "http", "small letters, digits and hyphens, 63 at most"),
]
LabelKey = Annotated[
    str,
    Shape(
        "the key of a label",
        r"[a-z][a-z0-9_-]{0,62}",
        "team",
        "a small letter first, then small letters, digits, _ and -, 63 at most",
    ),
]
LabelValue = Annotated[
    str,
    Shape(
        "the value of a label", r"[a-z0-9_-]{0,63}", "inference", "small letters, digits, _ and -, 63 at most"
    ),
]
RegionName = Annotated[
    str,
    Shape(
        "the name of a region",
        r"[a-z]+(-[a-z]+)+[0-9]+",
        "europe-west4",
        "a zone's name ends in one letter more; an internet_neg, which is global, stands under any region",
    ),
]
"""Shape of a region's name; no frozen list: Google adds regions."""
ZoneName = Annotated[
    str,
    Shape("the name of a zone", r"[a-z]+(-[a-z]+)+[0-9]+-[a-z]", "europe-west4-b", "a region and one letter"),
]

KINDS: dict[Any, str] = {
    parse_duration: "duration",
    parse_time: "time",
    parse_error_code: "400 to 599, 4xx or 5xx",
    _port: "port",
    _scaler: "0, or 0.1 to 1",
    _address: "host:port",
}
"""What a validator makes of a value, for people who read about its field."""
