"""What nobody could do better with the same eyes: where a goal is missed, an oracle that sees no earlier than the metrics.

`python -m tests.bench eyes --only metrics-late,zone-gray-failure,deploy-wave`

`oracle-delayed` sees through every fault of monitoring. Where the metrics are late, what it does in the minutes until they
come is out of reach, so here its truth is as late as they are.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence

from tests.bench.library import SEED_STEP, SEEDS, asking, chosen, line_of, run
from tests.bench.score import OPPONENTS, YARDSTICK
from tests.bench.sheet import console, sheet

from spillway.sim.backtest.jobs import SPILLWAY
from spillway.sim.backtest.table import share
from spillway.sim.baselines.oracle import DelayedOracle
from spillway.sim.run import Run, RunResult
from spillway.sim.setup import Setup
from spillway.sim.world import World

MISSED = ("metrics-late", "zone-gray-failure", "deploy-wave")
"""Scenarios in which a goal is missed (docs/measured.md)."""

TRUTHFUL = "truth as late as the metrics"


class LateOracle(DelayedOracle):
    """`oracle-delayed` with a truth that is as late as the metrics of the whole fleet are."""

    name = TRUTHFUL

    def age(self, world: World) -> float:
        """What `oracle-delayed` has, and what faults of monitoring put on top."""
        late = [
            f.delay
            for f in world.faults
            if f.kind == "metrics-late" and f.region is None and f.active(world.time)
        ]
        return super().age(world) + max(late, default=0.0)


def late_run(work: tuple[Setup, int]) -> RunResult:
    """One run of the late oracle."""
    setup, seed = work
    return Run(setup, LateOracle(), seed=seed).go()


def late_runs(setups: Sequence[Setup], seeds: int, jobs: int) -> list[RunResult]:
    """Runs of the late oracle in these scenarios."""
    work = [(setup, setup.scenario.seed + SEED_STEP * i) for setup in setups for i in range(seeds)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return pool.map(late_run, work, chunksize=1)


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = asking("eyes", __doc__, only=MISSED)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each scenario")
    asked = parser.parse_args(words)
    setups = chosen(asked.only, asked.scenarios)
    results = run(setups, (SPILLWAY, YARDSTICK, *OPPONENTS), asked.seeds, asked.jobs, asked.seeds)
    results += late_runs(setups, asked.seeds, asked.jobs)
    headings = ("scenario", SPILLWAY, YARDSTICK, TRUTHFUL, "best opponent", "Spillway over the third")
    table = sheet("Bad requests", headings)
    for setup in setups:
        line = line_of([r for r in results if r.scenario == setup.scenario.scenario])
        shown = [share(line.bad[who] / line.requests) for who in (SPILLWAY, YARDSTICK, TRUTHFUL)]
        best = f"{share(line.bad[line.best] / line.requests)} {line.best}" if line.best else "-"
        table.add_row(line.scenario, *shown, best, f"{line.bad[SPILLWAY] / line.bad[TRUTHFUL]:.2f}x")
    console().print(table)
    return 0
