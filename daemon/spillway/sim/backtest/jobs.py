"""What is to be run: one scenario, one seed, one contender. Jobs and what comes of them are values that travel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spillway.core.values.policy import Floors
from spillway.errors import SpillwayError
from spillway.sim.backtest.policy_file import GivenPolicy, load_policy
from spillway.sim.backtest.recorder import Recorder, Series
from spillway.sim.baselines import BASELINES
from spillway.sim.controller import Controller
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Moment, Run, RunResult
from spillway.sim.setup import Setup

SPILLWAY = "spillway"
"""Name of Spillway with its default policy."""

_ORACLE = "oracle"
"""Names that begin so see the truth: yardsticks, no opponents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Somebody who steers: Spillway with a policy, or a baseline by its name."""

    name: str
    policy: GivenPolicy | None = None
    baseline: bool = False

    def start(self, setup: Setup) -> tuple[Controller, Floors]:
        """A fresh controller for one run, and the floors that it is held to."""
        if self.baseline:
            return BASELINES[self.name](), Floors()
        if self.policy is None:
            return Pilot(), Floors()
        fitted = self.policy.fit(setup)
        return Pilot(fitted), fitted.floors


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run. It holds values alone, so a machine without the scenario's files can carry it out."""

    setup: Setup
    seed: int
    contender: Contender
    record: bool = False
    """Keep time series for a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished job."""

    result: RunResult
    series: Series | None


def contenders(policies: Iterable[Path], baselines: Sequence[str], *, oracles: bool) -> tuple[Contender, ...]:
    """Who is to run: those named, or Spillway and every baseline where nobody is.

    Args:
        policies: policy files.
        baselines: names in `BASELINES`, or `spillway` for the default policy.
        oracles: add the oracles, which are left out unless somebody asks for them.

    Raises:
        ConfigError: a policy file has mistakes.
        SpillwayError: there is no such baseline.
    """
    files = tuple(policies)
    names = list(dict.fromkeys(baselines))
    if not files and not names:
        names = [SPILLWAY, *(n for n in BASELINES if not n.startswith(_ORACLE))]
    if oracles:
        names += [n for n in BASELINES if n.startswith(_ORACLE) and n not in names]
    known = (SPILLWAY, *BASELINES)
    for name in names:
        if name not in known:
            raise UnknownBaseline(f"there is no baseline {name!r}.", remedy=f"Use one of {', '.join(known)}.")
    stems = [path.stem for path in files]
    made = [
        Contender(
            name=path.stem if stems.count(path.stem) == 1 and path.stem not in known else str(path),
            policy=load_policy(path),
        )
        for path in files
    ]
    return (*made, *(Contender(name=name, baseline=name != SPILLWAY) for name in names))


class UnknownBaseline(SpillwayError):
    """A name that `BASELINES` does not have."""


def plan(
    setups: Iterable[Setup], who: Sequence[Contender], seeds: Sequence[int], *, record: bool = False
) -> tuple[Job, ...]:
    """All jobs, in the order of scenarios x contenders x seeds; the scenario's own seed where none is given."""
    return tuple(
        Job(setup=setup, seed=seed, contender=contender, record=record)
        for setup in setups
        for contender in who
        for seed in (seeds or (setup.scenario.seed,))
    )


def perform(job: Job, progress: Callable[[float], None] | None = None) -> Done:
    """Carry out a job; `progress` is told the share done, 0..1."""
    controller, floors = job.contender.start(job.setup)
    run = Run(job.setup, controller, seed=job.seed, floors=floors)
    recorder = Recorder(job.setup, controller) if job.record else None

    def watch(moment: Moment) -> None:
        if recorder is not None:
            recorder.watch(moment)
        if progress is not None:
            progress(moment.done)

    if recorder is not None:
        result = run.go(watch, stride=recorder.interval)
        recorder.finish(run.world)
    else:
        result = run.go(watch if progress is not None else None)
    result = replace(result, policy=job.contender.name)
    return Done(result=result, series=recorder.series() if recorder is not None else None)
