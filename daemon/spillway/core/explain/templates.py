"""One row of the table of reasons: its code, what it explains, its sentence with named numbers, and its meaning for an operator.

`core.explain.reasons` holds the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spillway.core.values.decision import Lever


class Kind(StrEnum):
    """What a reason explains; QUIET: why nothing was done."""

    MOVE = "move"
    GUARD = "guard"
    NOTE = "note"
    ALARM = "alarm"
    VERDICT = "verdict"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One row of the table."""

    code: str
    kind: Kind
    sentence: str
    """A format string: the names in braces are the numbers that it needs; `{name:span}` is a time in seconds."""
    meaning: str
    """What it tells an operator, and what to do about it if anything."""
    lever: Lever | None = None
    """What a move of this reason moves; None for what is no move."""


def rows(kind: Kind, *texts: tuple[str, str, str], lever: Lever | None = None) -> tuple[Template, ...]:
    """Templates of one kind, and of one lever, from (code, sentence, meaning)."""
    return tuple(Template(code=c, kind=kind, sentence=s, meaning=m, lever=lever) for c, s, m in texts)
