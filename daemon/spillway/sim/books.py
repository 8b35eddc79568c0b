"""The books of a world: the open sample period, the sums of closed ones, client latencies, and the hash of it all."""

from __future__ import annotations

import hashlib
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from spillway.sim.accounting import Balance, ClientLatency, Ledger, Report
from spillway.sim.arrays import OK, Groups, RegionArrays
from spillway.sim.faults import Schedule
from spillway.sim.samples import SampleStore
from spillway.sim.setup import Setup
from spillway.sim.tally import StepSums, Tally

Array = NDArray[np.float64]

_EPSILON = 1e-6


class Books:
    """Everything that is counted."""

    def __init__(self, setup: Setup, seed: int, faults: Schedule, groups: Groups) -> None:
        self._setup = setup
        self._step = setup.scenario.step
        self._period = setup.scenario.monitoring.sample_period
        self._ledger = Ledger(
            setup.scenario.slo,
            np.array([p.cost for p in setup.regions]),
            setup.scenario.monitoring.sample_period,
        )
        self._latency = ClientLatency(setup.rtt)
        self._hash = hashlib.blake2b(digest_size=16)
        self.samples = SampleStore(setup, seed, faults)
        self._tally = self._open(0, groups)

    def fork(self) -> Sums:
        """What a fork goes on with."""
        return Sums(self._all().balance(0.0), self._all().bad)

    def regroup(self, groups: Groups) -> None:
        """Make room for services that came after the others."""
        if len(groups.services) > len(self._tally.services):
            self._tally = self._tally.grown(groups.services, groups.size)

    def widen(self, rtt: Array, regions: RegionArrays) -> None:
        """Make room for more streams, given the network times of all."""
        self._latency.widen(rtt, regions)

    def settle(self, regions: RegionArrays) -> None:
        """Book what is booked by the regions' state, before that changes."""
        self._tally.settle(regions)
        self._latency.settle(regions)

    def take(self, sums: StepSums, regions: RegionArrays, groups: Groups) -> None:
        """Add a block, closing the sample periods that end in it."""
        first = sums.result.first
        last = first + len(sums.arrived)
        self._latency.add(sums.result, regions, groups)
        k = first
        while k < last:
            index = floor(k * self._step / self._period + _EPSILON)
            end = min(last, ceil((index + 1) * self._period / self._step - _EPSILON))
            self._tally.add(sums, slice(k - first, end - first), regions)
            k = end
            if k * self._step >= (index + 1) * self._period - _EPSILON:
                self._close(index, regions, groups)

    def _close(self, index: int, regions: RegionArrays, groups: Groups) -> None:
        self._tally.settle(regions)
        self._ledger.close(self._tally)
        self._hash.update(self._tally.trace())
        self.samples.add(self._tally)
        self._tally = self._open(index + 1, groups)

    def _open(self, index: int, groups: Groups) -> Tally:
        return Tally(index, groups.services, groups.size, len(self._setup.regions), detailed=True)

    def _all(self) -> Ledger:
        """The sums so far, the open period among them."""
        ledger = self._ledger.copy()
        ledger.close(self._tally)
        return ledger

    def balance(self, waiting: float) -> Balance:
        """Where all requests are, with so many in queues."""
        return self._all().balance(waiting)

    @property
    def bad(self) -> float:
        """Requests failed or answered too late."""
        return self._all().bad

    def report(self, waiting: float, regions: RegionArrays, retries: float = 0.0) -> Report:
        """The sums so far."""
        self._latency.settle(regions)
        return self._all().report(waiting, self._latency, retries)

    def trace_hash(self, waiting: Array) -> str:
        """A hash of all that happened so far, by sample period, in thousandths of a request."""
        twin = self._hash.copy()
        twin.update(self._tally.trace())
        twin.update(np.round(waiting * 1000.0).astype("<i8").tobytes())
        return twin.hexdigest()


class Sums:
    """The books of a fork: where the requests are, and how many are bad. Forks are many, and nobody asks them for more."""

    samples: SampleStore | None = None

    def __init__(self, balance: Balance, bad: float) -> None:
        """Go on from there; what waits is no business of the books."""
        self._arrived, self._answered, self._failed = balance.arrived, balance.answered, balance.failed
        self.bad = bad
        """Requests failed or answered too late."""

    def fork(self) -> Sums:
        """An independent copy."""
        return Sums(self.balance(0.0), self.bad)

    def regroup(self, groups: Groups) -> None:
        """Services are not told apart here."""

    def widen(self, rtt: Array, regions: RegionArrays) -> None:
        """Streams are not told apart here."""

    def settle(self, regions: RegionArrays) -> None:
        """Everything was booked at once."""

    def take(self, sums: StepSums, regions: RegionArrays, groups: Groups) -> None:
        """Add a block."""
        del regions, groups
        result = sums.result
        nowhere = float(sums.unassigned.sum())
        answered = float(result.counts[:, OK].sum())
        failed = float(result.counts[:, OK + 1 :].sum()) + nowhere
        self._arrived += float(sums.arrived.sum())
        self._answered += answered
        self._failed += failed
        self.bad += failed + answered - float(result.good.sum())

    def balance(self, waiting: float) -> Balance:
        """Where all requests are, with so many in queues."""
        return Balance(arrived=self._arrived, answered=self._answered, failed=self._failed, waiting=waiting)
