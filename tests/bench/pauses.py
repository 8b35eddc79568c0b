"""Ticks that come late, and pauses of minutes, as on a busy machine: no story may turn on the second of a decision.

`python -m tests.bench pauses --only demo,flash-crowd`

Stories longer than a day run only where they are named.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator, Sequence
from itertools import groupby

from tests.bench.library import asking, chosen
from tests.bench.sheet import console, sheet

from spillway.sim.backtest.table import share
from spillway.sim.baselines.google import Google
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.pilot.pilot import TICK, Pilot
from spillway.sim.run import Run
from spillway.sim.setup import Setup

SLEW = (0.8, 1.3)
"""Time between two ticks over the time that the daemon plans."""

PAUSE_CHANCE = 0.1
"""Chance that a tick is followed by a pause."""

LONGEST_PAUSES = (30.0, 60.0, 120.0)
"""Seconds that the pauses of one run take at most."""


LONG = 86_400.0
"""Seconds of a story from which it runs only where it is asked for."""


def late_by(seed: int) -> Iterator[float]:
    """Seconds from each tick to the next, without an end."""
    draw = random.Random(seed)
    longest = draw.choice(LONGEST_PAUSES)
    while True:
        pause = draw.uniform(0.0, longest) if draw.random() < PAUSE_CHANCE else 0.0
        yield TICK * draw.uniform(*SLEW) + pause


class Unsteady(Pilot):
    """Spillway on a machine that lets it wait."""

    interval: float | None = 10.0

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._gaps = late_by(seed)
        self._next = 0.0

    def tick(self, sight: Sight, /) -> tuple[ServiceControl, ...] | None:
        """A tick when its time has come, and nothing before."""
        if sight.now < self._next:
            return None
        self._next = sight.now + next(self._gaps)
        return super().tick(sight)


def bad_share(work: tuple[Setup, int | None]) -> tuple[str, int | None, float]:
    """(scenario, seed, bad requests over all) of one run; without a seed of Google's own balancing."""
    setup, seed = work
    result = Run(setup, Google() if seed is None else Unsteady(seed)).go()
    return setup.scenario.scenario, seed, result.report.bad_requests / result.report.requests


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = asking("pauses", __doc__)
    parser.add_argument("--seeds", type=int, default=12, help="runs of each scenario")
    asked = parser.parse_args(words)
    setups = [s for s in chosen(asked.only, asked.scenarios) if asked.only or s.scenario.duration <= LONG]
    work = [(setup, seed) for setup in setups for seed in (None, *range(asked.seeds))]
    table = sheet("Late ticks", ("scenario", "Google alone", "least bad", "mean", "most bad", ""))
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        for name, rows in groupby(pool.imap(bad_share, work), key=lambda row: row[0]):
            (_, _, google), *runs = rows
            found = [bad for _, _, bad in runs]
            table.add_row(
                name,
                share(google),
                share(min(found)),
                share(sum(found) / len(found)),
                share(max(found)),
                "worse than Google alone" if max(found) > 1.05 * google else "",
            )
    out = console()
    out.print(table)
    out.print(
        f"Ticks {SLEW[0]:g} to {SLEW[1]:g} times as far apart as planned, and pauses of up to "
        f"{max(LONGEST_PAUSES):g} s after every tenth.",
        style="dim",
    )
    return 0
