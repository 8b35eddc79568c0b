"""`make bench`: every figure that the docs name, measured on the machine at hand, beside its goal.

Nothing here passes or fails: machines differ. Compare within one run. Without words everything runs, the library of
scenarios last. A first word `goals`, `growth`, `journal`, `kills`, `library`, `random`, `varied`, `wild`, `delays`, `eyes`, `pauses`, `lies`, `alarms` or `ablation` runs that alone and takes options
(`--help` lists them); other words choose figures by what their names hold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from tests.bench import (
    ablation,
    alarms,
    bench_core,
    bench_engine,
    bench_observe,
    bench_search,
    bench_service,
    bench_world,
    delays,
    eyes,
    goals,
    growth,
    journal,
    kills,
    library,
    lies,
    pauses,
    schedules,
    varied,
    wild,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row: what, the goal in words, and how to get the value in words."""

    name: str
    goal: str
    measure: Callable[[], str]


def _memory() -> str:
    found = bench_service.memory_after_ticks(1000)
    return f"{found['at_end_mib']:.0f}, {found['growth_mib']:+.1f} since tick 300"


FIGURES = (
    Figure(
        name="monitoring calls per tick, 200 services",
        goal="<= 4",
        measure=lambda: str(bench_observe.monitoring_calls(200, 10)),
    ),
    Figure(
        name="decision, 30 regions",
        goal="<= 5 ms",
        measure=lambda: f"{1000 * bench_core.decision_30_regions():.1f} ms",
    ),
    Figure(
        name="search against every set of ceilings, 300 fleets of 3",
        goal="-",
        measure=bench_search.distances,
    ),
    Figure(
        name="client's messages to rows, 200 services x 10 regions",
        goal="with the clients",
        measure=lambda: f"{bench_observe.messages_to_rows(200, 10):.0f} ms, in the clients' threads",
    ),
    Figure(
        name="rows to snapshot, 200 services x 10 regions",
        goal="part of the row below",
        measure=lambda: f"{bench_observe.rows_to_snapshot(200, 10):.0f} ms",
    ),
    Figure(
        name="tick from rows to record, 200 services x 10 regions",
        goal="<= 100 ms",
        measure=lambda: ", ".join(f"{k} {v:.0f}" for k, v in bench_service.tick_overhead_200x10().items()),
    ),
    Figure(
        name="the same by number of backends",
        goal="linear",
        measure=lambda: ", ".join(
            f"{k}: {v:.0f} ms" for k, v in bench_service.tick_overhead_linearity().items()
        ),
    ),
    Figure(name="engine processes per adjustment (CLI)", goal="1", measure=bench_engine.cli_processes),
    Figure(
        name="adjustment over the engine's own time (CLI)",
        goal="<= 0.3 s",
        measure=bench_engine.cli_overhead,
    ),
    Figure(name="adjustment, embedded engine", goal="-", measure=bench_engine.embedded_adjustment),
    Figure(name="daemon memory, 1,000 ticks (MiB)", goal="<= 200", measure=_memory),
    Figure(
        name="simulated day, 10 regions, 10 s steps, one core",
        goal="<= 1 s",
        measure=lambda: f"{bench_world.day(10, 10):.2f} s",
    ),
    Figure(
        name="the same with a look every 60 s, as a controller has",
        goal="<= 1 s",
        measure=lambda: f"{bench_world.strides(10, 10):.2f} s",
    ),
    Figure(
        name="simulated day, 200 clients x 30 regions",
        goal="<= 10 s",
        measure=lambda: f"{bench_world.day(30, 200):.2f} s",
    ),
)


STUDIES = {
    "goals": goals.main,
    "growth": growth.main,
    "journal": journal.main,
    "kills": kills.main,
    "library": library.main,
    "random": schedules.main,
    "varied": varied.main,
    "wild": wild.main,
    "delays": delays.main,
    "alarms": alarms.main,
    "eyes": eyes.main,
    "pauses": pauses.main,
    "lies": lies.main,
    "ablation": ablation.main,
}
"""Whole tables, by the first word."""


def main(words: list[str]) -> int:
    """One study, or all figures, or those whose name holds one of the words."""
    if words and words[0] in STUDIES:
        return STUDIES[words[0]](words[1:])
    chosen = [f for f in FIGURES if not words or any(word in f.name for word in words)]
    if not chosen:
        print(
            f"No figure's name holds {' or '.join(repr(word) for word in words)}. Figures:", file=sys.stderr
        )
        print(*(f"  {figure.name}" for figure in FIGURES), sep="\n", file=sys.stderr)
        print(f"Studies, each a first word of its own: {', '.join(STUDIES)}.", file=sys.stderr)
        return 2
    _measure(chosen)
    return 0 if words else library.main([])


def _measure(chosen: list[Figure]) -> None:
    console = Console()
    table = Table(
        title="Spillway, measured here and now", title_justify="left", box=None, padding=(0, 3, 0, 0)
    )
    for heading, width in (("figure", 52), ("goal", 20), ("measured", 40)):
        table.add_column(heading, width=width)
    for figure in chosen:
        console.print(f"[dim]measuring: {figure.name} ...[/]")
        table.add_row(figure.name, figure.goal, figure.measure())
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
