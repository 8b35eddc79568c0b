"""Cost of one adjustment: what Spillway adds to the engine's own time, and how many processes it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.engine.bench_config import REGIONS, config, overlay
from tests.engine.standin_cli import EngineForm, engine_of
from tests.sandbox.conftest import ToyPlant

from spillway.adapters.engine.pulumi_cli.command import Command
from spillway.adapters.engine.pulumi_cli.installation import find_cli, has_plugin, pulumi_home
from spillway.ports import Applied, Deployer, Outcome
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.writes import Timing

REPEATS = 9
_ABSENT = "not measured: no `pulumi` on PATH"


@contextmanager
def built(kind: EngineForm) -> Iterator[Deployer]:
    """A load balancer with one pool over three regions, in a sandbox whose writes take no time."""
    plant = ToyPlant()
    server = SandboxServer(
        plant,
        clock=ScaledClock(speed=60.0, epoch=plant.epoch),
        timing=Timing(write_time=0.0, propagation=0.0),
        groups=[
            SeedGroup(project="demo-project", zone=f"{region}-{zone}", name=f"api-{region}", endpoints=4)
            for region, zone in REGIONS.items()
        ],
    )
    with server, tempfile.TemporaryDirectory() as folder:
        engine = engine_of(config(), Path(folder), kind=kind, endpoint=server.url)
        first = engine.apply(overlay())
        assert first.outcome is Outcome.DONE, first.sentence
        try:
            yield engine
        finally:
            getattr(engine, "close", lambda: None)()


def adjustments(engine: Deployer) -> list[tuple[float, Applied]]:
    """Wall seconds and result of single scaler changes."""
    found = []
    for number in range(REPEATS):
        began = time.perf_counter()
        applied = engine.apply(overlay({"us-east4": 0.5 + 0.05 * (number % 2)}))
        found.append((time.perf_counter() - began, applied))
        assert applied.outcome is Outcome.DONE, applied.sentence
    return found


def cli_kind() -> EngineForm | None:
    """The best engine with a CLI on this machine."""
    if find_cli(pulumi_home()) is None:
        return None
    return "cli+plugin" if has_plugin(pulumi_home()) else "cli+standin"


def cli_processes() -> str:
    """CLI processes of one adjustment."""
    kind = cli_kind()
    if kind is None:
        return _ABSENT
    with built(kind) as engine:
        counts = {applied.engine_processes for _, applied in adjustments(engine)}
    return f"{', '.join(map(str, sorted(counts)))} ({kind})"


def cli_overhead() -> str:
    """Median wall seconds of an adjustment, and what is left of it outside of the CLI's process."""
    kind = cli_kind()
    if kind is None:
        return _ABSENT
    inside: list[float] = []
    run = Command.run

    def timed(self: Command, *args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return run(self, *args, **options)
        finally:
            inside.append(time.perf_counter() - began)

    with built(kind) as engine:
        Command.run = timed  # type: ignore[method-assign]
        try:
            walls = [wall for wall, _ in adjustments(engine)]
        finally:
            Command.run = run  # type: ignore[method-assign]
    over = median(wall - own for wall, own in zip(walls, inside, strict=True))
    return f"{over:.3f} s over {median(inside):.2f} s ({kind})"


def embedded_adjustment() -> str:
    """Median wall seconds of an adjustment with the embedded engine."""
    with built("embedded") as engine:
        return f"{median(wall for wall, _ in adjustments(engine)):.2f} s"
