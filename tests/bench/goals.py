"""All goals of the decision core in one table, each beside what an oracle comes to that sees no earlier than the metrics.

`python -m tests.bench goals --seeds 5 --schedules 1000`

That oracle knows what capacities, demand and faults are, if only as late as the metrics tell, searches with the true model, and keeps no
floor and no rest. What it does not reach either is out of reach for whoever decides by these metrics.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from rich.table import Table
from tests.bench.delays import FACTORS, HOURLY, STORIES, hourly, swing_of
from tests.bench.eyes import TRUTHFUL, late_runs
from tests.bench.library import FOLDER, SEEDS, asking, chosen, line_of, run
from tests.bench.schedules import FAULTS, HOURS, QUIET, schedule
from tests.bench.score import MINE, OPPONENTS, YARDSTICK, Line, Score, score
from tests.bench.sheet import console, sheet
from tests.bench.watch import watched

from spillway.sim.backtest.jobs import SPILLWAY, Job, contenders
from spillway.sim.setup import Setup

LATE = "metrics-late"
"""The fault by which the metrics are later than `oracle-delayed`, whose truth is as old as punctual ones."""

STEADY = ("quiet", "quiet-week-of-noise")
"""Scenarios of noisy steady load, in which nothing is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One goal: what is allowed at most, and what came; None where nothing could be measured."""

    measure: str
    goal: float
    mine: float | None
    oracle: float | None
    where: str = ""

    @property
    def verdict(self) -> str:
        """Whether it is reached, and if not, whether anybody could."""
        if self.mine is None:
            return "-"
        if round(self.mine, 2) <= self.goal:
            return "reached"
        beyond = self.oracle is not None and round(self.oracle, 2) > self.goal
        return "missed; by the oracle too" if beyond else "missed"


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = asking("goals", __doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each scenario")
    parser.add_argument("--schedules", type=int, default=1000, help="random fault schedules")
    asked = parser.parse_args(words)
    began = perf_counter()
    setups = chosen(asked.only, asked.scenarios)
    rows = [
        *scenario_rows(*lines_of(setups, asked.seeds, asked.jobs)),
        *schedule_rows(asked.schedules, asked.jobs),
        steady_row([s for s in chosen((), asked.scenarios) if s.scenario.scenario in STEADY], asked.jobs),
        delay_row(asked.jobs),
    ]
    out = console()
    out.print(table_of(rows))
    out.print(
        f"{len(setups)} scenarios x {asked.seeds} seeds, {asked.schedules} schedules. "
        f"Took {perf_counter() - began:.0f} s with {asked.jobs} runs at once.",
        style="dim",
    )
    return 0


def lines_of(setups: Sequence[Setup], seeds: int, jobs: int) -> tuple[list[Line], list[Line]]:
    """Each scenario with Spillway in it, and with the late oracle in Spillway's place."""
    results = run(setups, (SPILLWAY, YARDSTICK, *OPPONENTS), seeds, jobs, seeds)
    late = [s for s in setups if any(f.kind == LATE for f in s.faults)]
    results += late_runs(late, seeds, jobs)
    lines = [line_of([r for r in results if r.scenario == s.scenario.scenario]) for s in setups]
    return lines, [in_place(line) for line in lines]


def in_place(line: Line) -> Line:
    """The line with the late oracle in Spillway's place; where the metrics are punctual, that is `oracle-delayed`."""
    return replace(line, bad={**line.bad, MINE: line.bad.get(TRUTHFUL, line.bad[YARDSTICK])}, beside=None)


def scenario_rows(lines: Sequence[Line], oracles: Sequence[Line]) -> list[Row]:
    """The goals over a library of scenarios."""
    found, best = score(lines), score(oracles)

    def row(measure: str, goal: float, name: str, where: str = "") -> Row:
        return Row(
            measure=measure, goal=goal, mine=_value(found, name), oracle=_value(best, name), where=where
        )

    worst = found.delayed_worst[1] if found.delayed_worst else ""
    return [
        row("bad requests over oracle-delayed's, geometric mean", 1.15, "delayed_mean"),
        row("the same, sum of all", 1.25, "delayed_sum"),
        row("the same, worst scenario", 1.75, "delayed_worst", worst),
        row("over the best opponent's, something to win", 0.35, "best_mean", f"{found.winnable} scenarios"),
        row("scenarios above 1.05 of the best opponent's", 0.0, "behind", ", ".join(found.behind)),
    ]


def _value(found: Score, name: str) -> float | None:
    value = getattr(found, name)
    if name == "behind":
        return float(len(value))
    if isinstance(value, tuple):
        return float(value[0])
    return None if value is None else float(value)


def schedule_rows(count: int, jobs: int) -> list[Row]:
    """The goals over random fault schedules."""
    (quiet,) = chosen([QUIET], FOLDER)
    setups = [schedule(quiet, seed, HOURS, FAULTS) for seed in range(count)]
    pair = contenders((), (SPILLWAY, YARDSTICK), oracles=False)
    planned = [
        Job(setup=setup, seed=seed, contender=who) for seed, setup in enumerate(setups) for who in pair
    ]
    results = watched(f"{count} schedules", planned, jobs)
    mine, oracle = results[0::2], results[1::2]
    return [
        Row(
            measure=f"{what}, {count} random fault schedules",
            goal=0.0,
            mine=float(sum(getattr(r, name) for r in mine)),
            oracle=float(sum(getattr(r, name) for r in oracle)),
        )
        for what, name in (("wrong-way moves", "wrong_way_moves"), ("floors broken", "floors_broken"))
    ]


def steady_row(setups: Sequence[Setup], jobs: int) -> Row:
    """Reversals on noisy steady load."""
    (who,) = contenders((), (SPILLWAY,), oracles=False)
    planned = [Job(setup=setup, seed=setup.scenario.seed, contender=who) for setup in setups]
    results = watched("steady load", planned, jobs) if planned else []
    found = [hourly(r, s) for r, s in zip(results, setups, strict=True)]
    measure = "reversals per region and hour on noisy steady load"
    return Row(measure=measure, goal=1.0, mine=max(found, default=None), oracle=None)


def delay_row(jobs: int) -> Row:
    """Runs that swing while the real dead time is another than the assumed one."""
    work = [(setup, factor) for setup in chosen(STORIES, FOLDER) for factor in FACTORS]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        swings = pool.map(swing_of, work, chunksize=1)
    return Row(
        measure=f"runs that swing, dead time {FACTORS[0]:g} to {FACTORS[-1]:g} times the assumed one",
        goal=0.0,
        mine=float(sum(swing.hourly > HOURLY for swing in swings)),
        oracle=None,
        where=f"of {len(work)} runs",
    )


def table_of(rows: Sequence[Row]) -> Table:
    """The goals, one a row."""
    made = sheet("Goals", ("measure", "goal", SPILLWAY, "oracle, same eyes", "", "where"))
    for row in rows:
        made.add_row(
            row.measure, f"<= {row.goal:g}", _shown(row.mine), _shown(row.oracle), row.verdict, row.where
        )
    return made


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value == int(value) else f"{value:.2f}"
