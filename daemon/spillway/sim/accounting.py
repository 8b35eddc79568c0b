"""What a run came to: requests by fate, SLO minutes, latency as clients saw it, utilisation, cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import CODES, OK, UNASSIGNED_CODE, Groups, RegionArrays
from spillway.sim.flow import BlockResult
from spillway.sim.latency import BOUNDS, BUCKETS
from spillway.sim.places import CONTINENTS
from spillway.sim.scenario import Slo
from spillway.sim.tally import Tally

Array = NDArray[np.float64]

NETWORK_GRAIN = 0.015
"""Seconds by which network times are told apart in the distribution of client latencies."""

NETWORK_BINS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Where all requests are: arrived = answered + failed + waiting, at every step."""

    arrived: float
    answered: float
    failed: float
    waiting: float

    @property
    def error(self) -> float:
        """What is unaccounted for, as a share of what arrived."""
        return abs(self.arrived - self.answered - self.failed - self.waiting) / max(1.0, self.arrived)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The sums of a run."""

    requests: float
    """Every attempt counts."""
    answered: float
    failed: float
    waiting: float
    """Still in queues at the end; neither answered nor failed."""
    retries: float
    """Those of the requests that repeat one that failed."""
    bad_requests: float
    """Failed, or answered later than the SLO allows as the client sees it."""
    failed_by_code: tuple[tuple[int, float], ...]
    slo_minutes_lost: float
    """Minutes in which any service broke its latency percentile or its availability."""
    latency_ms: tuple[tuple[str, float], ...]
    """p50, p95 and p99 of good answers as clients see them: network + waiting + service."""
    max_over_mean_utilization: float
    """Mean over the steps: the fullest open region's offered load over the mean load of open regions."""
    cost: float
    """Answers x price of the region that gave them."""


class ClientLatency:
    """The distribution of latencies as clients see them, kept by network time."""

    def __init__(self, rtt: Array) -> None:
        self._bins = np.minimum((rtt / NETWORK_GRAIN).astype(np.int64), NETWORK_BINS - 1)
        self._histogram = np.zeros((NETWORK_BINS, BUCKETS))
        self._calm: Array = np.zeros(rtt.shape)

    def widen(self, rtt: Array, regions: RegionArrays) -> None:
        """Make room for more streams, given the network times of all."""
        self.settle(regions)
        self._bins = np.minimum((rtt / NETWORK_GRAIN).astype(np.int64), NETWORK_BINS - 1)
        self._calm = np.zeros(rtt.shape)

    def add(self, result: BlockResult, regions: RegionArrays, groups: Groups) -> None:
        """Take in a block's good answers; those to copies reach no client."""
        fine = 1.0 - regions.errors
        answers = result.by_client
        if groups.copies.any():
            answers = answers * ~groups.copies[:, None]
        if not len(result.busy_step):
            self._calm += answers.sum(axis=0) * fine
            return
        self._calm += (answers * ~result.busy[:, None, :]).sum(axis=0) * fine
        weights = answers[result.busy_step, :, result.busy_region] * fine[result.busy_region][:, None]
        place = np.arange(len(weights))[:, None] * NETWORK_BINS + self._bins.T[result.busy_region]
        by_bin = np.bincount(place.ravel(), weights.ravel(), len(weights) * NETWORK_BINS)
        self._histogram += by_bin.reshape(-1, NETWORK_BINS).T @ result.busy_histogram

    def settle(self, regions: RegionArrays) -> None:
        """Book the answers without waiting, before the regions' state changes."""
        count = self._bins.shape[1]
        place = self._bins * count + np.arange(count)
        by_bin = np.bincount(place.ravel(), self._calm.ravel(), NETWORK_BINS * count)
        self._histogram += by_bin.reshape(NETWORK_BINS, count) @ regions.idle_histogram
        self._calm[:] = 0.0

    def percentiles(self, percents: tuple[float, ...]) -> tuple[float, ...]:
        """Milliseconds; 0 where nothing was answered. Call `settle` first."""
        total = float(self._histogram.sum())
        if total <= 0:
            return tuple(0.0 for _ in percents)
        fine = BOUNDS[0] / 10 * 1.02 ** np.arange(700)
        cumulative = np.cumsum(self._histogram, axis=1)
        seen = np.zeros_like(fine)
        for i, row in enumerate(cumulative):
            network = (i + 0.5) * NETWORK_GRAIN
            seen += np.interp(fine - network, BOUNDS, row[:-1], left=0.0)
        return tuple(round(float(np.interp(p / 100 * total, seen, fine)) * 1000, 1) for p in percents)


