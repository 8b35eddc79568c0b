"""The daemon's loop over an hour or more of world time, with lies and without, and what became of the levers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache
from threading import RLock
from typing import Any
from unittest.mock import patch

from tests.control.fakes import FakeStore
from tests.lies.cloud import (
    COMPUTE,
    NETWORK_SERVICES,
    PROJECT,
    Cloud,
    CloudDeployer,
    CloudMetrics,
    CloudSession,
)
from tests.lies.liar import Liar, Lie
from tests.sim.worlds import client, region, setup

from spillway.adapters import monitoring
from spillway.adapters.compute import ComputeReader
from spillway.adapters.monitoring import MonitoringReader
from spillway.adapters.observer import CloudObserver
from spillway.control.memory import Keeper
from spillway.control.report import TickReport
from spillway.control.tick import Loop, Parts
from spillway.control.timing import Progress
from spillway.core.values.overlay import initial_overlay
from spillway.sim.judge import dead_time
from spillway.sim.pilot.fleet import fleet_of
from spillway.sim.pilot.pilot import policy_for
from spillway.sim.setup import Setup

TICK = 60.0
"""Seconds between ticks: the default of `daemon.tick`."""
HEALTH = 20.0
"""Seconds between health passes: two steps of the world, where `daemon.health_pass` is 15 s."""
RECENT = 600.0
"""Seconds at the end of a run over which demand is measured."""
WINDOW = 600.0
"""Seconds that each query reaches back."""
SPAN = (600.0, 1200.0)
"""World seconds between which lies are told."""

Levers = dict[tuple[str, str], float]
"""Scalers of the attached regions by (service, region)."""

REGIONS: dict[str, dict[str, Any]] = {
    "europe-west4": region(),
    "us-east4": region(),
    "us-west1": region(),
    "asia-northeast1": region(endpoints=8, target_rps=80, capacity_rps=85),
    "europe-north1": region(standby=True),
}
CLIENTS = [
    client("paris", 60.0, 48.9, 2.4),
    client("ohio", 50.0, 40.0, -83.0),
    client("seattle", 45.0, 47.6, -122.3),
    client("tokyo", 40.0, 35.7, 139.7),
]
SURGE = {"shape": "surge", "rps": 60, "factor": 3.0, "at": "12m", "for": "1h", "ramp": "2m"}

STORIES: dict[str, dict[str, Any]] = {
    "quiet": {},
    "dead": {
        "clients": [*CLIENTS, client("boston", 45.0, 42.4, -71.1)],
        "faults": [{"kind": "outage", "region": "us-east4", "at": "13m", "for": "12m"}],
    },
    "slow": {"faults": [{"kind": "slow", "region": "europe-west4", "at": "11m", "for": "1h", "factor": 2.5}]},
    "surge": {"clients": [client("paris", 0.0, 48.9, 2.4, demand=SURGE), *CLIENTS[1:]]},
}


@cache
def setup_of(story: str) -> Setup:
    """The world of a story, long enough for the lies and two dead times after them."""
    return setup(**{"duration": "3h", "regions": REGIONS, "clients": CLIENTS, **STORIES[story]})


@dataclass
class Record:
    """What a run came to."""

    targets: dict[tuple[str, str], float]
    """Requests/s that Google is told of each backend, at scaler 1."""
    dead_time: float
    demand: float = 0.0
    """Requests/s that arrived in the last ten minutes."""
    levers: list[tuple[float, Levers]] = field(default_factory=list)
    """(world second, levers) as they stand, at the beginning and whenever they have changed."""
    dead: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    """(world second, regions without a healthy endpoint), by the truth, at every step."""
    sentences: list[tuple[float, str]] = field(default_factory=list)
    """Of the passes that wrote something."""
    lies: list[Lie] = field(default_factory=list)
    longest: int = 0
    """Bytes of the longest state that was kept, or characters of the longest list of problems."""

    def at(self, second: float) -> Levers:
        """The levers at a moment."""
        return [levers for when, levers in self.levers if when <= second][-1]


class Inline(Executor):
    """Does at once what threads do side by side: an answer in virtual time is there when it is asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 handed on, as a pool does
            future.set_exception(error)
        return future


def _inline(observer: CloudObserver) -> None:
    """Let an observer read in the thread that asks."""
    reader: Any = observer._compute
    observer._pool = reader._pool = Inline()  # type: ignore[assignment]
    reader._lock = RLock()  # held while a read is handed to the pool, which then reads at once


class _Unwritten:
    """A journal that keeps nothing."""

    def append(self, record: dict[str, Any]) -> None:
        """Let it go."""


