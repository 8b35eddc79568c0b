"""Names in the configuration for resources that have names of their own: short, legal, each once."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 42
"""Characters of a name in the configuration (config/fields.py)."""
_PREFIX = 30
"""Characters of the prefix of names."""


def short_names(paths: Iterable[str], prefix: str = "") -> dict[str, str]:
    """A name for each path: that of the resource, without the load balancer's own name before it.

    Args:
        paths: of the resources.
        prefix: name of the load balancer.
    """
    found: dict[str, str] = {}
    for path in paths:
        name = path.rsplit("/", 1)[-1]
        if name.startswith(f"{prefix}-"):
            name = name.removeprefix(f"{prefix}-")
        name = name[:_LONGEST].rstrip("-")
        if not re.match(r"[a-z]", name):
            name = f"s-{name}"[:_LONGEST]
        unique, number = name, 2
        while unique in found.values():
            unique = f"{name[: _LONGEST - 3]}-{number}"
            number += 1
        found[path] = unique
    return found


def prefix_of(name: str) -> str:
    """The prefix for what Spillway makes beside it: the load balancer's name, as far as a prefix may be long."""
    return name[:_PREFIX].rstrip("-")
