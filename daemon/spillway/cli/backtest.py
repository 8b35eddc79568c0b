"""`spillway backtest`: days of simulated traffic in seconds, Spillway beside its opponents."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spillway.cli.console import err, out
from spillway.errors import ConfigError, Problem, SpillwayError
from spillway.exits import Exit

if TYPE_CHECKING:
    from spillway.sim.backtest.jobs import Contender, Done
    from spillway.sim.backtest.runner import Progress, Runner
    from spillway.sim.setup import Setup

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Try policies on simulated traffic and faults.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option(
    "--policy", "policies", multiple=True, type=FILE, help="Try this policy: YAML, as under `policies.NAME`."
)
@click.option(
    "--baseline", "baselines", multiple=True, metavar="NAME", help="Run this opponent, or `spillway`."
)
@click.option("--oracles", is_flag=True, help="Add the oracles, which see the truth: what was possible.")
@click.option("--seed", "seeds", multiple=True, type=int, help="Run with this seed. [default: the file's]")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Runs at once. [default: all cores]")
@click.option("--cluster", metavar="ADDRESS", default=None, help="Run on the Dask scheduler at this address.")
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Write a page with plots, and CSV, into this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each run, one a line.")
def backtest(
    files: tuple[Path, ...],
    policies: tuple[Path, ...],
    baselines: tuple[str, ...],
    oracles: bool,
    seeds: tuple[int, ...],
    jobs: int | None,
    cluster: str | None,
    report: Path | None,
    as_json: bool,
) -> int:
    """Run scenario FILEs with Spillway and its opponents, and compare what became of the requests.

    Without --policy and --baseline, Spillway runs with its default policy against every baseline that sees no more
    than it does. All three options may be given several times. The same seed gives the same numbers on any machine
    and any number of cores; `trace_hash` proves it.
    """
    from spillway.sim.backtest.jobs import UnknownBaseline, plan

    if jobs is not None and cluster is not None:
        raise click.UsageError("--jobs is for this machine; on a cluster its workers decide.")
    try:
        setups, who = _read(files, policies, baselines, oracles=oracles)
    except UnknownBaseline as error:
        raise click.BadParameter(f"{error} {error.remedy}", param_hint="--baseline") from error
    planned = plan(setups, who, seeds, record=report is not None)
    if report is not None:
        _make_folder(report)
    runner = _runner(jobs, cluster, len(planned))
    finished: list[Done] = []
    with _bar(len(planned), planned=f"{len(setups)} x {len(who)} x {max(1, len(seeds))}") as progress:
        for done in runner.run(planned, progress):
            finished.append(done)
            if as_json:
                sys.stdout.write(json.dumps(done.result.to_json()) + "\n")
                sys.stdout.flush()
    if not as_json:
        from spillway.cli.backtest_tables import render

        render([done.result for done in finished])
    if report is not None:
        from spillway.sim.report.folder import write

        written = write(report, list(zip(planned, finished, strict=True)))
        told = f"wrote {written.page} ({written.files} files, {written.size / 1e6:.1f} MB)"
        (err if as_json else out).print(told, markup=False)
    return Exit.OK


def _read(
    files: Sequence[Path], policies: Sequence[Path], baselines: Sequence[str], *, oracles: bool
) -> tuple[list[Setup], tuple[Contender, ...]]:
    """Everything that is given as a file.

    Raises:
        ConfigError: with every mistake in any of them.
    """
    from spillway.sim.backtest.jobs import contenders
    from spillway.sim.scenario_file import load_setup

    problems: list[Problem] = []
    setups: dict[str, Setup] = {}
    for file in files:
        try:
            setup = load_setup(file)
        except ConfigError as error:
            problems += error.problems
            continue
        if (name := setup.scenario.scenario) in setups:
            problems.append(
                Problem(
                    file=str(file),
                    line=0,
                    path="scenario",
                    message=f"another file has a scenario {name!r} too.",
                    remedy="Give each its own name, and each file once.",
                )
            )
        setups[name] = setup
    who: tuple[Contender, ...] = ()
    try:
        who = contenders(policies, baselines, oracles=oracles)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(tuple(problems))
    return list(setups.values()), who


def _runner(jobs: int | None, cluster: str | None, count: int) -> Runner:
    from spillway.sim.backtest.cluster import Cluster
    from spillway.sim.backtest.runner import Here, Processes, cores

    if cluster is not None:
        return Cluster(cluster)
    processes = min(jobs or cores(), count)
    return Here() if processes == 1 else Processes(processes)


def _make_folder(report: Path) -> None:
    """Before the runs, not after them, it shows whether the report can be written.

    Raises:
        SpillwayError: it cannot.
    """
    try:
        report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpillwayError(
            f"the folder {report} cannot be made: {error.strerror or error}.",
            remedy="Name a folder that you may write to.",
        ) from error


@contextmanager
def _bar(total: int, planned: str) -> Iterator[Progress]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not err.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(f"{planned} runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda share: bar.advance(task, share)
