"""The results of a backtest for people: a table for each scenario, and one over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from spillway.cli.console import out
from spillway.cli.status import PLAIN
from spillway.sim.backtest.table import Row, ScenarioTable, Total, by_scenario, count, share, totals
from spillway.sim.run import RunResult

_HEADINGS = ("bad", "SLO min", "p95", "p99", "writes", "back", "wrong", "spread", "cost")


def render(results: Sequence[RunResult]) -> None:
    """Print everything."""
    tables = by_scenario(results)
    for table in tables:
        out.print(scenario_table(table))
        out.print()
    if len(tables) > 1:
        out.print(summary_table(totals(tables)))
        out.print()
    out.print(
        "bad: failed or later than the SLO allows; SLO min: minutes in which the SLO was broken; p95, p99: seconds as "
        "clients see them; back: scalers moved back within 30 minutes; wrong: writes that did harm; spread: the "
        "fullest region's utilisation over the mean; cost: of a request, by what the scenario says that regions cost, and "
        "over all scenarios relative to the first policy. * best, or within 2% of it.",
        style="dim",
        markup=False,
    )


def scenario_table(found: ScenarioTable) -> Table:
    """Policies as rows."""
    seeds = f"seed {found.seeds[0]}" if len(found.seeds) == 1 else f"mean of {len(found.seeds)} seeds"
    title = f"{found.scenario} · {found.rows[0].requests / 1e6:.2f} million requests · {seeds}"
    table = _table(title, _HEADINGS)
    for row in found.rows:
        table.add_row(*_cells(row))
    return table


def summary_table(found: Sequence[Total]) -> Table:
    """Policies as rows, all scenarios together."""
    title = f"All {max(t.scenarios for t in found)} scenarios · bad: mean of the scenarios"
    table = _table(title, ("bad", "worst", "SLO min", "writes", "back", "wrong", "floors", "cost", "best"))
    for total in found:
        table.add_row(
            total.policy,
            share(total.bad_share),
            share(total.worst_share),
            count(total.minutes),
            count(total.writes),
            count(total.reversals),
            count(total.wrong_way),
            count(total.floors_broken),
            f"{total.cost:.3f}",
            f"{total.best}/{total.scenarios}",
        )
    return table


def _cells(row: Row) -> tuple[str, ...]:
    mark = "[green]*[/]" if row.best else " "
    return (
        f"{row.policy}",
        f"{share(row.bad_share)}{mark}",
        count(row.minutes),
        f"{row.p95 / 1000:.2f}",
        f"{row.p99 / 1000:.2f}",
        count(row.writes),
        count(row.reversals),
        count(row.wrong_way),
        f"{row.spread:.2f}",
        f"{row.cost / max(row.requests, 1e-300):.3f}",
    )


def _table(title: str, headings: Sequence[str]) -> Table:
    narrow = {**PLAIN, "padding": (0, 1, 0, 0)}  # ten columns fit into eighty characters, too
    table = Table(title=title, title_justify="left", title_style="bold", **narrow)
    table.add_column("policy", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
