"""What people are told once: when it comes, when it goes, and not between."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from spillway.control.report import Pass, TickReport
from spillway.core.explain.assessment import line
from spillway.core.values.decision import ServiceAssessment
from spillway.core.values.policy import Mode

K = TypeVar("K", bound=Hashable)

_NUMBER = re.compile(r"(?<![\w-])\d[\d.]*")


class Changes(Generic[K]):
    """Compares what is up now with what was up at the last look."""

    def __init__(self) -> None:
        self._up: dict[K, str] = {}

    def since(self, up: Mapping[K, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(texts of what has come up, texts of what is over) since the look before; the key says what is the same."""
        raised = tuple(text for key, text in up.items() if key not in self._up)
        over = tuple(text for key, text in self._up.items() if key not in up)
        self._up = dict(up)
        return raised, over


def shape(sentence: str) -> str:
    """What stays the same while an alarm is up: its words without the numbers; those in a region's name are words."""
    return _NUMBER.sub("#", sentence)


class AlarmWatch:
    """Remembers the alarms of the last pass."""

    def __init__(self) -> None:
        self._changes = Changes[tuple[str, str]]()

    def changes(self, assessments: tuple[ServiceAssessment, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(those that have come up, those that are over) as `service: sentence`."""
        return self._changes.since(
            {
                (service.service, shape(alarm.sentence)): f"{service.service}: {alarm.sentence}"
                for service in assessments
                for alarm in service.alarms
            }
        )


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
