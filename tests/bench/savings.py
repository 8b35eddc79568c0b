"""What the estimate says that acting saves, beside what it truly saves: the same stories with and without moves.

`python -m tests.bench savings --only region-slow,quota-429`

True is the difference of bad requests between a run in mode `observe`, whose moves stay advice, and one in mode `act`. The estimate of
the run that acts is `saved`; that of the run that only advises is `advised`. Both are made as the daemon makes them, by its own loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.library import FOLDER, asking, chosen
from tests.bench.sheet import console, sheet
from tests.kit.simulated import SimulatedDaemon

from spillway.control.report import TickReport
from spillway.core.values.policy import Mode
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_setup
from spillway.sim.setup import Setup

STORIES = (
    "region-slow", "quota-429", "capacity-loss", "zone-gray-failure", "eight-regions-errors", "two-faults-at-once", "flash-crowd",
    "slow-leak", "fast-failures-that-look-healthy", "serverless-region-ill", "standby-needed", "pinned-europe", "all-regions-short",
    "deploy-wave", "retry-storm", "brief-brownouts", "region-dead", "quiet",
)  # fmt: skip
"""Stories with something to save, and two without: what Google saves by itself is no saving, and neither is a quiet day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One story. Numbers of requests."""

    scenario: str
    requests: float
    bad_observed: float
    bad_acted: float
    saved: float
    """The estimate of the run that acted."""
    advised: float
    """The estimate of the run that advised."""

    @property
    def true(self) -> float:
        """What acting has saved."""
        return self.bad_observed - self.bad_acted


def compared(setup: Setup) -> Compared:
    """Both runs of one story."""
    bad, sums, requests = {}, {}, 0.0
    for mode in (Mode.OBSERVE, Mode.ACT):
        last: deque[TickReport] = deque(maxlen=1)  # each holds a whole snapshot
        report = Run(setup, SimulatedDaemon(mode, last.append)).go().report
        bad[mode], requests = report.bad_requests, report.requests
        savings = last[0].figures.savings.services
        sums[mode] = sum(s.saved for s in savings), sum(s.advised for s in savings)
    return Compared(
        scenario=setup.scenario.scenario,
        requests=requests,
        bad_observed=bad[Mode.OBSERVE],
        bad_acted=bad[Mode.ACT],
        saved=sums[Mode.ACT][0],
        advised=sums[Mode.OBSERVE][1],
    )


def story(name: str, folder: Path = FOLDER) -> Compared:
    """Both runs of a story of the library."""
    return compared(load_setup(folder / f"{name}.yaml"))


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    asked = asking("savings", __doc__, only=STORIES).parse_args(words)
    table = sheet(
        "Requests kept from being bad",
        ("scenario", "requests", "bad, observed", "bad, acted", "saved, true", "estimate, acted", "/ true", "estimate, advised", "/ true"),
    )  # fmt: skip
    for setup in chosen(asked.only, asked.scenarios):
        found = compared(setup)
        table.add_row(
            found.scenario,
            *(f"{n:,.0f}" for n in (found.requests, found.bad_observed, found.bad_acted, found.true)),
            *(cell for n in (found.saved, found.advised) for cell in (f"{n:,.0f}", _ratio(n, found.true))),
        )
    console().print(table)
    return 0


def _ratio(estimate: float, true: float) -> str:
    return f"{estimate / true:.2f}" if true > 0 else "-"
