"""Sums over one sample period: what accounting and monitoring are made of.

Steps are added one after the other, so the sums do not depend on how steps were cut into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def rows(self) -> Array:
        """Everything that a tally adds up, one row for each step."""
        result, count = self.result, len(self.arrived)
        calm = result.started * ~result.busy[:, None, :] if len(result.busy_step) else result.started
        parts = [result.counts.reshape(count, -1), result.good.reshape(count, -1), calm.reshape(count, -1)]
        imbalance = _imbalance(result.load[:, self.opened])
        return np.concatenate([*parts, self.arrived, self.unassigned, imbalance], axis=1)


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
        each, codes = pairs * regions, len(CODES)
        self._sums = np.zeros((codes + 2) * each + 2 * pairs + 2)
        per_region = self._sums[: (codes + 2) * each].reshape(codes + 2, pairs, regions)
        per_pair = self._sums[(codes + 2) * each : -2].reshape(2, pairs)
        self.counts, self.good, self._idle = per_region[:codes], per_region[codes], per_region[codes + 1]
        self.arrived, self.unassigned = per_pair
        self.imbalance = self._sums[-2:]
        size = (pairs, regions, BUCKETS) if detailed else (0, 0, BUCKETS)
        self.answers = np.zeros(size)
        """Requests in each latency bucket, pairs x regions x buckets; good answers and errors of the usual time."""
        self.zone_share: tuple[tuple[float, ...], ...] = ()

    def copy(self) -> Tally:
        """An independent copy."""
        pairs, regions = self.good.shape
        twin = Tally(self.index, self.services, pairs, regions, detailed=self.detailed)
        twin._sums += self._sums
        if self.detailed:
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
        if self.detailed:
            twin.answers[:old] = self.answers
        twin.zone_share = self.zone_share
        return twin

    def trace(self) -> bytes:
        """The sums in thousandths of a request, for the hash of the run: blind to the last bits of a machine's sums."""
        return np.round(self._sums * 1000.0).astype("<i8").tobytes()

    def add(self, sums: StepSums, steps: slice, regions: RegionArrays) -> None:
        """Take in the steps `steps` of a block."""
        for row in sums.rows[steps]:
            self._sums += row
        self.zone_share = regions.zone_share
        if self.detailed:
            self._add_busy(sums.result, steps)

    def _add_busy(self, result: BlockResult, steps: slice) -> None:
        if not len(result.busy_step):
            return
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
