"""Random scenarios against all policies: fleets, clients and faults that nobody wrote a scenario for.

`python -m tests.bench wild --scenarios 40 --first 0 --policies spillway,google,oracle-delayed --save DIR`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from tests.bench.library import figures, legend, line_of, run, table
from tests.bench.score import YARDSTICKS, Line, score
from tests.bench.sheet import console, names
from tests.bench.wilderness import save, wild

from spillway.sim.backtest.jobs import SPILLWAY
from spillway.sim.backtest.runner import cores
from spillway.sim.backtest.table import share
from spillway.sim.baselines import BASELINES
from spillway.sim.setup import Setup


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench wild", description=__doc__)
    everybody = [SPILLWAY, *BASELINES]
    parser.add_argument("--scenarios", type=int, default=40, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    parser.add_argument("--policies", type=names, default=everybody, help="names, with commas between")
    parser.add_argument("--save", type=Path, help="also write the scenarios to this folder, one file each")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at once")
    asked = parser.parse_args(words)
    out = console()
    seeds = range(asked.first, asked.first + asked.scenarios)
    if asked.save is not None:
        for seed in seeds:
            save(seed, asked.save)
    setups = [wild(seed) for seed in seeds]
    began = perf_counter()
    results = run(setups, asked.policies, 1, asked.jobs)
    lines = [line_of([r for r in results if r.scenario == s.scenario.scenario]) for s in setups]
    out.print(table(lines, asked.policies, 1))
    for setup, line in zip(setups, lines, strict=True):
        for sentence in remarks(setup, line):
            out.print(sentence, markup=False, highlight=False, soft_wrap=True)
    out.print(figures(score(lines)))
    out.print(legend(perf_counter() - began, asked.jobs), markup=False, style="dim")
    return 0


def remarks(setup: Setup, line: Line) -> list[str]:
    """What should not be in this scenario: a yardstick beaten by those who see less, Spillway behind, a rule broken."""
    found = [
        f"{yardstick} {share(line.bad[yardstick] / line.requests)} is beaten by "
        + ", ".join(f"{name} {share(line.bad[name] / line.requests)}" for name in line.beaten(yardstick))
        for yardstick in YARDSTICKS
        if line.beaten(yardstick)
    ]
    if line.behind:
        found.append(f"spillway is behind {line.best}")
    if line.wrong_way or line.floors:
        found.append(f"spillway made {line.wrong_way} wrong-way moves and broke {line.floors} floors")
    scenario = setup.scenario
    return [f"{scenario.scenario}: {sentence}. {scenario.description}" for sentence in found]
