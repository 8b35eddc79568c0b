"""What people are told once: when it comes, when it goes, and not between."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from spillway.control.report import Pass, TickReport
from spillway.core.explain.assessment import line
from spillway.core.values.alarms import ActiveAlarm
from spillway.core.values.decision import span
from spillway.core.values.policy import Mode

K = TypeVar("K", bound=Hashable)

STATE_WORDS: Mapping[str, str] = {
    "serving": "open",
    "degraded": "capped",
    "draining": "closing",
    "drained": "closed",
    "recovering": "opening",
    "edited": "changed by others",
}
"""What Spillway does with a region, as people read it, by the state of the backend; other states are words already.

`spillway status`, `explain` and the page say these words; /status and metrics have the states. `services.js` has the same table."""

_SPAN = re.compile(r"(?<![\w-])(?:\d+ d(?: \d+ h)?|\d+ h(?: \d+ min)?|\d+ min|\d+ s)\b")
_NUMBER = re.compile(r"(?<![\w-])\d[\d.]*")


class Changes(Generic[K]):
    """Compares what is up now with what was up at the last look."""

    def __init__(self) -> None:
        self._up: dict[K, str] = {}

    def since(self, up: Mapping[K, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(texts of what has come up, texts of what is over) since the look before; the key says what is the same.

        What is over has the text that it came up with, so that people find the two together.
        """
        raised = tuple(text for key, text in up.items() if key not in self._up)
        over = tuple(text for key, text in self._up.items() if key not in up)
        self._up = {key: self._up.get(key, text) for key, text in up.items()}
        return raised, over


def elapsed(seconds: float) -> str:
    """A time that has passed, as people say it: `90 s`, and whole minutes from two on."""
    return f"{seconds // 60.0:.0f} min" if 120.0 <= seconds < 600.0 else span(seconds)


def shape(sentence: str) -> str:
    """What stays the same while an alarm is up: its words without the numbers; those in a region's name are words."""
    return _NUMBER.sub("#", _SPAN.sub("#", sentence))


def log_lines(report: TickReport) -> tuple[str, ...]:
    """What the log says of a pass: its sentence; where that lists several moves their number instead, and a line for each."""
    moves = report.moves or report.advice
    if len(moves) < 2:
        return (report.sentence,)
    before, listed, after = report.sentence.partition("; ".join(line(move) for move in moves))
    if not listed:
        return (report.sentence,)
    head = f"{before}{len(moves)} moves" + (f". {after.strip()}" if after.strip() else "")
    word = "Move" if report.moves else "Wanted"
    return (head, *(f"{word}: {line(move)}" for move in moves))


def alarm_line(alarm: ActiveAlarm) -> str:
    """One alarm for the log: how urgent, whose, what, and whether somebody has silenced it."""
    whose = f"{alarm.service}: " if alarm.service else ""
    silenced = ", silenced" if alarm.silenced else ""
    return f"{alarm.code} ({alarm.severity.value}{silenced}): {whose}{alarm.sentence}"


class AdviceWatch:
    """Remembers what a policy in mode `recommend` asked people to do in the last tick."""

    def __init__(self) -> None:
        self._changes = Changes[tuple[str, str | None, str, str]]()

    def new(self, report: TickReport) -> tuple[str, ...]:
        """Advice of services whose mode is `recommend` and that the tick before did not give; none in a health pass."""
        if report.kind is not Pass.TICK:
            return ()
        modes = dict(report.modes)
        raised, _ = self._changes.since(
            {
                (move.service, move.region, move.lever.value, move.after): line(move)
                for move in report.advice
                if modes.get(move.service) is Mode.RECOMMEND
            }
        )
        return raised
