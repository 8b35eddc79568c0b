"""One table of reason codes and their sentences, shared by log, metrics, docs and tests.

A code is stable: metrics carry it as a label. A sentence is for people: it carries the numbers that made the move.
"""

from __future__ import annotations

from spillway.core.move_sentences import MOVES
from spillway.core.result import Reason
from spillway.core.sentences import ALARMS, GUARDS, NOTES, QUIETS, VERDICTS
from spillway.core.template import Kind, Template

__all__ = ["Kind", "Template", "reason", "table"]

_TABLE = {t.code: t for t in (*MOVES, *GUARDS, *NOTES, *ALARMS, *VERDICTS, *QUIETS)}


def table() -> tuple[Template, ...]:
    """All rows in the order of their kinds; docs and tests read them."""
    return tuple(_TABLE.values())


def reason(code: str, **numbers: object) -> Reason:
    """The reason `code` with its sentence filled in.

    Raises:
        KeyError: no such code, or the sentence needs a number that is not given.
    """
    return Reason(code=code, sentence=_TABLE[code].sentence.format(**numbers))
