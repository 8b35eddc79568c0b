"""The JSON Schema of the configuration, for editors: completion, descriptions, and red underlines while typing.

It knows shapes, ranges and names of keys. What must hold between keys is known to `check` alone.
"""

from __future__ import annotations

from typing import Any

from spillway.config.fields import format_duration
from spillway.config.model import Config


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
