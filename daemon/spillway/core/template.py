"""One row of the table of reasons: a code, its sentence and what it means to an operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """A format string: the names in braces are the numbers that it needs."""
    meaning: str  # what it tells an operator, and what to do about it if anything


def rows(kind: Kind, *texts: tuple[str, str, str]) -> tuple[Template, ...]:
    """Templates of one kind from (code, sentence, meaning)."""
    return tuple(Template(code=c, kind=kind, sentence=s, meaning=m) for c, s, m in texts)
