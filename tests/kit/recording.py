"""Writes what the exporter shows, tick by tick in virtual time, as OpenMetrics that Prometheus can load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from tests.kit.simulated import SimulatedDaemon

from spillway.adapters.exporter import Exporter
from spillway.adapters.reads import Reads
from spillway.adapters.status_document import About

Key = tuple[tuple[str, str], ...]


class Recording:
    """The samples of several daemons, told apart by the label `instance`.

    Args:
        names: the series that are of interest; all others are left out.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._families: dict[str, str] = {}
        """Type, by name of the family."""
        self._series: dict[str, dict[str, list[str]]] = {}
        """Lines by family and series: all lines of a family stand together, those of a series in the order of time."""
        self.start = float("inf")
        self.end = 0.0

    def add(self, registry: CollectorRegistry, instance: str, at: float) -> None:
        """Take in one scrape at second `at`, as Prometheus would: every sample with its target, and `up`."""
        for family in registry.collect():
            samples = [sample for sample in family.samples if sample.name in self._names]
            if samples:
                self._families.setdefault(family.name, family.type)
            for sample in samples:
                self._line(family.name, sample.name, sample.labels, instance, sample.value, at)
        self.up(instance, at, 1)

    def up(self, instance: str, at: float, value: int) -> None:
        """Whether a target answered."""
        self._families.setdefault("up", "gauge")
        self._line("up", "up", {}, instance, value, at)

    def _line(
        self, family: str, name: str, labels: Mapping[str, str], instance: str, value: float, at: float
    ) -> None:
        known = {label: text for label, text in labels.items() if text}  # an empty label is none
        pairs = {**known, "job": "spillway", "instance": instance}
        series = name + "{" + ",".join(f'{label}="{_quoted(text)}"' for label, text in pairs.items()) + "}"
        self._series.setdefault(family, {}).setdefault(series, []).append(f"{series} {value!r} {at:.3f}\n")
        self.start, self.end = min(self.start, at), max(self.end, at)

    def merge(self, other: Recording) -> None:
        """Take in the samples of other daemons."""
        self._families |= other._families
        for family, series in other._series.items():
            self._series.setdefault(family, {}).update(series)
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)

    def write(self, file: Path) -> None:
        """All of it, to be loaded by `promtool tsdb create-blocks-from openmetrics`."""
        with file.open("w", encoding="utf-8") as out:
            out.writelines(self._lines())

    def _lines(self) -> Iterator[str]:
        for family, kind in self._families.items():
            yield f"# TYPE {family} {kind}\n"
            for series in self._series.get(family, {}).values():
                yield from series
        yield "# EOF\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def exporter_of(daemon: SimulatedDaemon) -> Exporter:
    """The exporter of a simulated daemon, as `compose.running` makes it; nothing listens."""
    loop = daemon.loop
    about = About(name="lb", project="p", cloud="simulated", engine="simulated", speed=1.0, tick=60.0)
    return Exporter(
        "127.0.0.1:0",
        about,
        fleet=lambda: daemon.fleet,
        policies=daemon.policies,
        now=daemon.world.now,
        health=lambda: (True, "ok"),
        missed=lambda: {"tick": daemon.missed},
        reads=lambda: Reads(calls={}, errors={}, seconds={}),
        lost=lambda: 0,
        orders=lambda: loop.kept.holds.active(daemon.world.now()),
        alarms=loop.active_alarms,
        silences=loop.silences,
    )
