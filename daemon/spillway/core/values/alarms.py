"""Alarms: what is wrong now, with whom it concerns, and the silences that people have ordered.

The core says which alarms it sees in one step (`Alarm`). `control.alarms` knows since when each is up (`ActiveAlarm`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from spillway.core.values.topology import RegionName, ServiceName

MOST_SILENCES = 64
"""Silences in force at the same time, at most: each is shown on the page and in the metrics."""


LONGEST_SILENCE = 60 * 86_400.0
"""Seconds that a silence may have before it: twice what an operator can order, for a clock that was set back."""


class Severity(StrEnum):
    """How soon a person is needed."""

    PAGE = "page"
    """Users are hurt now or within minutes, and a person can do something about it."""
    TICKET = "ticket"
    """A person is needed this day."""
    NOTE = "note"
    """Worth knowing; nobody is needed."""


RANK = {severity: rank for rank, severity in enumerate(Severity)}
"""Place of each severity, the most urgent first."""


class AlarmKey(NamedTuple):
    """What makes two alarms the same one, whatever their numbers."""

    code: str
    service: ServiceName
    region: RegionName | None
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is wrong at one moment."""

    code: str
    """From `core.explain.reasons`."""
    severity: Severity
    sentence: str
    service: ServiceName = ""
    """Empty where it concerns the daemon itself, or what all services share."""
    region: RegionName | None = None
    """None where it concerns the whole service."""
    part: str = ""
    """Which part of the load balancer, such as `URL map lb-routes: defaultService`; empty where the code says enough."""

    @property
    def key(self) -> AlarmKey:
        """Its identity."""
        return AlarmKey(self.code, self.service, self.region, self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlarm:
    """An alarm that is up, as `/status`, the journal, webhooks and commands show it."""

    code: str
    severity: Severity
    load_balancer: str
    """`name` of the configuration."""
    service: ServiceName
    region: RegionName | None
    part: str
    since: float
    """UTC seconds of the first pass that saw it."""
    sentence: str
    runbook: str
    """Where it is written what to do: a URL or a path, with the code as its anchor."""
    silenced_until: float | None = None
    """UTC seconds; None where nobody has silenced it."""

    @property
    def key(self) -> AlarmKey:
        """Its identity."""
        return AlarmKey(self.code, self.service, self.region, self.part)

    @property
    def silenced(self) -> bool:
        """Whether a silence covers it."""
        return self.silenced_until is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """An operator's word that an alarm is known and needs no further telling for a while."""

    code: str
    until: float
    """UTC seconds of its end."""
    reason: str
    service: ServiceName | None = None
    """None for all services and the daemon itself."""
    region: RegionName | None = None
    """None for all regions."""
    by: str = ""
    """Who sent it; empty where nobody knows."""
    at: float = 0.0
    """UTC seconds at which it was accepted."""

    def covers(self, code: str, service: ServiceName, region: RegionName | None) -> bool:
        """Tell whether it speaks of an alarm."""
        return self.code == code and self.service in {None, service} and self.region in {None, region}

    def in_force(self, at: float) -> bool:
        """Tell whether it has not ended at UTC second `at`. One that would last longer than any may is not believed."""
        return at < self.until <= at + LONGEST_SILENCE

    def replaces(self, other: Silence) -> bool:
        """Tell whether both speak of the same alarms, so that the newer one ends the other."""
        return (self.code, self.service, self.region) == (other.code, other.service, other.region)


def silenced_until(silences: Iterable[Silence], key: AlarmKey, at: float) -> float | None:
    """UTC seconds until which an alarm is silenced, by the silence that lasts longest; None where it is not."""
    ends = [s.until for s in silences if s.in_force(at) and s.covers(key.code, key.service, key.region)]
    return max(ends, default=None)
