"""Time series of a run, for plots and CSV: one row a simulated minute, or fewer where the run is long."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import CODES, OK
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Controller
from spillway.sim.latency import BOUNDS, BUCKETS
from spillway.sim.run import Moment
from spillway.sim.setup import Setup
from spillway.sim.world import World

Array = NDArray[np.float64]

MINUTE = 60.0
MOST_ROWS = 4320
"""Three days of minutes; a longer run has longer rows, so that what is kept does not grow with it."""

MOST_DECISIONS = 500
"""Decisions kept in words; the rest are counted."""

_EPSILON = 1e-6


@runtime_checkable
class Explains(Protocol):
    """A controller that says why it wrote."""

    @property
    def sentences(self) -> list[tuple[float, str]]:
        """(UTC seconds, sentence) of every tick that wrote something."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One write, in words."""

    at: float
    """Seconds since time zero."""
    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """What a run looked like, row by row; a row is the mean over the seconds since the row before."""

    start: float
    """UTC seconds of time zero."""
    interval: float
    """Seconds of a row; the last one may be shorter."""
    clients: tuple[str, ...]
    regions: tuple[str, ...]
    backends: tuple[tuple[str, str], ...]
    """(service, region) of each column of `scaler`."""
    time: Array
    """End of each row, seconds since time zero."""
    demand: Array
    """Requests/s, rows x clients, at the start of the row."""
    load: Array
    """Requests/s that the regions answered or failed, rows x regions."""
    failed: Array
    """Those of them that failed, rows x regions."""
    ceiling: Array
    """Requests/s up to which the balancer fills a region: the largest over its services, rows x regions."""
    capacity: Array
    """Requests/s that a region can serve for ever, in truth, rows x regions."""
    waiting: Array
    """Requests in queues at the end of the row, rows x regions."""
    p95: Array
    """Seconds within which 95 % of a region's answers came, waiting included; NaN without answers; rows x regions."""
    fleet_p95: Array
    """The same over all regions."""
    scaler: Array
    """In effect at the end of the row, rows x backends; NaN where the region is no member."""
    arrived: Array
    """Requests/s."""
    bad: Array
    """Requests/s that failed or were answered too late for the SLO, as the client sees it."""
    decisions: tuple[Decision, ...]
    more_decisions: int
    """Decisions beyond `MOST_DECISIONS`."""


