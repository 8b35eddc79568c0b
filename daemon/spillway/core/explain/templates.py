"""One row of the table of reasons: its code, what it explains, its sentence with named numbers, and its meaning for an operator.

`core.explain.reasons` holds the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spillway.core.values.alarms import Severity
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


SETTLING = 50.0
"""Seconds for which a reading must stay as it is before an alarm comes up or is over by it: two ticks in a row, whose starts vary by
some seconds. What changes for one tick is no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long an alarm must be seen before it is up, and unseen before it is over. Seconds."""

    rise: float
    fall: float


FACT = Pace(rise=0.0, fall=0.0)
"""No measurement: an order, a file, a look that was confirmed already. It is up and over at once."""
JUDGED = Pace(rise=0.0, fall=SETTLING)
"""Judged over minutes before it is raised: it is up at once."""
MEASURED = Pace(rise=SETTLING, fall=SETTLING)
"""Read in a moment: two ticks must agree."""
MISSED = Pace(rise=SETTLING + 60.0, fall=SETTLING)
"""Samples did not come, and may be late by a minute or two: three ticks must agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTemplate(Template):
    """One row of the table that is an alarm, with its section of the runbook."""

    severity: Severity
    pace: Pace
    hurts: str
    """Whom it hurts, and how soon."""
    does: str
    """What Spillway does about it by itself."""
    look: tuple[str, ...]
    """What to look at, in order."""
    act: tuple[str, ...]
    """What to do, in order, with the commands."""
    ends: str
    """How it ends."""


def alarm_row(
    severity: Severity,
    pace: Pace,
    code: str,
    sentence: str,
    *,
    meaning: str,
    hurts: str,
    does: str,
    look: tuple[str, ...],
    act: tuple[str, ...],
    ends: str,
) -> AlarmTemplate:
    """One alarm of the table."""
    return AlarmTemplate(
        code=code,
        kind=Kind.ALARM,
        sentence=sentence,
        meaning=meaning,
        severity=severity,
        pace=pace,
        hurts=hurts,
        does=does,
        look=look,
        act=act,
        ends=ends,
    )


def rows(kind: Kind, *texts: tuple[str, str, str], lever: Lever | None = None) -> tuple[Template, ...]:
    """Templates of one kind, and of one lever, from (code, sentence, meaning)."""
    return tuple(Template(code=c, kind=kind, sentence=s, meaning=m, lever=lever) for c, s, m in texts)
