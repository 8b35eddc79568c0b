"""What nobody could do better with the same eyes: where a goal is missed, an oracle that sees no earlier than the metrics.

`python -m tests.bench eyes --only metrics-late,zone-gray-failure,deploy-wave`

`oracle-delayed` sees through every fault of monitoring. Where the metrics are late, what it does in the minutes until they
come is out of reach, so here its truth is as late as they are.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from statistics import fmean

from tests.bench.library import SEED_STEP, asking, chosen
from tests.bench.score import YARDSTICKS
from tests.bench.sheet import console, sheet

from spillway.sim.backtest.jobs import SPILLWAY, contenders
from spillway.sim.backtest.table import share
from spillway.sim.baselines import BASELINES
from spillway.sim.baselines.oracle import DelayedOracle
from spillway.sim.run import Run
from spillway.sim.setup import Setup
from spillway.sim.world import World

MISSED = ("metrics-late", "zone-gray-failure", "deploy-wave")
"""Scenarios in which a goal is missed (docs/measured.md)."""

OPPONENTS = tuple(name for name in BASELINES if name not in YARDSTICKS)

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


def bad_share(work: tuple[Setup, int, str]) -> float:
    """Bad requests over all of one run."""
    setup, seed, who = work
    if who == TRUTHFUL:
        run = Run(setup, LateOracle(), seed=seed)
    else:
        (contender,) = contenders((), (who,), oracles=False)
        controller, floors = contender.start(setup)
        run = Run(setup, controller, seed=seed, floors=floors)
    report = run.go().report
    return report.bad_requests / report.requests


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = asking("eyes", __doc__, only=MISSED)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each scenario")
    asked = parser.parse_args(words)
    setups = chosen(asked.only, asked.scenarios)
    policies = (SPILLWAY, "oracle-delayed", TRUTHFUL, *OPPONENTS)
    work = [
        (setup, setup.scenario.seed + SEED_STEP * i, who)
        for setup in setups
        for who in policies
        for i in range(asked.seeds)
    ]
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        found = pool.map(bad_share, work, chunksize=1)
    means = [fmean(found[i : i + asked.seeds]) for i in range(0, len(found), asked.seeds)]
    table = sheet(
        "Bad requests",
        ("scenario", SPILLWAY, "oracle-delayed", TRUTHFUL, "best opponent", "Spillway over the third"),
    )
    for number, setup in enumerate(setups):
        mine, delayed, truthful, *others = means[number * len(policies) :][: len(policies)]
        best = min(others)
        table.add_row(
            setup.scenario.scenario,
            share(mine),
            share(delayed),
            share(truthful),
            f"{share(best)} {OPPONENTS[others.index(best)]}",
            f"{mine / truthful:.2f}x",
        )
    console().print(table)
    return 0