class Recorder:
    """Watches one run. It looks at the truth, and touches nothing.

    Args:
        setup: what the run is built from.
        controller: who steers; its sentences explain its writes where it has any.
    """

    def __init__(self, setup: Setup, controller: Controller) -> None:
        scenario = setup.scenario
        minutes = max(1, ceil(scenario.duration / MINUTE / MOST_ROWS))
        period = scenario.monitoring.sample_period
        self.interval = ceil(minutes * MINUTE / period - _EPSILON) * period
        """Seconds of a row: whole sample periods, a minute or more."""
        self._setup, self._controller = setup, controller
        self._backends = tuple(
            (service, plant.name)
            for service in (tuple(scenario.services) or ("pool",))
            for plant in setup.regions
        )
        self._row_start, self._demand = 0.0, np.zeros(len(setup.sources))
        self._next_period = 0
        self._arrived = self._bad = 0.0
        self._sum = _Sum.empty(len(setup.regions))
        self._rows: list[tuple[Array | float, ...]] = []
        self._decisions: list[Decision] = []
        self._decided = 0

    def watch(self, moment: Moment) -> None:
        """Take in what has happened since the last call."""
        world = moment.world
        if world.time == 0.0:
            self._demand = world.demand()
        self._collect(world)
        if world.time >= self._row_start + self.interval - _EPSILON:
            self._close(world)
        if moment.decision:
            self._decide(world, moment.decision, moment.listing)

    def finish(self, world: World) -> None:
        """Take in the end of the run."""
        self._collect(world)
        if world.time > self._row_start + _EPSILON:
            self._close(world)

    def series(self) -> Series:
        """All rows so far."""
        columns = [np.array(column) for column in zip(*self._rows, strict=True)]
        names = ("time", "demand", "load", "failed", "ceiling", "capacity", "waiting", "p95")
        return Series(
            start=self._setup.scenario.start,
            interval=self.interval,
            clients=tuple(source.name for source in self._setup.sources),
            regions=tuple(plant.name for plant in self._setup.regions),
            backends=self._backends,
            decisions=tuple(self._decisions),
            more_decisions=self._decided - len(self._decisions),
            **dict(zip((*names, "fleet_p95", "scaler", "arrived", "bad"), columns, strict=True)),
        )

    def _collect(self, world: World) -> None:
        if world.samples is None:
            raise ValueError("a fork cannot be recorded; record a whole world")
        for period in world.samples.periods:
            if period.index >= self._next_period:
                self._sum.counts += period.counts.sum(axis=(1, 2))
                self._sum.answers += period.answers.sum(axis=(0, 1))
                self._next_period = period.index + 1

    def _close(self, world: World) -> None:
        """End a row now."""
        seconds = world.time - self._row_start
        balance, bad = world.balance(), world.bad_requests()
        counts = self._sum.counts
        self._rows.append(
            (
                world.time,
                self._demand,
                counts.sum(axis=0) / seconds,
                counts[OK + 1 :].sum(axis=0) / seconds,
                self._ceilings(world),
                np.array([world.state(plant.name).capacity for plant in self._setup.regions]),
                world.waiting,
                np.array([percentile(row, 0.95) for row in self._sum.answers]),
                percentile(self._sum.answers.sum(axis=0), 0.95),
                self._scalers(world),
                (balance.arrived - self._arrived) / seconds,
                (bad - self._bad) / seconds,
            )
        )
        self._arrived, self._bad, self._row_start = balance.arrived, bad, world.time
        self._demand = world.demand()
        self._sum = _Sum.empty(len(self._setup.regions))

    def _ceilings(self, world: World) -> Array:
        found = np.zeros(len(self._setup.regions))
        told = [{b.region: b for b in control.backends} for control in world.controls.values()]
        for i, plant in enumerate(self._setup.regions):
            for backends in told:
                if (backend := backends.get(plant.name)) is not None:
                    target = plant.target if backend.target_rate is None else backend.target_rate
                    found[i] = max(found[i], target * backend.scaler)
        return found

    def _scalers(self, world: World) -> Array:
        controls = world.controls
        told = {(c.service, b.region): b.scaler for c in controls.values() for b in c.backends}
        return np.array([told.get(key, np.nan) for key in self._backends])

    def _decide(
        self, world: World, asked: tuple[ServiceControl, ...], listing: tuple[ServiceControl, ...]
    ) -> None:
        self._decided += 1
        if len(self._decisions) >= MOST_DECISIONS:
            return
        if isinstance(self._controller, Explains) and self._controller.sentences:
            text = self._controller.sentences[-1][1]
        else:
            text = difference(listing, asked)
        self._decisions.append(Decision(at=world.time, text=text))


@dataclass(slots=True)
class _Sum:
    """Sums over the sample periods of the open row."""

    counts: Array
    """Codes x regions."""
    answers: Array
    """Regions x latency buckets."""

    @staticmethod
    def empty(regions: int) -> _Sum:
        return _Sum(np.zeros((len(CODES), regions)), np.zeros((regions, BUCKETS)))


def percentile(histogram: Array, share: float) -> float:
    """Seconds below which `share` of a latency histogram lies, by logarithm within a bucket; NaN if it is empty."""
    cumulative = np.cumsum(histogram)
    total = float(cumulative[-1])
    if total <= _EPSILON:
        return float("nan")
    bucket = int(np.searchsorted(cumulative, share * total))
    if bucket == 0 or bucket >= len(BOUNDS):
        return float(BOUNDS[min(bucket, len(BOUNDS) - 1)])
    before = float(cumulative[bucket - 1])
    part = (share * total - before) / max(float(histogram[bucket]), 1e-300)
    low, high = log(BOUNDS[bucket - 1]), log(BOUNDS[bucket])
    return exp(low + (high - low) * min(1.0, part))


def difference(before: tuple[ServiceControl, ...], after: tuple[ServiceControl, ...]) -> str:
    """What a write changes, in words."""
    known = {c.service: c for c in before}
    several = len(known) > 1
    parts = []
    for control in after:
        old = known.get(control.service)
        was = {b.region: b.scaler for b in old.backends} if old is not None else {}
        now = {b.region: b.scaler for b in control.backends}
        name = f"{control.service} " if several else ""
        parts += [
            f"{name}{region} {_level(was.get(region))} to {_level(now.get(region))}"
            for region in dict.fromkeys((*was, *now))
            if was.get(region) != now.get(region)
        ]
        if old is not None and old.failover_threshold != control.failover_threshold:
            parts.append(f"{name}failover threshold {control.failover_threshold:.0%}")
    return "; ".join(parts) or "wrote what stood there already"


def _level(scaler: float | None) -> str:
    return "out" if scaler is None else f"{scaler:.2f}"
