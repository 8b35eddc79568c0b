"""How many requests each client sends: the shapes of design.md section 7, with one noise draw a minute and client.

The rate of a step is that of its middle. Noise does not depend on the length of a step: a step of 60 s and six of
10 s meet the same draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spillway.sim.scenario import DailyDemand, DemandModel, SteadyDemand, StepDemand, SurgeDemand
from spillway.sim.streams import stream
from spillway.sim.traces import Trace

Array = NDArray[np.float64]

CHUNK = 256
"""Steps computed together and kept; any value gives the same numbers."""

NOISE_MINUTES = 512
"""Minutes of noise drawn together, in a stream of their own so that any of them can be had without those before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One client's demand with its trace loaded."""

    name: str
    demand: DemandModel
    trace: Trace | None = None


def rate_of(source: Source, times: Array, start: float) -> Array:
    """Requests/s without noise at `times` (seconds since time zero); `start` is UTC of time zero."""
    demand = source.demand
    if isinstance(demand, SteadyDemand):
        return np.full_like(times, demand.rps)
    if isinstance(demand, DailyDemand):
        hour = np.mod(times + start, 86400.0) / 3600.0
        swing = (demand.peak_to_mean - 1.0) * np.cos((hour - demand.peak_hour_utc) * (np.pi / 12.0))
        return demand.mean_rps * np.maximum(0.0, 1.0 + swing)
    if isinstance(demand, StepDemand):
        return np.where(times < demand.at, demand.rps, demand.to_rps)
    if isinstance(demand, SurgeDemand):
        return demand.rps * (1.0 + (demand.factor - 1.0) * _surge(demand, times))
    if source.trace is None:
        raise ValueError(f"the trace of client {source.name} was not loaded")
    return demand.mean_rps * source.trace.rate(times + demand.offset)


def _surge(demand: SurgeDemand, times: Array) -> Array:
    """How much of the surge is there: 0 to 1."""
    if demand.ramp <= 0:
        return ((times >= demand.at) & (times < demand.at + demand.lasts)).astype(np.float64)
    up = (times - demand.at) / demand.ramp
    down = (demand.at + demand.lasts + demand.ramp - times) / demand.ramp
    result: Array = np.clip(np.minimum(up, down), 0.0, 1.0)
    return result


def noise_of(seed: int, name: str, minutes: NDArray[np.int64]) -> Array:
    """Standard normal draws of client `name` for these rising minutes."""
    result = np.empty(len(minutes))
    for block in np.unique(minutes // NOISE_MINUTES):
        mine = minutes // NOISE_MINUTES == block
        draws = stream(seed, "demand", name, int(block)).standard_normal(NOISE_MINUTES)
        result[mine] = draws[minutes[mine] - block * NOISE_MINUTES]
    return result


class Rates(Protocol):
    """What a world asks of demand."""

    def rates(self, first: int, last: int) -> Array:
        """Requests/s in the steps first <= k < last, as steps x clients."""
        ...

    def copy(self) -> Rates:
        """An independent copy."""
        ...


class Demand:
    """Arrivals of all clients, step by step; holds one chunk of steps at a time."""

    def __init__(self, sources: Sequence[Source], *, seed: int, start: float, step: float) -> None:
        self._sources = tuple(sources)
        self._seed = seed
        self._start = start
        self._step = step
        self._chunk = -1
        self._rates: Array = np.empty((0, len(self._sources)))

    def copy(self) -> Demand:
        """An independent copy."""
        twin = Demand(self._sources, seed=self._seed, start=self._start, step=self._step)
        twin._chunk, twin._rates = self._chunk, self._rates
        return twin

    def rates(self, first: int, last: int) -> Array:
        """Requests/s in the steps first <= k < last, as steps x clients."""
        parts = []
        while first < last:
            chunk = first // CHUNK
            if chunk != self._chunk:
                self._rates, self._chunk = self._compute(chunk), chunk
            end = min(last, (chunk + 1) * CHUNK)
            parts.append(self._rates[first - chunk * CHUNK : end - chunk * CHUNK])
            first = end
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _compute(self, chunk: int) -> Array:
        times = (np.arange(chunk * CHUNK, (chunk + 1) * CHUNK, dtype=np.float64) + 0.5) * self._step
        minutes = (times // 60.0).astype(np.int64)
        result = np.empty((CHUNK, len(self._sources)))
        for i, source in enumerate(self._sources):
            rate = rate_of(source, times, self._start)
            noise = getattr(source.demand, "noise", 0.0)
            if noise > 0:
                rate = rate * np.maximum(0.0, 1.0 + noise * noise_of(self._seed, source.name, minutes))
            result[:, i] = rate
        return result
