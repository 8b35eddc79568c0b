"""The figures of a scenario as plain values: what came, and what each policy made of it.

The browser draws them (`report.js`). Scales are equal within a scenario, so that policies can be compared, and every
series is thinned, so that the size of a report follows from the number of its runs: at most some 150 kB for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spillway.sim.backtest.recorder import Series
from spillway.sim.faults import Fault

Array = NDArray[np.float64]

POINTS = 240
"""Most points of a line; a plot is some 350 to 600 pixels wide."""
MOST_STEPS = 400
"""Most steps of a line that holds its value until the next."""
MOST_LINES = 12
"""Regions or backends drawn for one policy; all of them are in the CSV."""
MOST_FAULTS = 60
"""Shaded stretches of a plot; more than that nobody tells apart."""


def figures(
    runs: Sequence[tuple[str, Series]], faults: Sequence[Fault], *, duration: float, slo: float
) -> dict[str, Any]:
    """Everything that is drawn of the runs of one scenario and seed.

    Args:
        runs: (policy, series), in order.
        faults: of the scenario.
        duration: of the scenario, seconds.
        slo: latency in seconds that counts as good.
    """
    first = runs[0][1]
    shown = _busiest(runs)
    several = len({service for service, _ in first.backends}) > 1
    time, demand = thin(first.time, first.demand)
    return {
        "duration": duration,
        "slo": slo,
        "time": _plain(time, 1),
        "clients": list(first.clients),
        "demand": [_plain(demand[:, i]) for i in range(len(first.clients))],
        "regions": [first.regions[r] for r in shown],
        "tops": [_top(runs, r) for r in shown],
        "slowest": max(2 * slo, *(min(4 * slo, float(np.nan_to_num(s.fleet_p95).max())) for _, s in runs)),
        "worst": min(1.0, max(0.02, *(1.1 * float(bad_share(s).max()) for _, s in runs))),
        "faults": [
            {"at": f.at, "until": min(f.until, duration), "region": f.region, "words": words(f)}
            for f in faults[:MOST_FAULTS]
            if f.at < duration
        ],
        "policies": [_policy(name, series, shown, several=several) for name, series in runs],
    }


def _policy(name: str, series: Series, shown: Sequence[int], *, several: bool) -> dict[str, Any]:
    """What one policy made of it."""

    def line(values: Array) -> list[float | None]:
        return _plain(thin(series.time, values)[1])

    told = [i for i in range(len(series.backends)) if not np.isnan(series.scaler[:, i]).all()]
    return {
        "name": name,
        "time": _plain(thin(series.time, series.arrived)[0], 1),
        "bad": line(bad_share(series)),
        "bad_so_far": _plain(_sums(series.time, series.bad)),
        "p95": line(series.fleet_p95),
        "load": [line(series.load[:, r]) for r in shown],
        "failed": [line(series.failed[:, r]) for r in shown],
        "ceiling": [steps(series.time, series.ceiling[:, r]) for r in shown],
        "capacity": [steps(series.time, series.capacity[:, r]) for r in shown],
        "scalers": [
            {
                "name": f"{series.backends[i][0]} / {series.backends[i][1]}"
                if several
                else series.backends[i][1],
                "steps": steps(series.time, series.scaler[:, i]),
            }
            for i in told[:MOST_LINES]
        ],
        "writes": [{"at": decision.at, "text": decision.text} for decision in series.decisions],
    }


def bad_share(series: Series) -> Array:
    """Bad requests over those that arrived; what failed late may belong to an earlier row, so it is held to 1."""
    result: Array = np.minimum(1.0, series.bad / np.maximum(series.arrived, 1e-9))
    return result


def thin(time: Array, values: Array) -> tuple[Array, Array]:
    """At most `POINTS` rows, each the mean of those it stands for; NaN where there is none."""
    group = ceil(len(time) / POINTS)
    if group <= 1:
        return time, values
    kept = len(time) // group * group
    parts = values[:kept].reshape(-1, group, *values.shape[1:])
    known = ~np.isnan(parts)
    sums = np.where(known, parts, 0.0).sum(axis=1)
    means = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
    return time[:kept].reshape(-1, group).mean(axis=1), means


def _sums(time: Array, rates: Array) -> Array:
    """What a rate has come to by the end of each group of `thin`."""
    group = max(1, ceil(len(time) / POINTS))
    found: Array = np.cumsum(rates * np.diff(time, prepend=0.0))[group - 1 :: group]
    return found


def steps(time: Array, values: Array) -> list[tuple[float, float | None]]:
    """(from, value) of each stretch of equal values, and the end of the last; a row is told by its end, None is a gap."""
    found: list[tuple[float, float | None]] = []
    start = 0.0
    rounded = np.round(values, 3).tolist()
    for end, value in zip(time.tolist(), rounded, strict=True):
        known = None if value != value else float(f"{value:.4g}")  # noqa: PLR0124 NaN alone differs from itself
        if not found or found[-1][1] != known:
            found.append((start, known))
        start = end
    if len(found) > MOST_STEPS:  # a line that changes all the time is thinned like any other
        middle, means = thin(time, values)
        return list(zip(_times(middle), _plain(means), strict=True))
    return [*found, (start, found[-1][1] if found else None)]


def _busiest(runs: Sequence[tuple[str, Series]]) -> list[int]:
    """Numbers of the regions that are drawn, in their own order."""
    first = runs[0][1]
    most = [max(float(np.nan_to_num(s.load[:, r]).max()) for _, s in runs) for r in range(len(first.regions))]
    return sorted(sorted(range(len(most)), key=lambda r: -most[r])[:MOST_LINES])


def _top(runs: Sequence[tuple[str, Series]], region: int) -> float:
    """Upper end of a region's axis, requests/s, for all policies."""
    columns = (column[:, region] for _, s in runs for column in (s.load, s.ceiling, s.capacity))
    return 1.15 * max(1.0, *(float(np.nan_to_num(column).max()) for column in columns))


def _times(values: Array) -> list[float]:
    return [round(value, 1) for value in values.tolist()]


def _plain(values: Array, digits: int | None = None) -> list[float | None]:
    """Four significant digits, or so many after the point; None for what is no number."""
    if digits is not None:
        return [round(value, digits) for value in values.tolist()]
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]


def words(fault: Fault) -> str:
    """A fault in a few words, for the shaded stretches of the plots: `us-east4 slow x3`."""
    strength = {
        "slow": f" x{fault.factor:g}",
        "slow-leak": f" to x{fault.factor:g}",
        "errors": f" {fault.ratio:.0%}",
        "fast-failures": f" {fault.ratio:.0%} with {fault.code}",
        "capacity-loss": f" {fault.ratio:.0%}",
        "gray": f" {fault.ratio:.0%} x{fault.factor:g}",
        "flapping": f" {fault.ratio:.0%}",
        "quota": f" {fault.rps:g} requests/s",
        "metrics-partial": f" {fault.ratio:.0%}",
        "metrics-late": f" {fault.delay:g} s",
        "write-slow": f" x{fault.factor:g}",
        "outside-edit": f" to {fault.scaler:g}",
    }.get(fault.kind, "")
    place = f"{fault.region} " if fault.region else ""
    zone = f" in zone {fault.zone}" if fault.zone is not None else ""
    return f"{place}{fault.kind}{strength}{zone}"
