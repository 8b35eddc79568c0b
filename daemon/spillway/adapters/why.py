"""Why a connection failed, in the words of the operating system: HTTP libraries wrap them in three layers of their own."""

from __future__ import annotations

_DEPTH = 10
"""Layers that are looked through at most."""


def why(error: BaseException) -> str:
    """The words at the bottom of what was raised from what: `Connection refused`."""
    found = error
    for _ in range(_DEPTH):
        below = getattr(found, "reason", None) or found.__cause__ or next(iter(found.args), None)
        if not isinstance(below, BaseException):
            break
        found = below
    return getattr(found, "strerror", None) or str(found) or type(found).__name__
