"""Which alarms a story raises: the controller steers a simulated world, and the book of alarms follows each of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from spillway.control.alarms import AlarmBook
from spillway.core import loop
from spillway.core.loop import StepResult
from spillway.core.values.alarms import ActiveAlarm, Severity
from spillway.core.values.decision import Health
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_setup
from spillway.sim.setup import Setup

SCENARIOS = Path(__file__).resolve().parents[2] / "config" / "scenarios"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One alarm of a story. Seconds of the world since its beginning."""

    alarm: ActiveAlarm
    since: float
    until: float
    """The end of the story where it was still up."""

    @property
    def code(self) -> str:
        return self.alarm.code


@dataclass(frozen=True, slots=True)
class Diary:
    """What one story has raised."""

    alarms: tuple[Told, ...]
    health: dict[tuple[str, str], tuple[tuple[float, Health], ...]]
    """By service and region: (seconds, health) of each tick."""

    def of(self, *severities: Severity) -> tuple[Told, ...]:
        return tuple(told for told in self.alarms if told.alarm.severity in severities)


def played(world: Setup) -> Diary:
    """The alarms of a whole story, in mode `act`."""
    book, epoch, step = AlarmBook(), world.scenario.start, loop.step
    open_ones: dict[object, ActiveAlarm] = {}
    told: list[Told] = []
    health: dict[tuple[str, str], list[tuple[float, Health]]] = {}
    last = [epoch]

    def noting(*args: Any, **more: Any) -> StepResult:
        result = step(*args, **more)
        at = last[0] = args[2].at
        news = book.update(result.alarms, at)
        for alarm in news.raised:
            open_ones[alarm.key] = alarm
        for alarm in news.ended:
            found = open_ones.pop(alarm.key)
            told.append(Told(alarm=found, since=found.since - epoch, until=at - epoch))
        for service in result.assessment:
            for b in service.backends:
                health.setdefault((service.service, b.region), []).append((at - epoch, b.health))
        return result

    with patch.object(loop, "step", noting):
        Run(world, Pilot()).go()
    told += [Told(alarm=a, since=a.since - epoch, until=last[0] - epoch) for a in open_ones.values()]
    return Diary(
        tuple(sorted(told, key=lambda each: each.since)), {key: tuple(rows) for key, rows in health.items()}
    )


def of_the_library(name: str) -> Setup:
    """A story of the library, ready to run."""
    return load_setup(SCENARIOS / f"{name}.yaml")
