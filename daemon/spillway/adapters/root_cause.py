"""The root cause of a failed connection, in the words of the operating system: HTTP libraries wrap it in three layers."""

from __future__ import annotations

_DEPTH = 10
"""Layers that are looked through at most."""


def root_cause(error: BaseException) -> str:
    """The words at the bottom of what was raised from what: `Connection refused`."""
    found = error
    for _ in range(_DEPTH):
        below = getattr(found, "reason", None) or found.__cause__ or next(iter(found.args), None)
        if not isinstance(below, BaseException):
            break
        found = below
    return getattr(found, "strerror", None) or str(found) or type(found).__name__
