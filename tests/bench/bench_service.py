"""Figures of the running daemon: the tick's own cost for a large fleet, and memory over many ticks.

Nothing here is a test: `make bench` prints what was measured on the machine at hand.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from tests.control.journal_files import journal_at

from spillway.adapters.exporter import Exporter
from spillway.adapters.files import FileStore
from spillway.adapters.process import release_memory
from spillway.adapters.reads import ReadTotals
from spillway.adapters.status_document import About
from spillway.control.memory import Keeper, Store
from spillway.control.tick import Loop, Parts
from spillway.control.timing import Progress
from spillway.core.observe.rows import (
    Answer,
    CountRow,
    GroupHealth,
    HealthReads,
    LatencyRow,
    ListedGroup,
    ListedService,
    Listing,
    PlaceRow,
    Policies,
    Readings,
    histogram,
)
from spillway.core.observe.snapshot import NOTHING_ASKED, observe
from spillway.core.values.histogram import Distribution
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import Overlay, initial_overlay
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Service, Target
from spillway.ports import Applied, Journal, Outcome, Preview

_PLACES = (
    "asia-east1", "asia-northeast1", "asia-south1", "australia-southeast1", "europe-north1",
    "europe-west1", "europe-west4", "southamerica-east1", "us-central1", "us-east4",
)  # fmt: skip
_BOUNDS = tuple(0.01 * 1.4**i for i in range(34))
"""Seconds: buckets as wide as a sandbox's, from 10 ms to a quarter of an hour."""
_COUNTS = tuple(3600.0 * max(0.0, 1.0 - abs(i - 14) / 3) / 3 for i in range(len(_BOUNDS) + 1))
_MIDDLES = (0.0, *((low + high) / 2 for low, high in pairwise(_BOUNDS)), _BOUNDS[-1])
_MEAN = sum(m * c for m, c in zip(_MIDDLES, _COUNTS, strict=True)) / sum(_COUNTS)
_WINDOW = 15
"""Minutes that each query reaches back."""
_START = 1_795_000_000.0


def fleet_of(services: int, regions: int) -> Fleet:
    """A fleet with `regions` backends behind each of `services` services; services share no group."""
    return Fleet(
        services=tuple(
            Service(
                name=f"service-{s:03d}",
                resource=f"spillway-service-{s:03d}",
                policy="default",
                backends=tuple(
                    Backend(
                        service=f"service-{s:03d}",
                        region=region,
                        groups=(GroupKey(name=f"neg-{s:03d}-{region}", scope=f"{region}-a"),),
                        target=Target(mode=BalancingMode.RATE, per_endpoint=10.0),
                    )
                    for region in _PLACES[:regions]
                ),
            )
            for s in range(services)
        )
    )