class Ledger:
    """The sums of a run: closed sample periods, and the open one on request."""

    def __init__(self, slo: Slo, costs: Array, period: float) -> None:
        self._slo, self._costs, self._period = slo, costs, period
        self._arrived = 0.0
        self._unassigned = 0.0
        self._good = 0.0
        self._by_code = np.zeros((len(CODES), len(costs)))
        self._lost = 0
        self._imbalance = np.zeros(2)

    def copy(self) -> Ledger:
        """An independent copy."""
        twin = Ledger(self._slo, self._costs, self._period)
        twin.__dict__.update(self.__dict__)
        twin._by_code, twin._imbalance = self._by_code.copy(), self._imbalance.copy()
        return twin

    def close(self, tally: Tally) -> None:
        """Add a period."""
        self._arrived += float(tally.arrived.sum())
        self._unassigned += float(tally.unassigned.sum())
        self._good += float(tally.good.sum())
        self._by_code += tally.counts.sum(axis=1)
        self._lost += self._is_lost(tally)
        self._imbalance += tally.imbalance

    def _is_lost(self, tally: Tally) -> bool:
        services = (len(tally.services), len(CONTINENTS))
        answered = tally.counts[OK].sum(axis=1).reshape(services).sum(axis=1)
        failed = tally.counts[OK + 1 :].sum(axis=(0, 2)) + tally.unassigned
        failed = failed.reshape(services).sum(axis=1)
        good = tally.good.sum(axis=1).reshape(services).sum(axis=1)
        slow = answered - good > answered * (1.0 - self._slo.percentile / 100.0) + 1e-9
        unavailable = failed > (answered + failed) * (1.0 - self._slo.availability) + 1e-9
        return bool((slow | unavailable).any())

    def balance(self, waiting: float) -> Balance:
        """Where all requests are."""
        return Balance(
            arrived=self._arrived,
            answered=float(self._by_code[OK].sum()),
            failed=float(self._by_code[OK + 1 :].sum()) + self._unassigned,
            waiting=waiting,
        )

    @property
    def bad(self) -> float:
        """Requests failed or answered too late."""
        balance = self.balance(0.0)
        return balance.failed + max(0.0, balance.answered - self._good)

    def report(self, waiting: float, latency: ClientLatency, retries: float) -> Report:
        """The sums so far."""
        balance = self.balance(waiting)
        by_code = dict(zip(CODES, self._by_code.sum(axis=1).tolist(), strict=True))
        by_code[UNASSIGNED_CODE] = self._unassigned
        p50, p95, p99 = latency.percentiles((50, 95, 99))
        ratios, count = self._imbalance.tolist()
        return Report(
            requests=balance.arrived,
            answered=balance.answered,
            failed=balance.failed,
            waiting=waiting,
            retries=retries,
            bad_requests=self.bad,
            failed_by_code=tuple((c, n) for c, n in sorted(by_code.items()) if c != CODES[OK] and n > 0),
            slo_minutes_lost=self._lost * self._period / 60.0,
            latency_ms=(("p50", p50), ("p95", p95), ("p99", p99)),
            max_over_mean_utilization=ratios / count if count else 0.0,
            cost=float(self._by_code[OK] @ self._costs),
        )
