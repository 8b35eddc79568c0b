"""Which alarms have come up, and which are over, since the pass before."""

from __future__ import annotations

import re

from spillway.control.news import News
from spillway.core.values.decision import ServiceAssessment

_NUMBER = re.compile(r"(?<![\w-])\d[\d.]*")


def shape(sentence: str) -> str:
    """What stays the same while an alarm is up: its words without the numbers; those in a region's name are words."""
    return _NUMBER.sub("#", sentence)


class AlarmWatch:
    """Remembers the alarms of the last pass, so that each is told when it comes and when it goes, and not between."""

    def __init__(self) -> None:
        self._news = News[tuple[str, str]]()

    def news(self, assessments: tuple[ServiceAssessment, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(those that have come up, those that are over) as `service: sentence`."""
        return self._news.of(
            {
                (service.service, shape(alarm.sentence)): f"{service.service}: {alarm.sentence}"
                for service in assessments
                for alarm in service.alarms
            }
        )