class Synthetic:
    """A cloud that costs nothing to ask: what each tick will read is made ahead of the clock that measures it.

    As from the real readers, all rows and points of a tick are new objects, every backend has numbers of its own, and all
    distributions but the newest are those of the tick before (`decode.Distributions`).
    """

    kind = "synthetic"

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.overlay = initial_overlay(fleet)
        self.at = _START
        self._readings = NOTHING_ASKED
        self._listing = Listing(at=self.at, services={})
        self._health = HealthReads(at=self.at)
        self._before: Snapshot | None = None
        self._spreads: dict[float, list[Distribution]] = {}

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def advance(self) -> None:
        """One minute later: what will be read then."""
        self.at += 60.0
        ends = [self.at // 60.0 * 60.0 - 60.0 * back for back in range(_WINDOW)]
        backends = sum(len(service.backends) for service in self.fleet.services)
        self._spreads = {
            end: self._spreads.get(end) or [_spread(end, number) for number in range(backends)]
            for end in ends
        }
        minutes = [[_points(spread) for spread in spreads] for spreads in self._spreads.values()]
        self._readings = _readings(self.fleet, self.at, ends, minutes)
        self._listing = _listing(self.fleet, self.overlay, self.at)
        self._health = HealthReads(
            at=self.at,
            groups={
                (service.resource, key): GroupHealth(healthy=10, total=10)
                for service in self.fleet.services
                for backend in service.backends
                for key in backend.groups
            },
        )

    def observe(self) -> Snapshot:
        self._before = observe(
            self.fleet,
            before=self._before,
            at=self.at,
            readings=self._readings,
            listing=self._listing,
            policies=Policies(at=self.at, policies={}),
            health=self._health,
        )
        return self._before

    def observe_health(self) -> Snapshot:
        return self.observe()

    def preview(self, overlay: Overlay) -> Preview:
        return Preview(changes=(), same=0)

    def build(self, overlay: Overlay) -> Applied:
        return self.apply(overlay)

    def apply(self, overlay: Overlay) -> Applied:
        self.overlay = overlay
        return Applied(outcome=Outcome.DONE, sentence="done", engine_processes=1, engine_seconds=0.4)

    def destroy(self) -> Applied:
        return Applied(outcome=Outcome.DONE, sentence="done")

    def recover(self) -> str | None:
        return None

    def outputs(self) -> dict[str, str]:
        return {}


Points = tuple[float, float, Distribution, float]
"""What a backend says of a minute: answers, failures, latencies, requests."""


def _points(spread: Distribution) -> Points:
    """A minute of a backend with these latencies."""
    answers = float(round(spread.count))
    return answers, 1.0, spread, answers + 1.0


def _readings(fleet: Fleet, at: float, ends: list[float], minutes: list[list[Points]]) -> Readings:
    """The rows of the last quarter of an hour: answers, a few failures, latencies, requests by continent."""
    counts, latencies, places = [], [], []
    backends = [(service, backend) for service in fleet.services for backend in service.backends]
    for number, (service, backend) in enumerate(backends):
        group = (service.resource, backend.groups[0].name, backend.groups[0].scope)
        answers, failures, spreads, requests = zip(*[minute[number] for minute in minutes], strict=True)
        # every row has ends of its own, as from the real readers
        counts.append(CountRow(*group, 200, (*ends,), answers))
        counts.append(CountRow(*group, 503, (*ends,), failures))
        latencies.append(LatencyRow(*group, (*ends,), spreads))
        places.append(PlaceRow(group[0], group[2], _continent(backend.region), (*ends,), requests))
    return Readings(
        counts=Answer(asked=at, rows=tuple(counts)),
        latencies=Answer(asked=at, rows=tuple(latencies)),
        places=Answer(asked=at, rows=tuple(places)),
    )


def _listing(fleet: Fleet, overlay: Overlay, at: float) -> Listing:
    """Every group attached as the overlay wants it."""
    listed = {}
    for service, setting in zip(fleet.services, overlay.services, strict=True):
        groups = tuple(
            ListedGroup(key=key, url=key.name, scaler=setting.backend(backend.region).scaler)
            for backend in service.backends
            for key in backend.groups
        )
        listed[service.resource] = ListedService(resource=service.resource, groups=groups)
    return Listing(at=at, services=listed)


def _continent(region: str) -> str:
    return (
        "Asia"
        if region.startswith(("asia", "australia"))
        else "Europe"
        if region.startswith("europe")
        else "America"
    )


def _spread(end: float, number: int) -> Distribution:
    """Latencies of a minute of backend `number`: some 60 requests/s, answered in half a second to two and a half."""
    swing = 1.0 + 0.05 * ((end / 60.0 + number) % 7 - 3) / 3
    counts = tuple([count * swing for count in _COUNTS])
    spread = histogram(
        _BOUNDS, counts, count=sum(counts), mean=_MEAN
    )  # with the reader's own checks, as from `adapters.decode`
    assert spread is not None
    return spread


def loop_over(cloud: Synthetic, journal: Journal, store: Store) -> tuple[Loop, Progress]:
    """The daemon's loop over a synthetic cloud, and its progress."""
    parts = Parts(
        fleet=cloud.fleet,
        policies={"default": Policy(mode=Mode.ACT)},
        starting=initial_overlay(cloud.fleet),
        observer=cloud,
        deployer=cloud,
        digest="bench",
    )
    progress = Progress(time.monotonic, tick=60.0, write_limit=900.0)
    return Loop(parts, journal=journal, keeper=Keeper(store), clock=cloud, progress=progress), progress


def daemon_of(fleet: Fleet, folder: Path) -> tuple[Loop, Synthetic, Exporter]:
    """The daemon's loop, journal, store and exporter over a synthetic cloud; nothing listens."""
    cloud = Synthetic(fleet)
    loop, progress = loop_over(cloud, journal_at(folder / "journal"), FileStore(folder / "state.json"))
    exporter = Exporter(
        "127.0.0.1:0",
        About(
            name="bench", project="bench-project", cloud="sandbox", engine=cloud.kind, speed=1.0, tick=60.0
        ),
        fleet=lambda: fleet,
        policies=loop.policies,
        now=cloud.now,
        health=progress.health,
        missed=dict,
        reads=ReadTotals(lambda: cloud).total,
        orders=Orders,
        lost=lambda: 0,
    )
    cloud.advance()
    loop.restore()
    loop.provision()
    return loop, cloud, exporter


def tick_overhead(services: int, regions: int, ticks: int = 15) -> dict[str, float]:
    """Median milliseconds of a whole tick, clients and writes apart, and of its phases; `cpu` is what others cannot disturb."""
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        loop, cloud, exporter = daemon_of(fleet_of(services, regions), Path(folder))
        for number in range(ticks + 3):
            cloud.advance()
            began, busy = time.perf_counter(), time.process_time()
            report = loop.tick()
            exporter.report(report)
            cpu = 1000.0 * (time.process_time() - busy)
            total = 1000.0 * (time.perf_counter() - began)
            if number == 0:
                release_memory()  # as the service does once it is ready
            phases = {phase: 1000.0 * seconds for phase, seconds in report.durations}
            if number >= 3:
                rows.append({"total": total - phases.get("write", 0.0), "cpu": cpu, **phases})
    names = sorted({name for row in rows for name in row} - {"write"})
    return {f"{name}_ms": round(statistics.median(row.get(name, 0.0) for row in rows), 1) for name in names}


def tick_overhead_200x10() -> dict[str, float]:
    """Milliseconds of a tick for 200 services in 10 regions; the goal is 100."""
    return tick_overhead(200, 10)


def tick_overhead_linearity() -> dict[str, float]:
    """Milliseconds of a tick by number of backends: doubling them should double the time."""
    return {
        f"{services * 10} backends": tick_overhead(services, 10, ticks=7)["total_ms"]
        for services in (25, 50, 100, 200)
    }


def memory_after_ticks(count: int) -> dict[str, float]:
    """MiB of a fresh process that has imported all that the daemon does, after 50 and after `count` ticks."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_service", str(count)],
        capture_output=True,
        text=True,
        check=True,
        timeout=3600,
    )
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def _resident() -> float:
    """MiB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def _live(count: int) -> dict[str, float]:
    """In the fresh process: import everything, evaluate the program's classes once, then tick and scrape."""
    from prometheus_client import generate_latest
    from pulumi_gcp import compute

    touched = (compute.BackendService, compute.URLMap, compute.HealthCheck, compute.GlobalForwardingRule)
    assert all(touched)
    with tempfile.TemporaryDirectory() as folder:
        loop, cloud, exporter = daemon_of(fleet_of(3, 6), Path(folder))
        early = 0.0
        for number in range(count):
            cloud.advance()
            exporter.report(loop.tick())
            loop.health_pass()
            if number == 0:
                release_memory()  # as the service does once it is ready
            if number % 10 == 0:
                generate_latest(exporter.registry)
                json.dumps(exporter.status())
                json.dumps(exporter.past.answer("/history", {}))
            if number == 300:
                early = _resident()
        return {
            "ticks": count,
            "after_300_ticks_mib": round(early, 1),
            "at_end_mib": round(_resident(), 1),
            "growth_mib": round(_resident() - early, 1),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_live(int(sys.argv[1]))) + "\n")
