"""The document of a report: a summary, then every scenario with its policies side by side, and the places of the plots.

It reads without scripts, too; the plots alone need them. Nothing comes from elsewhere than the report's own folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from spillway import __version__
from spillway.core.values.decision import span
from spillway.sim.backtest.jobs import Done, Job
from spillway.sim.backtest.recorder import Series
from spillway.sim.backtest.table import ScenarioTable, by_scenario, count, share, totals
from spillway.sim.faults import Fault
from spillway.sim.report.figures import words
from spillway.sim.report.summary import dot, lead, matrix, totals_table
from spillway.sim.setup import Setup

Finished = tuple[Job, Done]
"""A job and what came of it."""

COLOURS = 8
"""Colours of report.css, c0 to c7; what comes after begins anew."""

DAY = 86400.0

_KEYS = (("load", "load"), ("failed", "failed"), ("ceiling", "ceiling"), ("capacity", "true capacity"))
_MARKS = (("fault", "a fault"), ("write", "a write"))


def slug(name: str) -> str:
    """A name fit for a file and a link."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"


def csv_name(job: Job) -> str:
    """File name of a run's time series."""
    return f"{slug(job.setup.scenario.scenario)}-{slug(job.contender.name)}-seed-{job.seed}.csv"


def run_name(setup: Setup, seed: int) -> str:
    """Name of the figures of one scenario and seed."""
    return f"{slug(setup.scenario.scenario)}-seed-{seed}"


def elapsed(seconds: float, duration: float) -> str:
    """`1:05` for an hour and five minutes; `day 2, 06:00` in a scenario that lasts longer than a day."""
    minutes = round(seconds / 60)
    if duration <= DAY:
        return f"{minutes // 60}:{minutes % 60:02d}"
    return f"day {minutes // 1440 + 1}, {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def render(runs: Sequence[Finished]) -> str:
    """The whole page.

    Raises:
        ValueError: a run has no time series.
    """
    tables = by_scenario(done.result for _, done in runs)
    policies = list(dict.fromkeys(done.result.policy for _, done in runs))
    links = [slug(table.scenario) for table in tables]
    requests = sum(done.result.report.requests for _, done in runs)
    hours = sum(job.setup.scenario.duration for job, _ in runs) / 3600
    sections = [
        _scenario(table, [r for r in runs if r[1].result.scenario == table.scenario], opened=i == 0)
        for i, table in enumerate(tables)
    ]
    over_all = totals(tables)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>Spillway backtest</title><link rel="stylesheet" href="assets/report.css">'
        '<link rel="stylesheet" href="assets/figure.css" id="plotly.js-style-global" class="no-inline-styles">'
        '<script src="assets/figure.js" defer></script><script src="assets/report.js" defer></script></head><body>'
        f'<h1>Spillway backtest</h1><p class="lead">{lead(over_all)}</p>'
        f'<p class="soft">{len(tables)} scenario{"s" * (len(tables) != 1)}, {len(policies)} policies, '
        f"{requests / 1e6:.1f} million simulated requests in {hours:,.0f} simulated hours. A request is bad if it "
        "fails, or is answered later than the scenario's SLO allows as its client sees it. Means over scenarios and "
        f"seeds; cost is relative to {escape(policies[0])}.</p>"
        f"{totals_table(over_all)}<h2>Bad requests by scenario</h2>{matrix(tables, policies, links)}"
        f'{"".join(sections)}<p class="soft">Spillway {__version__}. Same seed, same numbers: every run carries the hash '
        "of its trace.</p></body></html>"
    )


def _scenario(table: ScenarioTable, runs: Sequence[Finished], *, opened: bool) -> str:
    scenario = runs[0][0].setup.scenario
    aim = escape(scenario.description.strip())
    seeds = list(dict.fromkeys(job.seed for job, _ in runs))
    parts = [_seed([r for r in runs if r[0].seed == seed], seed, alone=len(seeds) == 1) for seed in seeds]
    best = " and ".join(row.policy for row in table.rows if row.best)
    return (
        f'<details class="scenario" id="{slug(table.scenario)}"{" open" if opened else ""}>'
        f'<summary><h2>{escape(table.scenario)}</h2><span class="soft">best: {escape(best)}</span></summary>'
        f"<p>{aim}</p>{''.join(parts)}</details>"
    )


