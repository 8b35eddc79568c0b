"""Closed sample periods as the load balancer measured them: a ring of bounded size, the truth not yet blurred."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import ERROR, OK, TIMED_OUT, TOO_MANY, UNAVAILABLE
from spillway.sim.faults import Schedule
from spillway.sim.latency import BUCKETS, FAST, bucket_of
from spillway.sim.places import CONTINENTS
from spillway.sim.setup import Setup
from spillway.sim.tally import Tally

Array = NDArray[np.float64]

MEMORY = 64 * 2**20
"""Bytes that the ring may take, latency histograms in the main."""

LEAST, MOST = 45, 240
"""Periods that the ring keeps, whatever their size."""

CODE_CLASSES = (200, 400, 500)


@dataclass(frozen=True, kw_only=True, eq=False)
class Period:
    """One closed sample period."""

    index: int
    end: float
    """UTC seconds."""
    services: tuple[str, ...]
    counts: Array
    """Answers, codes x services x continents x regions."""
    answers: Array
    """Requests served in the usual time by latency bucket, services x continents x regions x buckets."""
    unassigned: Array
    """Requests for which no backend was found, services x continents."""
    zone_share: tuple[tuple[float, ...], ...]
    """For each region, how its requests spread over its zonal groups."""


class SampleStore:
    """The newest closed periods, oldest first."""

    def __init__(self, setup: Setup, seed: int, faults: Schedule) -> None:
        self.setup = setup
        self.seed = seed
        self.faults = faults
        """All faults, those injected since among them; the world keeps this up to date."""
        self.length = setup.scenario.monitoring.sample_period
        """Seconds of a period."""
        self._timeout = [bucket_of(p.timeout) for p in setup.regions]
        self._periods: deque[Period] = deque()

    @property
    def periods(self) -> tuple[Period, ...]:
        """What the ring holds."""
        return tuple(self._periods)

    def add(self, tally: Tally) -> None:
        """Take in a period that has ended and was settled."""
        shape = (len(tally.services), len(CONTINENTS), len(self.setup.regions))
        period = Period(
            index=tally.index,
            end=self.setup.scenario.start + (tally.index + 1) * self.length,
            services=tally.services,
            counts=tally.counts.reshape(len(tally.counts), *shape).copy(),
            answers=tally.answers.reshape(*shape, BUCKETS),
            unassigned=tally.unassigned.reshape(shape[:2]).copy(),
            zone_share=tally.zone_share,
        )
        self._periods.append(period)
        size = max(1, period.answers.nbytes + period.counts.nbytes)
        while len(self._periods) > min(MOST, max(LEAST, MEMORY // size)):
            self._periods.popleft()

    def latencies(self, period: Period, service: int) -> Array:
        """Histograms of one service, code classes x continents x regions x buckets.

        Quick failures lie at 50 ms, time-outs at the region's time-out.
        """
        answers, counts = period.answers[service], period.counts[:, service]
        result = np.zeros((len(CODE_CLASSES), *answers.shape))
        usual = counts[OK] + counts[ERROR]
        wrong = (counts[ERROR] / np.maximum(usual, 1e-300))[:, :, None]
        result[0] = answers * (1.0 - wrong)
        result[2] = answers * wrong
        fast = bucket_of(FAST * 0.9)
        result[1, :, :, fast] += counts[TOO_MANY]
        result[2, :, :, fast] += counts[UNAVAILABLE]
        for region, bucket in enumerate(self._timeout):
            result[2, :, region, bucket] += counts[TIMED_OUT, :, region]
        return result
