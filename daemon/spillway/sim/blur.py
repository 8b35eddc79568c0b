"""What becomes of a true period on its way to Cloud Monitoring: sampled traffic, delays, faults of monitoring.

All draws come from streams named by period and service, so a period looks the same whenever and by whomever it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import CODES
from spillway.sim.faults import Fault
from spillway.sim.latency import BUCKETS
from spillway.sim.places import CONTINENTS
from spillway.sim.samples import CODE_CLASSES, Period, SampleStore
from spillway.sim.streams import stream

Array = NDArray[np.float64]

SAMPLED = 2000.0
"""Requests of one backend and period that are looked at; busier ones are sampled at a rate to match. Google says
that values come from sampled traffic at a dynamic rate, and not at which (reference gcp.md 4.1; LOGMON)."""

FIRST_SEEN = (0.3, 0.8)
"""A series' point appears after a share of the visibility delay drawn from here, and is complete by its end."""

PARTIAL = (0.2, 0.9)
"""Share of its value that a point shows before it is complete."""

GARBAGE = np.array([0.0, 0.01, 100.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrival:
    """When each backend's point of a period can be read: regions x zones, seconds after the period's end."""

    first: Array
    complete: Array
    share: Array
    """Part of the value that shows between the two."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Blurred:
    """One service's points of one period, as Monitoring will hold them; NaN where there is no point."""

    counts: Array
    """Codes x continents x regions x zones."""
    latencies: Array
    """Code classes x continents x regions x zones x buckets; NaN throughout where there is no point."""


def active_faults(store: SampleStore, period: Period) -> tuple[Fault, ...]:
    """Faults of monitoring in the middle of the period."""
    middle = period.end - store.setup.scenario.start - store.length / 2
    return store.faults.metrics(middle)


def arrival(store: SampleStore, period: Period, faults: tuple[Fault, ...]) -> Arrival:
    """When the period's points can be read."""
    delay = store.setup.scenario.monitoring.visibility_delay
    shape = (len(store.setup.regions), _zones(store))
    draw = stream(store.seed, "visibility", period.index)
    first = draw.uniform(*FIRST_SEEN, shape) * delay
    complete = first + draw.random(shape) * (delay - first)
    share = draw.uniform(*PARTIAL, shape)
    late = np.zeros(shape)
    for fault in faults:
        if fault.kind == "metrics-late":
            late[_rows(store, fault)] += fault.delay
    return Arrival(first=first + late, complete=complete + late, share=share)


def blur(store: SampleStore, period: Period, number: int, faults: tuple[Fault, ...]) -> Blurred:
    """The points of service `number` (in the period's own order)."""
    name = period.services[number]
    zones = _zone_matrix(store, period)
    truth = period.counts[:, number][..., None] * zones
    draw = stream(store.seed, "sampling", period.index, name)
    whole = np.floor(truth + draw.random(truth.shape)).astype(np.int64)
    total = np.maximum(whole.sum(axis=(0, 1)), 1)
    rate = np.minimum(1.0, SAMPLED / total)
    seen = draw.binomial(whole, np.broadcast_to(rate, whole.shape))
    counts = np.where(seen > 0, np.rint(seen / rate), np.nan)
    latencies = _latencies(store.latencies(period, number), zones, rate, draw)
    for i, fault in enumerate(faults):
        _spoil(store, fault, counts, latencies, stream(store.seed, "metric-fault", i, period.index, name))
    return Blurred(counts=counts, latencies=latencies)


def _latencies(truth: Array, zones: Array, rate: Array, draw: np.random.Generator) -> Array:
    """Sampled histograms: classes x continents x regions x zones x buckets."""
    amount = truth.sum(axis=-1)[..., None] * zones
    sampled = np.rint(amount * rate).astype(np.int64)
    shape = np.broadcast_to(truth[..., None, :], (*sampled.shape, BUCKETS))
    result = np.full(shape.shape, np.nan)
    some = sampled > 0
    if some.any():
        weights = shape[some]
        # float sums may pass 1 by a rounding error, which multinomial refuses
        chances = weights / (weights.sum(axis=-1, keepdims=True) * (1.0 + 1e-12))
        scale = np.broadcast_to(rate, sampled.shape)[some][:, None]
        result[some] = np.rint(draw.multinomial(sampled[some], chances) / scale)
    return result


def _spoil(
    store: SampleStore, fault: Fault, counts: Array, latencies: Array, draw: np.random.Generator
) -> None:
    """Let a fault of monitoring act on points, in place."""
    rows = _rows(store, fault)
    lost = draw.random(counts.shape) < fault.ratio
    lost_latency = draw.random(latencies.shape[:-1]) < fault.ratio
    chosen = GARBAGE[draw.integers(0, len(GARBAGE), counts.shape)]
    chosen_latency = GARBAGE[draw.integers(0, len(GARBAGE), latencies.shape[:-1])]
    nonsense = draw.random(latencies.shape)
    if fault.kind == "metrics-missing":
        counts[:, :, rows] = np.nan
        latencies[:, :, rows] = np.nan
    elif fault.kind == "metrics-partial":
        counts[:, :, rows] = np.where(lost[:, :, rows], np.nan, counts[:, :, rows])
        latencies[:, :, rows] = np.where(lost_latency[:, :, rows, :, None], np.nan, latencies[:, :, rows])
    elif fault.kind == "metrics-garbage":
        counts[:, :, rows] = np.rint(counts[:, :, rows] * chosen[:, :, rows])
        size = latencies.sum(axis=-1) * chosen_latency
        wild = np.rint(nonsense / nonsense.sum(axis=-1, keepdims=True) * size[..., None])
        latencies[:, :, rows] = wild[:, :, rows]


def _zones(store: SampleStore) -> int:
    return max(p.zones for p in store.setup.regions)


def _rows(store: SampleStore, fault: Fault) -> NDArray[np.int64]:
    return np.array(
        [i for i, p in enumerate(store.setup.regions) if fault.region in {None, p.name}], np.int64
    )


def _zone_matrix(store: SampleStore, period: Period) -> Array:
    matrix = np.zeros((len(store.setup.regions), _zones(store)))
    for i, shares in enumerate(period.zone_share):
        matrix[i, : len(shares)] = shares
    return matrix


__all__ = ["CODES", "CODE_CLASSES", "CONTINENTS", "Arrival", "Blurred", "active_faults", "arrival", "blur"]