def _seed(runs: Sequence[Finished], seed: int, *, alone: bool) -> str:
    """One seed of a scenario."""
    setup = runs[0][0].setup
    name = run_name(setup, seed)
    clients, policies = series_of(runs[0][1]).clients, [done.result.policy for _, done in runs]
    overview = (
        f'<figure class="card"><h3>Demand by client</h3>{_plot(name, "demand", "short")}{_coloured(clients)}</figure>'
        f'<figure class="card"><h3>Bad requests so far</h3>{_plot(name, "bad_so_far", "short")}{_coloured(policies)}</figure>'
        f"{_world(setup)}"
    )
    cards = "".join(_policy(i, job, done, name) for i, (job, done) in enumerate(runs))
    title = "" if alone else f"<h3>Seed {seed}</h3>"
    return f'{title}<div class="grid-of">{overview}</div><h4>Policies side by side</h4><div class="grid-of">{cards}</div>'


def _plot(run: str, figure: str, shape: str = "", policy: int | None = None) -> str:
    """The place of a plot; `report.js` draws it when it comes into sight."""
    who = "" if policy is None else f' data-policy="{policy}"'
    return f'<div class="plot {shape}" data-run="{run}" data-figure="{figure}"{who}></div>'


def _world(setup: Setup) -> str:
    """What the policies are up against."""
    scenario = setup.scenario
    faults = "".join(
        f"<li><time>{elapsed(f.at, scenario.duration)}</time><span>{escape(words(f))}, {_until(f, scenario.duration)}</span></li>"
        for f in sorted(setup.faults, key=lambda f: f.at)
    )
    delays = scenario.monitoring, scenario.actuation
    return (
        f'<article class="card"><h3>What happens</h3><p class="soft">{len(setup.regions)} regions, {len(setup.sources)} '
        f"clients, {span(scenario.duration)}. Good: within {scenario.slo.latency:g} s for {scenario.slo.percentile:g} % "
        f"of requests, {scenario.slo.availability:.3%} available. Metrics are {delays[0].visibility_delay:g} s late, and a write acts "
        f"after {delays[1].write_time + delays[1].propagation:g} s. Shaded in the plots, times since the start:</p>"
        f'<ol class="decisions">{faults or "<li>no faults</li>"}</ol></article>'
    )


def _until(fault: Fault, duration: float) -> str:
    if fault.kind == "outside-edit":
        return "once"
    return "to the end" if fault.until >= duration else f"until {elapsed(fault.until, duration)}"


def _policy(i: int, job: Job, done: Done, name: str) -> str:
    result = done.result
    report = result.report
    p95 = dict(report.latency_ms)["p95"] / 1000
    figures = "".join(
        f"<div><b>{value}</b><span>{name}</span></div>"
        for value, name in (
            (share(report.bad_requests / max(report.requests, 1e-300)), "bad requests"),
            (count(report.slo_minutes_lost), "SLO minutes lost"),
            (f"{p95:.1f} s", "p95 for clients"),
            (count(result.writes), "writes"),
        )
    )
    return (
        f'<article class="card"><h3>{dot(i)}{escape(result.policy)}</h3><div class="figures">{figures}</div>'
        f"<h4>Bad requests, and latency of all regions</h4>{_legend(_MARKS)}{_plot(name, 'service', 'service', i)}"
        f"<h4>Load by region</h4>{_legend(_KEYS)}{_plot(name, 'regions', policy=i)}"
        f"<h4>Scalers in effect</h4>{_plot(name, 'scalers', policy=i)}{_decisions(series_of(done), job.setup.scenario.duration)}"
        f'<p class="soft"><a href="{csv_name(job)}">CSV</a> · trace {result.trace_hash[:12]}</p></article>'
    )


def _decisions(series: Series, duration: float) -> str:
    if not series.decisions:
        return '<h4>Decisions</h4><span class="soft">None: it never writes, or saw no reason to.</span>'
    items = "".join(
        f"<li><time>{elapsed(d.at, duration)}</time><span>{escape(d.text)}</span></li>"
        for d in series.decisions
    )
    more = f"<li><time></time><span>and {series.more_decisions} more</span></li>" * (
        series.more_decisions > 0
    )
    number = len(series.decisions) + series.more_decisions
    return (
        f"<details open><summary><h4>Decisions ({number})</h4></summary>"
        f'<ol class="decisions">{items}{more}</ol></details>'
    )


def _coloured(names: Sequence[str]) -> str:
    """Names with the colours that they have in the plots."""
    return _legend([(f"c{i % COLOURS}", name) for i, name in enumerate(names)])


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(f'<li><i class="key {css}"></i>{escape(name)}</li>' for css, name in entries)
    return f'<ul class="legend">{items}</ul>'


def series_of(done: Done) -> Series:
    """The time series of a run.

    Raises:
        ValueError: it was not recorded.
    """
    if done.series is None:
        raise ValueError("a run was not recorded; plan it with record=True")
    return done.series
