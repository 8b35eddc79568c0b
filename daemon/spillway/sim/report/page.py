"""The page: a summary, then every scenario with its policies side by side. No scripts, and nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from spillway import __version__
from spillway.sim.backtest.jobs import Done, Job
from spillway.sim.backtest.recorder import Series
from spillway.sim.backtest.table import ScenarioTable, by_scenario, count, share, totals
from spillway.sim.faults import Fault
from spillway.sim.report.charts import COLOURS, Charts
from spillway.sim.report.faults import words
from spillway.sim.report.summary import dot, lead, matrix, totals_table
from spillway.sim.report.svg import elapsed
from spillway.sim.setup import Setup

Finished = tuple[Job, Done]
"""A job and what came of it."""

_KEYS = (
    ("fill load", "load"),
    ("fill bad", "failed"),
    ("ceiling", "ceiling"),
    ("capacity", "true capacity"),
)


def slug(name: str) -> str:
    """A name fit for a file and a link."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"


def csv_name(job: Job) -> str:
    """File name of a run's time series."""
    return f"{slug(job.setup.scenario.scenario)}-{slug(job.contender.name)}-seed-{job.seed}.csv"


def render(runs: Sequence[Finished]) -> str:
    """The whole page.

    Raises:
        ValueError: a run has no time series.
    """
    tables = by_scenario(done.result for _, done in runs)
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
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
        f"<title>Spillway backtest</title><style>{style}</style></head><body>"
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
    series = [(done.result.policy, _series(done)) for _, done in runs]
    charts = Charts(series, setup.faults, duration=setup.scenario.duration, slo=setup.scenario.slo.latency)
    overview = (
        f'<figure class="card"><h3>Demand by client, requests/s</h3>{charts.demand()}'
        f"{_legend([(f'fill c{i % COLOURS}', name) for i, name in enumerate(series[0][1].clients)])}</figure>"
        f'<figure class="card"><h3>Bad requests so far</h3>{charts.bad_so_far()}'
        f"{_legend([(f'fill c{i % COLOURS}', name) for i, (name, _) in enumerate(series)])}</figure>{_world(setup)}"
    )
    cards = "".join(_policy(i, job, done, charts) for i, (job, done) in enumerate(runs))
    title = "" if alone else f"<h3>Seed {seed}</h3>"
    return f'{title}<div class="grid-of">{overview}</div><h4>Policies side by side</h4><div class="grid-of">{cards}</div>'


def _world(setup: Setup) -> str:
    """What the policies are up against."""
    scenario = setup.scenario
    faults = "".join(
        f"<li><time>{elapsed(f.at)}</time><span>{escape(words(f))}, {_until(f, scenario.duration)}</span></li>"
        for f in sorted(setup.faults, key=lambda f: f.at)
    )
    delays = scenario.monitoring, scenario.actuation
    return (
        f'<article class="card"><h3>What happens</h3><p class="soft">{len(setup.regions)} regions, {len(setup.sources)} '
        f"clients, {elapsed(scenario.duration)} h. Good: within {scenario.slo.latency:g} s for {scenario.slo.percentile:g} % "
        f"of requests, {scenario.slo.availability:.3%} available. Metrics are {delays[0].visibility_delay:g} s late, and a write acts "
        f"after {delays[1].write_time + delays[1].propagation:g} s. Shaded in the plots:</p>"
        f'<ol class="decisions">{faults or "<li>no faults</li>"}</ol></article>'
    )


def _until(fault: Fault, duration: float) -> str:
    if fault.kind == "outside-edit":
        return "once"
    return "to the end" if fault.until >= duration else f"until {elapsed(fault.until)}"


def _policy(i: int, job: Job, done: Done, charts: Charts) -> str:
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
        f"<h4>Share of bad requests</h4>{charts.bad(i)}<h4>Latency p95 of all regions; dashed: the SLO</h4>{charts.latency(i)}"
        f"<h4>Load by region, requests/s</h4>{_legend(_KEYS)}{charts.regions(i)}"
        f"<h4>Scalers in effect</h4>{charts.scalers(i)}{_decisions(_series(done))}"
        f'<p class="soft"><a href="{csv_name(job)}">CSV</a> · trace {result.trace_hash[:12]}</p></article>'
    )


def _decisions(series: Series) -> str:
    if not series.decisions:
        return '<h4>Decisions</h4><span class="soft">None: it never writes, or saw no reason to.</span>'
    items = "".join(
        f"<li><time>{elapsed(d.at)}</time><span>{escape(d.text)}</span></li>" for d in series.decisions
    )
    more = f"<li><time></time><span>and {series.more_decisions} more</span></li>" * (
        series.more_decisions > 0
    )
    number = len(series.decisions) + series.more_decisions
    return (
        f'<details open><summary><h4 style="display:inline">Decisions ({number})</h4></summary>'
        f'<ol class="decisions">{items}{more}</ol></details>'
    )


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 14 7" style="display:inline-block;width:1.4em">'
        f'<path class="{css}" d="{"M0 0H14V7H0Z" if css.startswith("fill") else "M0 4H14"}"/></svg>{escape(name)}</li>'
        for css, name in entries
    )
    return f'<ul class="legend">{items}</ul>'


def _series(done: Done) -> Series:
    if done.series is None:
        raise ValueError("a run was not recorded; plan it with record=True")
    return done.series
