"""What each part of the decision core is worth: the library of scenarios with one part at a time taken away.

`python -m tests.bench ablation`, or on moved stories `python -m tests.bench ablation --variants 7 --first 500 --parts flapping`

A part is taken away by giving its constant a value at which it does nothing, in the processes of this bench alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import exp, inf, log
from statistics import fmean
from types import ModuleType

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tests.bench.library import FOLDER, SEED_STEP, chosen
from tests.bench.score import BAR
from tests.bench.sheet import console, names, sheet
from tests.bench.varied import moved

from spillway.sim.backtest.runner import cores
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run, RunResult
from spillway.sim.setup import Setup

LONG = 2 * 86400.0
"""Scenarios at least so long are left out: nothing happens in them that a part could decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the core, and what takes it away."""

    name: str
    constants: tuple[tuple[str, float], ...]
    """(module of `spillway.core` and name of the constant, value that takes the part away)."""


WHOLE = Part(name="the whole core", constants=())

PARTS = (
    Part(
        name="doubt: lost capacity is thought to be back at once",
        constants=(("estimate.capacity.RECOVERY_SECONDS", 1.0),),
    ),
    Part(name="doubt never ends", constants=(("estimate.capacity.RECOVERY_SECONDS", 1e9),)),
    Part(
        name="queues that a cut must first work off",
        constants=(("model.service.QUEUE_SECONDS", 0.0), ("model.service.QUEUE_GROWTH", 0.0)),
    ),
    Part(name="capping pushed receivers in the same answer", constants=(("decide.search.REPAIRS", 0),)),
    Part(name="room for the loss of the largest region", constants=(("model.predict.LOSS_PRICE", 0.0),)),
    Part(name="carrying a rising service time ahead", constants=(("estimate.latency.LASTING_MINUTES", 1e9),)),
    Part(
        name="telling waiting by chance from slowness",
        constants=(("estimate.latency.MOST_UTILISATION", 0.0),),
    ),
    Part(
        name="reading from who does not wait that there is more",
        constants=(("estimate.latency.DELAY_NOISE", 1e9),),
    ),
    Part(
        name="taking small differences in the tail for noise",
        constants=(("model.service.BAD_SHARE_NOISE", 0.0),),
    ),
    Part(name="believing a jump of demand at once", constants=(("estimate.demand.JUMP", inf),)),
    Part(
        name="near certainty before a probe that may hurt",
        constants=(("decide.reopen.COSTLY_PROBE_P_RECOVERED", 0.75),),
    ),
    Part(
        name="joining a standby whole where it is urgent",
        constants=(("decide.membership.URGENT", -1.0), ("decide.membership.SURGING", inf)),
    ),
    Part(
        name="a standby that joins on the first minute of a surge",
        constants=(("estimate.demand.ONSET", inf),),
    ),
    Part(name="trend of demand", constants=(("estimate.demand.TREND", 0.0),)),
    Part(
        name="counting what became more inside as demand",
        constants=(("estimate.latency.MOST_FILLING_SHARE", 0.0),),
    ),
    Part(
        name="cutting again at once what is still overloaded",
        constants=(("model.verify.STILL_OVERLOADED", 0.0),),
    ),
    Part(name="telling a leak from the onset of a queue", constants=(("estimate.latency.STEEPER", inf),)),
    Part(name="floors that hold for the usual demand", constants=(("estimate.demand.SLOW_SECONDS", 1e-9),)),
    Part(name="opening regions to which nobody is sent yet", constants=(("estimate.belief.IDLE", -1.0),)),
    Part(name="loss of machines behind slowness", constants=(("estimate.capacity.EXPLAINED", 0.0),)),
    Part(
        name="expecting a flapping region to fall again",
        constants=(("estimate.failures.FLAP_SECONDS", 0.0),),
    ),
    Part(name="shedding one region in a shortage", constants=(("decide.search.MOST_SHED", 0),)),
    Part(
        name="calling a standby when ceilings alone do not help",
        constants=(("decide.membership.STUCK", inf),),
    ),
    Part(name="acting on late pictures of lasting trouble", constants=(("decide.limits.LATE_SHARE", 1e9),)),
    Part(name="judging moves afterwards, and undoing", constants=(("model.verify.TROUBLE_SHARE", inf),)),
)


def main(words: Sequence[str]) -> int:
    """Run what the words ask for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench ablation", description=__doc__)
    parser.add_argument("--only", type=names, default=[], help="scenarios, with commas between")
    parser.add_argument("--seeds", type=int, default=1, help="of each scenario")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at once")
    parser.add_argument("--parts", type=names, default=[], help="parts whose name holds one of these words")
    parser.add_argument(
        "--variants",
        type=int,
        default=0,
        help="moved variants of each scenario instead of the library itself",
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first variant")
    asked = parser.parse_args(words)
    setups = [s for s in chosen(asked.only, FOLDER) if s.scenario.duration < LONG]
    if asked.variants:
        setups = moved(
            [s.scenario.scenario for s in setups], range(asked.first, asked.first + asked.variants)
        )
    runs = [(setup, setup.scenario.seed + SEED_STEP * i) for setup in setups for i in range(asked.seeds)]
    parts = [p for p in PARTS if not asked.parts or any(word in p.name for word in asked.parts)]
    tried = (WHOLE, *parts)
    jobs = [(part, setup, seed) for part in tried for setup, seed in runs]
    with (
        ProcessPoolExecutor(asked.jobs) as pool,
        Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task(f"{len(parts)} parts", total=len(jobs))
        found = []
        for result in pool.map(_run, jobs):
            found.append(result)
            bar.advance(task)
    by_part = [found[i * len(runs) : (i + 1) * len(runs)] for i in range(len(tried))]
    console().print(_table(tried, by_part))
    return 0


@contextmanager
def without(part: Part) -> Iterator[None]:
    """The core with `part` taken away, also where another module of the core imports its constant.

    Raises:
        AttributeError: the core has no such constant any more.
    """
    kept: list[tuple[ModuleType, str, object]] = []
    for path, value in part.constants:
        module, name = path.rsplit(".", 1)
        known = getattr(import_module(f"spillway.core.{module}"), name)
        for place in core_modules():
            if getattr(place, name, None) is known:
                kept.append((place, name, known))
                setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, known in kept:
            setattr(place, name, known)


def core_modules() -> tuple[ModuleType, ...]:
    """All modules of the core."""
    import_module("spillway.core.loop")
    return tuple(m for name, m in sorted(sys.modules.items()) if name.startswith("spillway.core."))


def _run(job: tuple[Part, Setup, int]) -> RunResult:
    part, setup, seed = job
    with without(part):
        return Run(setup, Pilot(), seed=seed).go()


def _table(parts: Sequence[Part], results: Sequence[Sequence[RunResult]]) -> Table:
    table = sheet(
        f"{len(results[0])} runs with one part of the core taken away at a time",
        (
            "without",
            "mean of ratios",
            "all bad requests",
            "worst scenario",
            "wrong way",
            "floors",
            "reversals",
        ),
    )
    whole = results[0]
    for part, mine in zip(parts, results, strict=True):
        ratios = [
            (m.report.bad_requests + BAR * w.report.requests)
            / (w.report.bad_requests + BAR * w.report.requests)
            for m, w in zip(mine, whole, strict=True)
        ]
        worst = max(zip(ratios, [w.scenario for w in whole], strict=True))
        table.add_row(
            part.name,
            f"{exp(fmean(map(log, ratios))):.3f}x",
            f"{sum(m.report.bad_requests for m in mine) / sum(w.report.bad_requests for w in whole):.3f}x",
            f"{worst[0]:.2f}x {worst[1]}" if part.constants else "",
            str(sum(m.wrong_way_moves for m in mine)),
            str(sum(m.floors_broken for m in mine)),
            str(sum(m.reversals for m in mine)),
        )
    return table
