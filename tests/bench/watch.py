"""Carrying out many runs in sight of whoever waits: a bar on a terminal, a line for each tenth in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import perf_counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spillway.sim.backtest.jobs import Job
from spillway.sim.backtest.runner import Here, Processes
from spillway.sim.run import RunResult

TENTHS = 10


def watched(title: str, planned: Sequence[Job], jobs: int) -> list[RunResult]:
    """Results in the order of `planned`, with so many runs at once."""
    runner = Here() if jobs == 1 else Processes(jobs)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    began, told = perf_counter(), 0
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(title, total=len(planned))
        found = []
        for done in runner.run(planned, lambda part: bar.advance(task, part)):
            found.append(done.result)
            if not sys.stderr.isatty() and len(found) * TENTHS // len(planned) > told:
                told = len(found) * TENTHS // len(planned)
                seconds = perf_counter() - began
                print(f"{title}: {len(found)} of {len(planned)} runs after {seconds:.0f} s", file=sys.stderr)
    return found
