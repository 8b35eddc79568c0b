"""The same hours without a daemon, in virtual time, and how they compare with those under Spillway."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from spillway.cli.status import PLAIN
from spillway.errors import SpillwayError

NAMES = {
    "static": "no daemon",
    "google": "Google's automatics alone",
    "spillway": "Spillway",
}

LEGEND = "bad: failed, or later than the SLO allows; SLO minutes: minutes in which the SLO was missed; Google's automatics: auto-drain and failover"


def run_baselines(config: Path) -> dict[str, dict[str, Any]]:
    """Run the scenario of a configuration with no daemon and with Google's automatics; results by name.

    Raises:
        SpillwayError: the configuration names no scenario.
    """
    from spillway.config import load
    from spillway.sim.baselines.google import Google
    from spillway.sim.baselines.static import Static
    from spillway.sim.run import Run
    from spillway.sim.scenario_file import load_setup

    sandbox = load.load(config).config.sandbox
    if sandbox is None:
        raise SpillwayError(f"{config} has no section `sandbox`.", remedy="A demo needs `cloud: sandbox`.")
    built = load_setup(Path(sandbox.scenario))
    return {controller.name: Run(built, controller).go().to_json() for controller in (Static(), Google())}


def comparison(runs: Mapping[str, Mapping[str, Any]]) -> Table:
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
            NAMES.get(name, name),
            f"{run['requests']:,.0f}",
            f"{run['bad_requests']:,.0f}",
            f"{100 * share:.2f}%",
            f"{run['slo_minutes_lost']:.0f}",
            f"{run['latency_ms']['p95'] / 1000:.2f}s",
            f"{run.get('moves', run['writes'])}",
            style=style,
        )
    return table


def verdict(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """One sentence that says how it went, good or bad."""
    spillway = runs["spillway"]["bad_requests"]
    others = {name: run["bad_requests"] for name, run in runs.items() if name != "spillway"}
    best = min(reversed(others), key=lambda name: others[name])  # of equals the later, which does more
    if others[best] <= 0:
        return "No request was bad without Spillway either, so these hours show nothing."
    ratio = spillway / others[best]
    if ratio < 1:
        return f"{spillway:,.0f} bad requests with Spillway, {others[best]:,.0f} with {NAMES[best]}: {100 * (1 - ratio):.0f}% fewer."
    return f"{spillway:,.0f} bad requests with Spillway, {others[best]:,.0f} with {NAMES[best]}: no better. Please report this."