class Story:
    """One run of the daemon's loop over a world.

    Args:
        name: of `STORIES`.
        seed: of the lies; None for the truth.
        share: of looks that are lied to.
        always: as of `Liar`.
        span: world seconds (from, to) within which lies are told. The run goes on for two dead times and a tick.
    """

    def __init__(
        self,
        name: str,
        seed: int | None = None,
        *,
        share: float = 0.25,
        always: tuple[str, str] | None = None,
        span: tuple[float, float] = SPAN,
    ) -> None:
        built = setup_of(name)
        self._fleet, policy = fleet_of(built), policy_for(built)
        self.cloud = cloud = Cloud(built, self._fleet, policy)
        targets = {plant.name: plant.target for plant in built.regions}
        self.record = Record(
            targets={
                (service.name, backend.region): targets[backend.region]
                for service in self._fleet.services
                for backend in service.backends
            },
            dead_time=dead_time(cloud.world),
        )
        self._liar = (
            Liar(cloud, seed or 0, share=share, span=span, always=always)
            if seed is not None or always is not None
            else None
        )
        self.until = span[1] + 2 * self.record.dead_time + TICK
        self.store = FakeStore()
        teller = self._liar or cloud
        metrics: Any = CloudMetrics(teller.series, cloud.descriptor)
        observer = CloudObserver(
            self._fleet,
            monitoring=MonitoringReader(
                metrics,
                project=PROJECT,
                resources=[service.resource for service in self._fleet.services],
                window=WINDOW,
                deadline=60.0,
            ),
            compute=ComputeReader(
                CloudSession(teller.rest),
                project=PROJECT,
                deadline=60.0,
                parallel=4,
                compute=COMPUTE,
                network_services=NETWORK_SERVICES,
            ),
            clock=cloud,
            deadline=60.0,
        )
        _inline(observer)
        parts = Parts(
            fleet=self._fleet,
            policies={"default": policy},
            starting=initial_overlay(self._fleet),
            observer=observer,
            deployer=CloudDeployer(cloud),
            digest="one",
            close=observer.close,
        )
        self.loop = Loop(
            parts,
            journal=_Unwritten(),
            keeper=Keeper(self.store),
            clock=cloud,
            progress=Progress(cloud.monotonic, tick=TICK, write_limit=900.0),
            stopwatch=cloud.monotonic,
        )

    def run(self) -> Record:
        """Go on to the end."""
        with patch.object(monitoring, "_RETRY_PAUSE", 0.0):
            return self._run()

    def _run(self) -> Record:
        world, loop = self.cloud.world, self.loop
        loop.restore()
        loop.provision()
        self._look()
        next_tick = next_health = 0.0
        arrived = 0.0
        while world.time < self.until:
            if world.time <= self.until - RECENT:
                arrived = world.report().requests
            if world.time >= next_tick:
                self._note(loop.tick())
                next_tick = world.time // TICK * TICK + TICK
            elif world.time >= next_health:
                report = loop.health_pass()
                if report is not None:
                    self._note(report)
            next_health = world.time + HEALTH
            self._look()
            self.cloud.advance(world.time + HEALTH)
        loop.close()
        self.record.demand = (world.report().requests - arrived) / RECENT
        self.record.lies = list(self._liar.told) if self._liar is not None else []
        return self.record

    def _look(self) -> None:
        """Write down how things stand, by the truth."""
        record, now, levers = self.record, self.cloud.world.time, self.cloud.levers()
        if not record.levers or record.levers[-1][1] != levers:
            record.levers.append((now, levers))
        ill = frozenset(
            region
            for region in {backend.region for service in self._fleet.services for backend in service.backends}
            if not any(healthy for healthy, _ in self.cloud.plant.health(region))
        )
        record.dead.append((now, ill))
        record.longest = max(record.longest, len(self.store.content or b""))

    def _note(self, report: TickReport) -> None:
        if report.moves:
            self.record.sentences.append((self.cloud.world.time, report.sentence))
        self.record.longest = max(self.record.longest, sum(map(len, report.snapshot.problems)))


@cache
def truth(story: str, span: tuple[float, float] = SPAN) -> Record:
    """The run of a story without lies, as long as one with lies in `span`."""
    return Story(story, span=span).run()


def story_of(seed: int) -> str:
    """The story that a seed chooses."""
    return sorted(STORIES)[seed % len(STORIES)]


@cache
def lied(seed: int, *, share: float = 0.25, span: tuple[float, float] = SPAN) -> Record:
    """The story that a seed chooses, with lies."""
    return Story(story_of(seed), seed, share=share, span=span).run()
