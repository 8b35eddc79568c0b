"""Values of foreign and drifted settings as people write them, without a secret."""

from __future__ import annotations

import json
import re
from typing import Any

from spillway.adapters.engine.describe import SECRET, text

_SECRET = re.compile(r"secret|private|password|token|accesskey", re.IGNORECASE)
_HEADERS = re.compile(r"custom(Request|Response)Headers")
_LONGEST = 120
"""Characters of one value."""


def value_text(path: str, value: Any) -> str:
    """One value; of headers the names alone, as a header may hold a key."""
    if _SECRET.search(path):
        return SECRET
    if _HEADERS.search(path) and isinstance(value, list):
        return ", ".join(sorted(str(header).partition(":")[0] for header in value))
    told = json.dumps(_hidden(value), sort_keys=True) if isinstance(value, dict | list) else text(value)
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 3]}..."


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: SECRET if _SECRET.search(name) else _hidden(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_hidden(part) for part in value]
    return text(value) if isinstance(value, str) else value
