"""The report at the end: the same hours with nobody, with Google's own automatics, and with Spillway."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from spillway.cli.console import out
from spillway.cli.status import PLAIN

_NAMES = {
    "static": "nobody",
    "google": "Google alone",
    "spillway": "Spillway",
}


def comparison(runs: dict[str, dict[str, Any]]) -> Table:
    """One row for each way to run the same hours; `runs` has the fields of `spillway backtest --json`."""
    table = Table(title="The same hours, three ways", title_justify="left", title_style="bold", **PLAIN)
    table.add_column("", no_wrap=True)
    for heading in ("requests", "bad", "share", "SLO minutes", "p95", "moves"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = min(run["bad_requests"] for run in runs.values())
    for name, run in runs.items():
        style = "bold green" if run["bad_requests"] == best else ""
        share = run["bad_requests"] / run["requests"] if run["requests"] else 0.0
        table.add_row(
            _NAMES.get(name, name),
            f"{run['requests']:,.0f}",
            f"{run['bad_requests']:,.0f}",
            f"{100 * share:.2f}%",
            f"{run['slo_minutes_lost']:.0f}",
            f"{run['latency_ms']['p95'] / 1000:.2f}s",
            f"{run.get('moves', run['writes'])}",
            style=style,
        )
    return table


def verdict(runs: dict[str, dict[str, Any]]) -> str:
    """One sentence that says how it went, good or bad."""
    spillway = runs["spillway"]["bad_requests"]
    others = {name: run["bad_requests"] for name, run in runs.items() if name != "spillway"}
    best = min(reversed(others), key=lambda name: others[name])  # of equals the later, which tries harder
    if others[best] <= 0:
        return "Nothing was lost without Spillway either: there was nothing to win in these hours."
    ratio = spillway / others[best]
    if ratio < 1:
        return (
            f"Spillway had {spillway:,.0f} bad requests where the better of the other two ({_NAMES[best]}) "
            f"had {others[best]:,.0f}: {100 * (1 - ratio):.0f}% fewer."
        )
    return f"Spillway had {spillway:,.0f} bad requests and was no better than {_NAMES[best]} with {others[best]:,.0f}. Please report this."


def print_comparison(runs: dict[str, dict[str, Any]]) -> None:
    """Print table and sentence."""
    out.print()
    out.print(comparison(runs))
    out.print(
        "[dim]bad: failed, or slower than promised; SLO minutes: lost; Google alone: auto-drain and failover[/]"
    )
    out.print(verdict(runs), markup=False)
