"""Sums over one sample period: what accounting and monitoring are made of.

Steps are added one after the other, so the sums do not depend on how steps were cut into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import CODES, RegionArrays
from spillway.sim.flow import BlockResult
from spillway.sim.latency import BUCKETS

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class StepSums:
    """What one block adds, one row for each step."""

    result: BlockResult
    arrived: Array
    """Requests that reached the balancer, steps x pairs."""
    unassigned: Array
    """Those for which it found no backend, steps x pairs."""
    opened: NDArray[np.bool_]
    """Regions open to at least one service."""


class Tally:
    """One sample period. A pair is (service, continent)."""

    def __init__(
        self, index: int, services: tuple[str, ...], pairs: int, regions: int, *, detailed: bool
    ) -> None:
        """`detailed` keeps latency histograms, for monitoring."""
        self.index = index
        """Number of the period since time zero."""
        self.services = services
        self.detailed = detailed
        shapes = [(len(CODES), pairs, regions), (pairs, regions), (pairs, regions), (pairs,), (pairs,), (2,)]
        ends = np.cumsum([int(np.prod(s)) for s in shapes]).tolist()
        self._sums = np.zeros(ends[-1])
        starts = [0, *ends[:-1]]
        views = [self._sums[a:b].reshape(s) for a, b, s in zip(starts, ends, shapes, strict=True)]
        self.counts, self.good, self._idle, self.arrived, self.unassigned, self.imbalance = views
        size = (pairs, regions, BUCKETS) if detailed else (0, 0, BUCKETS)
        self.answers = np.zeros(size)
        """Requests in each latency bucket, pairs x regions x buckets; good answers and errors of the usual time."""
        self.zone_share: tuple[tuple[float, ...], ...] = ()

    def copy(self) -> Tally:
        """An independent copy."""
        pairs, regions = self.good.shape
        twin = Tally(self.index, self.services, pairs, regions, detailed=self.detailed)
        twin._sums += self._sums
        twin.answers += self.answers
        twin.zone_share = self.zone_share
        return twin

    def grown(self, services: tuple[str, ...], pairs: int) -> Tally:
        """The same sums with room for services that came after the others."""
        twin = Tally(self.index, services, pairs, self.good.shape[1], detailed=self.detailed)
        old = len(self.arrived)
        twin.counts[:, :old], twin.good[:old], twin._idle[:old] = self.counts, self.good, self._idle
        twin.arrived[:old], twin.unassigned[:old], twin.imbalance[:] = (
            self.arrived,
            self.unassigned,
            self.imbalance,
        )
        twin.answers[:old] = self.answers
        twin.zone_share = self.zone_share
        return twin

    def trace(self) -> bytes:
        """The sums in thousandths of a request, for the hash of the run: blind to the last bits of a machine's sums."""
        return np.round(self._sums * 1000.0).astype("<i8").tobytes()

    def add(self, sums: StepSums, steps: slice, regions: RegionArrays) -> None:
        """Take in the steps `steps` of a block."""
        result = sums.result
        calm = result.started[steps] * ~result.busy[steps, None, :]
        count = len(calm)
        rows = np.concatenate(
            [
                result.counts[steps].reshape(count, -1),
                result.good[steps].reshape(count, -1),
                calm.reshape(count, -1),
                sums.arrived[steps],
                sums.unassigned[steps],
                _imbalance(result.load[steps][:, sums.opened]),
            ],
            axis=1,
        )
        for row in rows:
            self._sums += row
        self.zone_share = regions.zone_share
        if self.detailed:
            self._add_busy(result, steps)

    def _add_busy(self, result: BlockResult, steps: slice) -> None:
        ends = np.searchsorted(result.busy_step, np.arange(steps.start, steps.stop + 1)).tolist()
        for t, (a, b) in enumerate(pairwise(ends), start=steps.start):
            if b > a:
                where = result.busy_region[a:b]
                amount = result.started[t][:, where]
                self.answers[:, where] += amount[:, :, None] * result.busy_histogram[a:b][None]

    def settle(self, regions: RegionArrays) -> None:
        """Book the requests that did not wait, before the regions' state changes or the period is read."""
        if self.detailed and self._idle.any():
            self.answers += self._idle[:, :, None] * regions.idle_histogram[None]
        self._idle[:] = 0.0


def _imbalance(load: Array) -> Array:
    """For each step: the greatest load over the mean load of the open regions, and 1; zeros without any load."""
    if not load.shape[1]:
        return np.zeros((len(load), 2))
    finite = np.minimum(load, 1e6)
    mean = finite.mean(axis=1)
    some = mean > 0
    ratio = np.where(some, finite.max(axis=1) / np.maximum(mean, 1e-300), 0.0)
    return np.stack((ratio, some.astype(np.float64)), axis=1)
