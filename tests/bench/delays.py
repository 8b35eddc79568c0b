"""The real dead time from half to four times the one that the controller assumes: it must not begin to swing.

`python -m tests.bench delays --only region-slow,quiet`
"""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.bench.library import asking, chosen
from tests.bench.sheet import console, sheet

from spillway.sim.backtest.table import share
from spillway.sim.control import ServiceControl
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Moment, Run, RunResult
from spillway.sim.scenario import Scenario
from spillway.sim.setup import Setup

FACTORS = (0.5, 1.0, 2.0, 3.0, 4.0)

STORIES = (
    "quiet",
    "region-slow",
    "quota-429",
    "capacity-loss",
    "two-faults-at-once",
    "daily-peak-follow-the-sun",
)
"""Calm, one cause, several causes, and demand that moves by itself; none with faults of monitoring or writes, which
change the delay too."""

HOURLY = 1.0
"""Reversals a region and hour above which a run swings."""


class Misled(Pilot):
    """Spillway, told that the delays are the scenario's own while the world has others."""

    def __init__(self, assumed: Scenario) -> None:
        super().__init__()
        self._assumed = assumed

    def initial(self, setup: Setup, controls: tuple[ServiceControl, ...], /) -> tuple[ServiceControl, ...]:
        """As ever, with the assumed delays."""
        told = {"monitoring": self._assumed.monitoring, "actuation": self._assumed.actuation}
        scenario = setup.scenario.model_copy(update=told)
        return super().initial(replace(setup, scenario=scenario), controls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """One run."""

    factor: float
    result: RunResult
    turns: int
    """Changes of direction of the region that changed it most, however far apart."""
    hourly: float
    """Reversals a region and hour."""


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    asked = asking("delays", __doc__, only=STORIES).parse_args(words)
    setups = chosen(asked.only, asked.scenarios)
    work = [(setup, factor) for setup in setups for factor in FACTORS]
    table = sheet(
        "Real dead time over the assumed one",
        (
            "scenario",
            "times",
            "bad",
            "reversals",
            "a region and hour",
            "most turns",
            "writes",
            "wrong way",
            "",
        ),
    )
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        for swing in pool.imap(swing_of, work):
            report = swing.result.report
            table.add_row(
                swing.result.scenario,
                f"{swing.factor:g}",
                share(report.bad_requests / report.requests),
                str(swing.result.reversals),
                f"{swing.hourly:.2f}",
                str(swing.turns),
                str(swing.result.writes),
                str(swing.result.wrong_way_moves),
                "swings" if swing.hourly > HOURLY else "",
            )
    out = console()
    out.print(table)
    out.print(
        f"Turns: changes of direction of one region's scaler in the whole run; a fault that comes and goes needs one. "
        f"A run swings with more than {HOURLY:g} reversals a region and hour.",
        style="dim",
    )
    return 0


def swing_of(work: tuple[Setup, float]) -> Swing:
    """One run with the real delays multiplied."""
    setup, factor = work
    moves: dict[tuple[str, str], list[float]] = defaultdict(list)
    last: dict[tuple[str, str], float] = {}

    def watch(moment: Moment) -> None:
        for control in moment.listing:
            for backend in control.backends:
                key = control.service, backend.region
                change = backend.scaler - last.get(key, backend.scaler)
                last[key] = backend.scaler
                if change:
                    moves[key].append(change)

    result = Run(scaled(setup, factor), Misled(setup.scenario)).go(watch)
    turns = [sum(a * b < 0 for a, b in pairwise(found)) for found in moves.values()]
    return Swing(
        factor=factor,
        result=result,
        turns=max(turns, default=0),
        hourly=hourly(result, setup),
    )


def hourly(result: RunResult, setup: Setup) -> float:
    """Reversals a region and hour."""
    return result.reversals / (len(setup.regions) * setup.scenario.duration / 3600.0)


def scaled(setup: Setup, factor: float) -> Setup:
    """The world with its visibility delay, write time and propagation multiplied; samples stay a minute long."""
    scenario = setup.scenario
    monitoring = scenario.monitoring.model_copy(
        update={"visibility_delay": factor * scenario.monitoring.visibility_delay}
    )
    actuation = scenario.actuation.model_copy(
        update={
            "write_time": factor * scenario.actuation.write_time,
            "propagation": factor * scenario.actuation.propagation,
        }
    )
    return replace(
        setup, scenario=scenario.model_copy(update={"monitoring": monitoring, "actuation": actuation})
    )
