"""Random fault schedules over a quiet fleet: what nobody wrote a scenario for.

`python -m tests.bench random --schedules 1000`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from rich.table import Table
from tests.bench.library import FOLDER, chosen
from tests.bench.score import BAR
from tests.bench.sheet import console, sheet
from tests.bench.watch import watched
from tests.sim.random_faults import random_faults

from spillway.sim.backtest.jobs import Job, contenders
from spillway.sim.backtest.runner import cores
from spillway.sim.backtest.table import share
from spillway.sim.faults import Fault
from spillway.sim.run import RunResult
from spillway.sim.setup import Setup

QUIET = "quiet"
"""The scenario whose fleet and clients all schedules fall upon."""

HOURS = 4.0
"""Of each run: faults last up to a third of it."""

FAULTS = 3
"""In each schedule."""

WORSE = 1.05
"""Times the bad requests of `google` from which a schedule is listed, when they differ by more than `score.BAR` too."""

LISTED = 25
"""Schedules listed at most."""


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench random", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--faults", type=int, default=FAULTS, help="in each schedule")
    parser.add_argument("--hours", type=float, default=HOURS, help="length of each run")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at once")
    asked = parser.parse_args(words)
    began = perf_counter()
    seeds = range(asked.first, asked.first + asked.schedules)
    (quiet,) = chosen([QUIET], FOLDER)
    setups = [schedule(quiet, seed, asked.hours, asked.faults) for seed in seeds]
    google, mine = _run(setups, seeds, asked.jobs)
    out = console()
    listed = [
        (seed, setup.faults, g, m)
        for seed, setup, g, m in zip(seeds, setups, google, mine, strict=True)
        if harmed(g, m)
    ]
    for row in listed[:LISTED]:
        out.print(_sentence(*row), markup=False, highlight=False, soft_wrap=True)
    if len(listed) > LISTED:
        out.print(f"... and {len(listed) - LISTED} more")
    out.print(_table(google, mine, asked.hours, len(listed)))
    out.print(f"Took {perf_counter() - began:.0f} s with {asked.jobs} runs at once.", style="dim")
    return 0


def schedule(quiet: Setup, seed: int, hours: float, count: int) -> Setup:
    """The quiet fleet under the faults of one seed."""
    scenario = quiet.scenario.model_copy(update={"duration": hours * 3600.0})
    regions = tuple(scenario.regions)
    return replace(quiet, scenario=scenario, faults=random_faults(seed, regions, scenario.duration, count))


def harmed(google: RunResult, mine: RunResult) -> bool:
    """True where Spillway broke a rule, or did worse than leaving all as it is."""
    bad, left = mine.report.bad_requests, google.report.bad_requests
    worse = bad > WORSE * left and bad - left > BAR * mine.report.requests
    return mine.wrong_way_moves > 0 or mine.floors_broken > 0 or worse


def _run(setups: Sequence[Setup], seeds: Sequence[int], jobs: int) -> tuple[list[RunResult], list[RunResult]]:
    pair = contenders((), ("google", "spillway"), oracles=False)
    planned = [
        Job(setup=setup, seed=seed, contender=who)
        for setup, seed in zip(setups, seeds, strict=True)
        for who in pair
    ]
    found = watched(f"{len(setups)} schedules", planned, jobs)
    return found[0::2], found[1::2]


def _sentence(seed: int, faults: Sequence[Fault], google: RunResult, mine: RunResult) -> str:
    told = "; ".join(
        f"{f.kind} {f.region or 'all'} {f.at / 60:.0f}-{min(f.until, 1e6) / 60:.0f} min"
        for f in sorted(faults, key=lambda f: f.at)
    )
    return (
        f"{seed}: google {share(google.report.bad_requests / google.report.requests)}, "
        f"spillway {share(mine.report.bad_requests / mine.report.requests)}, wrong way {mine.wrong_way_moves}, "
        f"floors {mine.floors_broken}, reversals {mine.reversals}, writes {mine.writes} ({told})"
    )


def _table(google: Sequence[RunResult], mine: Sequence[RunResult], hours: float, listed: int) -> Table:
    table = sheet(
        f"{len(mine)} random fault schedules of {hours:g} h; {listed} with harm (above)",
        (
            "policy",
            "bad requests",
            "of all",
            "wrong-way moves",
            "floors broken",
            "reversals",
            "writes",
        ),
    )
    for name, results in (("google", google), ("spillway", mine)):
        bad = sum(r.report.bad_requests for r in results)
        table.add_row(
            name,
            f"{bad:.0f}",
            share(bad / sum(r.report.requests for r in results)),
            str(sum(r.wrong_way_moves for r in results)),
            str(sum(r.floors_broken for r in results)),
            str(sum(r.reversals for r in results)),
            str(sum(r.writes for r in results)),
        )
    return table
