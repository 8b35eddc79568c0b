"""Field types of the configuration: durations, ratios, scalers, names, each with its own clear message."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$")


class Model(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def parse_duration(value: Any) -> float:
    """Seconds from `90s`, `40m`, `3h`, `2d` or `250ms`; a bare number has no unit and is refused.

    Raises:
        ValueError: not a duration.
    """
    if isinstance(value, str) and (match := _DURATION.match(value)):
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"the number {value} has no unit; write for instance {value:g}s or {value:g}m")  # noqa: TRY004 pydantic wants ValueError
    raise ValueError(f"{value!r} is not a duration; write a number and a unit: 90s, 40m, 3h, 2d")


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


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$", "examples": ["90s", "40m", "3h"]}
    ),
]
Time = Annotated[
    float, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Ratio = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[int, Field(ge=1, le=99)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
