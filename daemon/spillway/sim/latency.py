"""Latency as histograms: waiting and service together, over fixed log-spaced bounds.

For one mix of endpoints and one time-out, `LatencyTable` holds the distribution of waiting + service for
a wait of exactly w, and for a wait that is exponential with mean m, over a grid of w and m. A step's distribution
is then a weighted sum of three rows (no wait, exponential wait, certain wait), which costs next to nothing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spillway.sim.service_time import Mixture

Array = NDArray[np.float64]

BOUNDS = 0.01 * 1.12 ** np.arange(100)
"""Seconds, 10 ms to 12 minutes; 1.12 keeps a percentile read from the buckets within 6 %. Google does not publish
the layout of the load balancer's latency metrics (reference gcp.md 4.5), so nobody may depend on this one."""

BOUNDS_MS: tuple[float, ...] = tuple(float(b) for b in BOUNDS * 1000.0)

BUCKETS = len(BOUNDS) + 1

FAST = 0.05
"""Seconds within which a quick failure, a 429 or a 503 of a dead region answers (design.md section 7)."""

_LOG_GROWTH = float(np.log(1.12))
CERTAIN_WAITS = 160
"""Grid points of a certain wait; it moves a distribution as a whole, so they must lie close."""

CHANCE_WAITS = 48
"""Grid points of the mean of an exponential wait, which smooths by itself."""

SETTLING = 12
"""Halvings by which a wait is found: to a four-thousandth of what it may be."""

_FIRST_WAIT = 0.001
_ATOMS = 16


def bucket_of(seconds: float) -> int:
    """The bucket that holds `seconds`."""
    return int(np.searchsorted(BOUNDS, seconds, side="right"))


def columns_at(seconds: Array) -> tuple[NDArray[np.int64], Array]:
    """Where each of `seconds` lies among the bounds: the bound below, and how far to the next, in logarithms."""
    position = np.log(np.maximum(seconds, 1e-9) / BOUNDS[0]) / _LOG_GROWTH
    below = np.clip(np.floor(position), 0, len(BOUNDS) - 2).astype(np.int64)
    return below, np.clip(position - below, 0.0, 1.0)


def read_at(cdf: Array, seconds: Array) -> Array:
    """Cumulative values at `seconds`: cdf is (n, bounds + 1) with the answered share last; result (n, *seconds)."""
    below, part = columns_at(seconds)
    low = cdf[:, below]
    return np.where(seconds <= 0, 0.0, low + (cdf[:, below + 1] - low) * part)


