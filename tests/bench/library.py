"""All scenarios against all policies: one table, and below it the figures that the decision core is judged by.

`python -m tests.bench library --seeds 1 --policies spillway,google --only region-slow,quota-429`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter

from rich.table import Table
from tests.bench.score import BAR, HALF, LOSING, PLENTY, YARDSTICK, Line, Score, score
from tests.bench.sheet import console, names, sheet
from tests.bench.watch import watched

from spillway.sim.backtest.jobs import SPILLWAY, Job, contenders
from spillway.sim.backtest.runner import cores
from spillway.sim.backtest.table import is_oracle, share
from spillway.sim.baselines import BASELINES
from spillway.sim.run import RunResult
from spillway.sim.scenario_file import load_setup
from spillway.sim.setup import Setup

FOLDER = Path(__file__).resolve().parents[2] / "config" / "scenarios"

SEEDS = 5
"""Of each scenario in a full run."""

SEED_STEP = 1000
"""Between a scenario's own seed, which comes first, and the next."""


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    asked = _parser().parse_args(words)
    out = console()
    setups = chosen(asked.only, asked.scenarios)
    began = perf_counter()
    results = run(setups, asked.policies, asked.seeds, asked.jobs, asked.oracle_seeds)
    lines = [line_of([r for r in results if r.scenario == s.scenario.scenario]) for s in setups]
    out.print(table(lines, asked.policies, asked.seeds))
    out.print(figures(score(lines)))
    out.print(legend(perf_counter() - began, asked.jobs), markup=False, style="dim")
    return 0


def asking(study: str, about: str | None, *, only: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The options of a study of scenarios; without `--only` it takes those of `only`, or all."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.bench {study}", description=about)
    parser.add_argument("--only", type=names, default=[*only], help="scenarios, with commas between")
    parser.add_argument("--scenarios", type=Path, default=FOLDER, help="folder to take them from")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at once")
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = asking("library", __doc__)
    everybody = [SPILLWAY, *BASELINES]
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of each scenario")
    parser.add_argument(
        "--oracle-seeds", type=int, default=SEEDS, help="seeds of the oracles, which take longest"
    )
    parser.add_argument("--policies", type=names, default=everybody, help="names, with commas between")
    return parser


def chosen(only: Sequence[str], folder: Path) -> list[Setup]:
    """The scenarios of a folder, or those of them that are named."""
    files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    unknown = sorted(set(only) - set(files))
    if unknown:
        raise SystemExit(f"there is no scenario {', '.join(unknown)} in {folder}")
    return [load_setup(file) for name, file in files.items() if not only or name in only]


def run(
    setups: Sequence[Setup], policies: Sequence[str], seeds: int, jobs: int, oracle_seeds: int = SEEDS
) -> list[RunResult]:
    """Every scenario with every policy and seed; the longest runs first, so that no core waits for one at the end."""
    planned = [
        Job(setup=setup, seed=setup.scenario.seed + SEED_STEP * i, contender=who)
        for setup in sorted(setups, key=lambda s: -s.scenario.duration)
        for who in contenders((), policies, oracles=False)
        for i in range(min(seeds, oracle_seeds) if is_oracle(who.name) else seeds)
    ]
    return watched(f"{len(setups)} scenarios x {len(policies)} policies x {seeds}", planned, jobs)


def line_of(results: Sequence[RunResult]) -> Line:
    """One scenario: means over the seeds."""
    policies = dict.fromkeys(r.policy for r in results)
    mine = [r for r in results if r.policy == SPILLWAY]
    measured = {r.seed for r in results if r.policy == YARDSTICK}
    beside = [r.report.bad_requests for r in mine if r.seed in measured]
    return Line(
        scenario=results[0].scenario,
        requests=fmean(r.report.requests for r in results),
        bad={p: fmean(r.report.bad_requests for r in results if r.policy == p) for p in policies},
        beside=fmean(beside) if beside else None,
        wrong_way=sum(r.wrong_way_moves for r in mine),
        floors=sum(r.floors_broken for r in mine),
        reversals=sum(r.reversals for r in mine),
        writes=sum(r.writes for r in mine),
    )


def table(lines: Sequence[Line], policies: Sequence[str], seeds: int) -> Table:
    """Bad requests in percent by scenario and policy, and Spillway's own columns."""
    made = Table(
        title=f"Bad requests, mean of {seeds} seed{'s' * (seeds > 1)}",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    made.add_column("scenario", no_wrap=True)
    for heading in (*policies, "/oracle-d", "/best", "best", "wrong", "floor", "back", "writes"):
        made.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        cells = [share(line.bad[p] / line.requests) for p in policies]
        ratios = [_ratio(line.to_delayed), _ratio(line.to_best), line.best or "-"]
        counts = [str(n) for n in (line.wrong_way, line.floors, line.reversals, line.writes)]
        made.add_row(line.scenario, *cells, *ratios, *counts)
    return made


def figures(found: Score) -> Table:
    """The figures of the goal, each beside it."""
    made = sheet("\nFigures", ("Spillway's bad requests", "goal", "measured", "where"))
    rows = (
        ("over oracle-delayed's, geometric mean", "<= 1.15", _ratio(found.delayed_mean), ""),
        ("over oracle-delayed's, sum of all scenarios", "<= 1.25", _ratio(found.delayed_sum), ""),
        ("over oracle-delayed's, worst scenario", "<= 1.75", *_place(found.delayed_worst)),
        (
            "over the best opponent's, geometric mean",
            "<= 0.35",
            _ratio(found.best_mean),
            f"{found.winnable} scenarios with something to win",
        ),
        ("over the best opponent's, worst scenario", "<= 1.05", *_place(found.best_worst)),
        (
            "scenarios above 1.05 of the best opponent's",
            "none",
            str(len(found.behind)),
            ", ".join(found.behind),
        ),
        ("wrong-way moves", "0", str(found.wrong_way), ""),
        ("floors broken", "0", str(found.floors), ""),
        ("reversals", "-", str(found.reversals), ""),
    )
    for row in rows:
        made.add_row(*row)
    return made


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _place(found: tuple[float, str] | None) -> tuple[str, str]:
    return ("-", "") if found is None else (_ratio(found[0]), found[1])


def legend(seconds: float, jobs: int) -> str:
    """What the columns and figures mean, and how long they took."""
    return (
        f"Ratios are (bad + {BAR:.2%} of requests) over the same of the other, so that scenarios in which nearly "
        f"nothing is lost do not decide; the sum is of bad requests alone. Best: of the opponents without the truth, "
        f"by scenario. Something to win: the best opponent loses more than {LOSING:.1%} of requests, and "
        f"oracle-delayed at most {HALF:.0%} of that. Behind the best: above {PLENTY} of it, and by more than {BAR:.2%} of requests. "
        f"Took {seconds:.0f} s with {jobs} runs at once."
    )
