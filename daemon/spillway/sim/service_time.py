"""How long requests are served: log-normal through p50 and p95, measured tables, and mixes of endpoints."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from math import erf, exp, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Z95 = 1.6448536269514722
"""95th percentile of the standard normal."""

_Z = np.linspace(-8.0, 8.0, 4001)
_PHI = np.array([0.5 * (1.0 + erf(z / sqrt(2.0))) for z in _Z])
"""Normal distribution function; linear between points 0.004 apart is right to 1e-6."""


@dataclass(frozen=True)
class ServiceTime:
    """Log-normal through p50 and p95 (seconds); p95 above p50."""

    p50: float
    p95: float

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return max(1e-6, log(self.p95 / self.p50) / Z95)

    @cached_property
    def mean(self) -> float:
        """Seconds."""
        return self.p50 * exp(self.sigma**2 / 2)

    @cached_property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return exp(self.sigma**2) - 1.0

    def cdf(self, x: Array) -> Array:
        """Share of requests served within `x` seconds."""
        z = np.log(np.maximum(x, 1e-12) / self.p50) / self.sigma
        return np.where(x > 0, np.interp(z, _Z, _PHI), 0.0)


@dataclass(frozen=True)
class MeasuredTime:
    """Service times as measured (seconds, rising); the distribution is the sample's."""

    values: tuple[float, ...]

    @cached_property
    def _sorted(self) -> Array:
        return np.array(self.values)

    @cached_property
    def mean(self) -> float:
        """Seconds."""
        return float(self._sorted.mean())

    @cached_property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return float(self._sorted.var() / self.mean**2)

    def cdf(self, x: Array) -> Array:
        """Share of requests served within `x` seconds."""
        n = len(self.values)
        return np.searchsorted(self._sorted, x, side="right").astype(np.float64) / n


AnyTime = ServiceTime | MeasuredTime


@dataclass(frozen=True)
class Mixture:
    """What a region as a whole answers like: `parts` are (share of the answers, factor on the service time)."""

    base: AnyTime
    parts: tuple[tuple[float, float], ...] = ((1.0, 1.0),)

    @cached_property
    def mean(self) -> float:
        """Seconds."""
        return self.base.mean * sum(share * factor for share, factor in self.parts)

    @cached_property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        second = (self.base.scv + 1.0) * self.base.mean**2 * sum(s * f * f for s, f in self.parts)
        return second / self.mean**2 - 1.0

    def cdf(self, x: Array) -> Array:
        """Share of requests served within `x` seconds."""
        result: Array = np.zeros_like(x)
        for share, factor in self.parts:
            result += share * self.base.cdf(x / factor)
        return result


def read_times(file: Path, column: str) -> MeasuredTime:
    """Measured times from the CSV column `column`, in milliseconds; at most 2,000 quantiles are kept.

    Raises:
        ValueError: no such column, or a value in it that is no positive number.
        OSError: the file cannot be read.
    """
    values: list[float] = []
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        if column not in (reader.fieldnames or ()):
            raise ValueError(
                f"{file.name} has no column {column}; it has {', '.join(reader.fieldnames or ())}"
            )
        for row in reader:
            try:
                value = float(row[column])
            except (TypeError, ValueError):
                value = -1.0
            if not 0 < value < 1e9:
                raise ValueError(f"{file.name}:{reader.line_num}: {row[column]!r} is no service time in ms")
            values.append(value / 1000.0)
    if not values:
        raise ValueError(f"{file.name} holds no service times")
    ranks = (np.arange(min(2000, len(values))) + 0.5) / min(2000, len(values))
    return MeasuredTime(tuple(float(v) for v in np.quantile(np.array(values), ranks)))
