"""Figures of the running daemon: the tick's own cost for a large fleet, and memory over many ticks.

Nothing here is a test: `make bench` prints what was measured on the machine at hand.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from spillway.adapters.board import About
from spillway.adapters.exporter import Exporter
from spillway.adapters.journal import FileJournal
from spillway.adapters.reads import ReadTotals
from spillway.adapters.store import FileStore
from spillway.adapters.trim import give_back
from spillway.control.memory import Keeper
from spillway.control.progress import Progress
from spillway.control.tick import Loop, Parts
from spillway.core.distribution import Distribution
from spillway.core.overlay import Overlay, initial_overlay
from spillway.core.policy import Mode, Policy
from spillway.core.snapshot import (
    BackendView,
    HealthCount,
    Minute,
    ObservedBackend,
    ObservedPolicy,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.topology import Backend, BalancingMode, Fleet, GroupKey, Service, Target
from spillway.ports import Applied, Outcome, Preview

_PLACES = (
    "asia-east1", "asia-northeast1", "asia-south1", "australia-southeast1", "europe-north1",
    "europe-west1", "europe-west4", "southamerica-east1", "us-central1", "us-east4",
)  # fmt: skip
_BOUNDS = tuple(0.01 * 1.4**i for i in range(34))
"""Seconds: buckets as wide as a sandbox's, from 10 ms to a quarter of an hour."""
_WINDOW = 9
"""Trusted minutes of a window of 15 minutes, 210 s of visibility delay and one partial minute apart."""
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
    """A cloud that costs nothing to ask: snapshots are made ahead of the clock that measures the tick."""

    kind = "synthetic"

    def __init__(self, fleet: Fleet) -> None:
        self.overlay = initial_overlay(fleet)
        self.at = _START
        self.next: Snapshot | None = None
        self._minutes: dict[float, Minute] = {}

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def advance(self) -> None:
        """One minute later: what will be observed then."""
        self.at += 60.0
        newest = (self.at - 270.0) // 60.0 * 60.0
        ends = [newest - 60.0 * back for back in reversed(range(_WINDOW))]
        self._minutes = {end: self._minutes.get(end) or _minute(end) for end in ends}
        self.next = self._snapshot(tuple(self._minutes.values()))

    def observe(self) -> Snapshot:
        assert self.next is not None
        return self.next

    def observe_health(self) -> Snapshot:
        return self.observe()

    def preview(self, overlay: Overlay) -> Preview:
        return Preview(changes=(), same=0)

    def apply(self, overlay: Overlay) -> Applied:
        self.overlay = overlay
        return Applied(outcome=Outcome.DONE, sentence="done", engine_processes=1, engine_seconds=0.4)

    def destroy(self) -> Applied:
        return Applied(outcome=Outcome.DONE, sentence="done")

    def recover(self) -> str | None:
        return None

    def outputs(self) -> dict[str, str]:
        return {}

    def _snapshot(self, minutes: tuple[Minute, ...]) -> Snapshot:
        services = []
        for setting in self.overlay.services:
            views = tuple(
                BackendView(
                    region=b.region,
                    observed=Seen(
                        value=ObservedBackend(
                            member=b.member, scaler=b.scaler, mixed=False, preference=b.preference
                        ),
                        age=1.0,
                        evidence=1,
                    ),
                    health=Seen(
                        value=HealthCount(healthy=10, total=10, by_group=((10, 10),)), age=1.0, evidence=10
                    ),
                    traffic=Seen(value=minutes, age=self.at - minutes[-1].end, evidence=60 * 60 * 3),
                )
                for b in setting.backends
            )
            places = tuple(
                PlaceDemand(place=_continent(b.region), region=b.region, rate=60.0) for b in setting.backends
            )
            services.append(
                ServiceView(
                    service=setting.service,
                    backends=views,
                    policy=Seen(
                        value=ObservedPolicy(failover_threshold=70, auto_drain=True), age=1.0, evidence=1
                    ),
                    places=Seen(value=places, age=self.at - minutes[-1].end, evidence=1000),
                    unassigned=Seen(value=(), age=self.at - minutes[-1].end, evidence=0),
                )
            )
        return Snapshot(at=self.at, lag=270.0, services=tuple(services))


def _continent(region: str) -> str:
    return (
        "Asia"
        if region.startswith(("asia", "australia"))
        else "Europe"
        if region.startswith("europe")
        else "America"
    )


def _minute(end: float) -> Minute:
    """A minute at 60 requests/s, answered in half a second to two and a half."""
    swing = 1.0 + 0.05 * ((end / 60.0) % 7 - 3) / 3
    counts = tuple(3600.0 * swing * max(0.0, 1.0 - abs(i - 14) / 3) / 3 for i in range(len(_BOUNDS) + 1))
    middles = (0.0, *((low + high) / 2 for low, high in pairwise(_BOUNDS)), _BOUNDS[-1])
    return Minute(
        end=end,
        ok=sum(counts),
        client_error=3.0,
        too_many=0.0,
        server_error=1.0,
        latency=Distribution(
            bounds=_BOUNDS,
            counts=counts,
            mean=sum(m * c for m, c in zip(middles, counts, strict=True)) / sum(counts),
        ),
    )


def daemon_of(fleet: Fleet, folder: Path) -> tuple[Loop, Synthetic, Exporter]:
    """The daemon's loop, journal, store and exporter over a synthetic cloud; nothing listens."""
    cloud = Synthetic(fleet)
    parts = Parts(
        fleet=fleet,
        policies={"default": Policy(mode=Mode.ACT)},
        starting=initial_overlay(fleet),
        observer=cloud,
        deployer=cloud,
        digest="bench",
    )
    progress = Progress(time.monotonic, tick=60.0, write_limit=900.0)
    loop = Loop(
        parts,
        journal=FileJournal(folder / "journal", max_bytes=50_000_000, keep=2),
        keeper=Keeper(FileStore(folder / "state.json")),
        clock=cloud,
        progress=progress,
    )
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
            gc.collect()
            began, busy = time.perf_counter(), time.process_time()
            report = loop.tick()
            exporter.report(report)
            cpu = 1000.0 * (time.process_time() - busy)
            total = 1000.0 * (time.perf_counter() - began)
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
                give_back()  # as the service does once it is ready
            if number % 10 == 0:
                generate_latest(exporter.registry)
                json.dumps(exporter.status())
                json.dumps(exporter.history())
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