class LatencyTable:
    """Distributions of waiting + service of requests answered before the time-out.

    Every row is cumulative: share of the requests answered within each bound, and last the share answered at all;
    what is missing to 1 has passed the time-out.
    """

    def __init__(self, mixture: Mixture, timeout: float) -> None:
        self.timeout = timeout
        self._mixture = mixture
        self._certain_waits = _far_and_near(timeout, CERTAIN_WAITS)
        self._certain = self._rows(self._certain_waits)
        self._chance_waits = _wait_grid(timeout, CHANCE_WAITS)
        atoms = self._rows((self._chance_waits[:, None] * _exponential_atoms()[None, :]).ravel())
        self._chance = atoms.reshape(CHANCE_WAITS, _ATOMS, -1).mean(axis=1)
        self.idle: Array = self._certain[0]
        """The row without any wait."""
        self._left = np.linspace(0.0, timeout, 257)
        fine = np.linspace(0.0, timeout, 2049)
        late = 1.0 - mixture.cdf(fine)
        area = np.concatenate(([0.0], np.cumsum((late[1:] + late[:-1]) / 2) * (fine[1] - fine[0])))
        self._work = [float(v) for v in np.interp(self._left, fine, area)]

    def _rows(self, waits: Array) -> Array:
        until = np.concatenate((np.minimum(BOUNDS, self.timeout), [self.timeout]))
        return self._mixture.cdf(until[None, :] - waits[:, None])

    def rows(self, waiting: Array, mean_wait: Array, certain: Array) -> Array:
        """Cumulative rows, (n, bounds + 1).

        Args:
            waiting: share of requests that wait at all, where the wait is chance (0..1).
            mean_wait: mean wait over all requests, seconds.
            certain: share of the wait that is a queue ahead of everybody, not chance (0..1).
        """
        share = np.maximum(np.minimum(waiting, 1.0), 1e-9)[:, None]
        chance = (1.0 - share) * self.idle + share * _between(
            self._chance, self._chance_waits, mean_wait / share[:, 0]
        )
        sure = certain[:, None]
        return (1.0 - sure) * chance + sure * _between(self._certain, self._certain_waits, mean_wait)

    def work(self, waited: float) -> float:
        """Mean seconds for which a request holds its slot when it has waited so long: E[min(S, timeout - waited)]."""
        left = self.timeout - waited
        if left <= 0:
            return 0.0
        position = left / self.timeout * (len(self._work) - 1)
        below = min(int(position), len(self._work) - 2)
        return self._work[below] + (self._work[below + 1] - self._work[below]) * (position - below)

    def wait_after(self, waited: float, each: float) -> float:
        """Seconds that a group has waited once all of it has begun, where its first waited `waited` seconds.

        Args:
            waited: Seconds.
            each: Requests of the group for each slot. Those before hold the slots for what their wait leaves of the time-out:
                w = waited + each x work(w), whose right side falls as w rises.
        """
        low, high = waited, waited + each * self.work(waited)
        for _ in range(SETTLING):
            middle = (low + high) / 2.0
            low, high = (middle, high) if waited + each * self.work(middle) > middle else (low, middle)
        return (low + high) / 2.0


def _far_and_near(timeout: float, points: int) -> Array:
    """Waits as in `_wait_grid`, and some close below the time-out, where a little decides who is answered."""
    near = timeout - np.geomspace(_FIRST_WAIT, timeout / 8.0, points // 4)
    return np.unique(np.concatenate((_wait_grid(timeout, points), near)))


def _wait_grid(timeout: float, points: int) -> Array:
    """Zero, then `points` - 1 waits from a millisecond to the time-out, evenly by logarithm."""
    return np.concatenate(([0.0], np.geomspace(_FIRST_WAIT, max(timeout, 2 * _FIRST_WAIT), points - 1)))


def _between(table: Array, grid: Array, waits: Array) -> Array:
    """Rows of `table` at `waits`, linear between those of the grid's waits; past the last one, the last."""
    below = np.minimum(np.maximum(np.searchsorted(grid, waits, side="right") - 1, 0), len(grid) - 2)
    position = below + (waits - grid[below]) / (grid[below + 1] - grid[below])
    part = np.maximum(np.minimum(position - below, 1.0), 0.0)[:, None]
    low = table[below]
    result: Array = low + (table[below + 1] - low) * part
    return result


def _exponential_atoms() -> Array:
    """Means of the `_ATOMS` slices of equal probability of the exponential with mean 1."""
    edges = np.arange(1, _ATOMS) / _ATOMS
    survive = np.concatenate(([1.0], 1.0 - edges, [0.0]))
    cut = np.concatenate(([0.0], -np.log(1.0 - edges), [0.0]))
    primitive = (cut + 1.0) * survive
    primitive[-1] = 0.0
    result: Array = (primitive[:-1] - primitive[1:]) * _ATOMS
    return result


@lru_cache(maxsize=96)
def table_for(mixture: Mixture, timeout: float) -> LatencyTable:
    """The table of this mix and time-out, shared by all regions that have them."""
    return LatencyTable(mixture, timeout)


def histogram(row: Array) -> Array:
    """Buckets of cumulative rows (..., bounds + 1): their sum is the answered share."""
    result = np.empty_like(row)
    result[..., 0] = row[..., 0]
    np.subtract(row[..., 1:], row[..., :-1], out=result[..., 1:])
    return result
