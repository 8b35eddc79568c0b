"""The last hours of every region, for the small charts of the page: bounded, compact, forgotten at a restart."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from spillway.control.report import TickReport

LENGTH = 240
"""Points kept for a region: four hours of ticks."""
LIMIT = 100_000
"""Points kept for all regions together (1.6 MB for four series); a larger fleet gets a shorter memory."""

SERIES = ("served", "ceiling", "latency", "errors")


@dataclass(frozen=True, slots=True)
class _Moment:
    """One tick: a row of values, so that a tick of a large fleet adds one object and not thousands."""

    at: float
    places: dict[tuple[str, str], int]
    """Where the values of (service, region) begin; shared by all moments of one fleet."""
    values: array[float]
    """32-bit floats in the order of SERIES; NaN is a gap."""

    def value(self, region: tuple[str, str], series: int) -> float | None:
        """Four significant digits are more than a chart can show; None for a gap."""
        place = self.places.get(region)
        value = nan if place is None else self.values[place + series]
        return float(f"{value:.4g}") if isfinite(value) else None


class History:
    """The moments that are remembered, oldest first."""

    def __init__(self) -> None:
        self._moments: deque[_Moment] = deque()

    def add(self, report: TickReport) -> None:
        """Add one point for each region; regions that are gone are forgotten, new ones start with gaps."""
        regions: list[tuple[str, str]] = []
        values: list[float] = []
        for assessment in report.assessments:
            service = assessment.service
            for b in assessment.backends:
                regions.append((service, b.region))
                values += (
                    nan if b.served is None else b.served,
                    nan if b.target is None else b.target * b.scaler_wanted,
                    nan if b.latency is None else b.latency,
                    nan if b.error_ratio is None else b.error_ratio,
                )
        places = self._moments[-1].places if self._moments else {}
        if regions != list(places):
            places = {region: len(SERIES) * number for number, region in enumerate(regions)}
        self._moments.append(_Moment(report.at, places, array("f", values)))
        while len(self._moments) > min(LENGTH, max(20, LIMIT // max(1, len(regions)))):
            self._moments.popleft()

    def document(self) -> dict[str, Any]:
        """What is remembered as plain values: `at` once, then each series by service and region, null for gaps."""
        services: dict[str, dict[str, dict[str, list[float | None]]]] = {}
        for service, region in self._moments[-1].places if self._moments else ():
            services.setdefault(service, {})[region] = {
                name: [moment.value((service, region), number) for moment in self._moments]
                for number, name in enumerate(SERIES)
            }
        return {"schema": 1, "at": [moment.at for moment in self._moments], "services": services}
