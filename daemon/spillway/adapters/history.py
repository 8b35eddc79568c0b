"""The last hours of every region, for the small charts of the page: bounded, compact, forgotten at a restart."""

from __future__ import annotations

from array import array
from math import isfinite, nan
from typing import Any

from spillway.control.report import TickReport
from spillway.core.result import BackendAssessment

LENGTH = 240
"""Points kept for a region: four hours of ticks."""
LIMIT = 100_000
"""Points kept for all regions together (1.6 MB for four series); a larger fleet gets a shorter memory."""

SERIES = ("served", "ceiling", "latency", "errors")


def _values(backend: BackendAssessment) -> tuple[float | None, ...]:
    """One point of each series, in the order of SERIES."""
    ceiling = None if backend.target is None else backend.target * backend.scaler_wanted
    return backend.served, ceiling, backend.latency, backend.error_ratio


class History:
    """Rings of 32-bit floats; NaN is a gap."""

    def __init__(self) -> None:
        self._at: array[float] = array("d")
        self._rings: dict[tuple[str, str], dict[str, array[float]]] = {}

    def add(self, report: TickReport) -> None:
        """Add one point for each region; regions that are gone are forgotten, new ones start with gaps."""
        length = len(self._at)
        backends = {(s.service, b.region): b for s in report.assessments for b in s.backends}
        for key in list(self._rings.keys() - backends.keys()):
            del self._rings[key]
        for key, backend in backends.items():
            ring = self._rings.setdefault(key, {name: array("f", [nan] * length) for name in SERIES})
            for name, value in zip(SERIES, _values(backend), strict=True):
                ring[name].append(nan if value is None else value)
        self._at.append(report.at)
        surplus = len(self._at) - min(LENGTH, max(20, LIMIT // max(1, len(backends))))
        if surplus > 0:
            del self._at[:surplus]
            for ring in self._rings.values():
                for series in ring.values():
                    del series[:surplus]

    def document(self) -> dict[str, Any]:
        """The rings as plain values: `at` once, then each series by service and region, null for gaps."""
        services: dict[str, dict[str, dict[str, list[float | None]]]] = {}
        for (service, region), ring in list(self._rings.items()):
            services.setdefault(service, {})[region] = {name: _plain(series) for name, series in ring.items()}
        return {"schema": 1, "at": list(self._at), "services": services}


def _plain(series: array[float]) -> list[float | None]:
    """Four significant digits are more than a chart can show."""
    return [float(f"{value:.4g}") if isfinite(value) else None for value in series]
