"""Which alarms have come up, and which are over, since the pass before."""

from __future__ import annotations

import re

from spillway.core.result import ServiceAssessment

_NUMBER = re.compile(r"(?<![\w-])\d[\d.]*")


def shape(sentence: str) -> str:
    """What stays the same while an alarm is up: its words without the numbers; those in a region's name are words."""
    return _NUMBER.sub("#", sentence)


class AlarmWatch:
    """Remembers the alarms of the last pass, so that each is told when it comes and when it goes, and not between."""

    def __init__(self) -> None:
        self._up: dict[tuple[str, str], str] = {}

    def news(self, assessments: tuple[ServiceAssessment, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(those that have come up, those that are over) as `service: sentence`."""
        up = {
            (service.service, shape(alarm.sentence)): f"{service.service}: {alarm.sentence}"
            for service in assessments
            for alarm in service.alarms
        }
        raised = tuple(text for key, text in up.items() if key not in self._up)
        over = tuple(text for key, text in self._up.items() if key not in up)
        self._up = up
        return raised, over
