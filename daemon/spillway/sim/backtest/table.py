"""Results side by side: what each policy came to in a scenario, and over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from spillway.sim.run import RunResult

TIE = 0.02
"""Bad requests within 2 % of the best count as best too: less than another seed changes."""

FEW = 1e-5
"""So does a difference of one request in 100 000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy in one scenario: means over its seeds."""

    policy: str
    requests: float
    failed: float
    bad: float
    minutes: float
    p50: float
    p95: float
    p99: float
    writes: float
    reversals: float
    wrong_way: float
    spread: float
    """max_over_mean_utilization."""
    cost: float
    floors_broken: float
    best: bool = False
    """No other policy that sees what it sees had fewer bad requests (see `TIE`)."""

    @property
    def bad_share(self) -> float:
        """Bad requests over all."""
        return self.bad / max(self.requests, 1e-300)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioTable:
    """All policies in one scenario."""

    scenario: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """One policy over all scenarios; each scenario counts as the mean of its seeds."""

    policy: str
    bad_share: float
    """Mean over the scenarios, so that a long one does not drown the others."""
    worst_share: float
    minutes: float
    writes: float
    reversals: float
    wrong_way: float
    floors_broken: float
    cost: float
    """Over the cost of the first policy; 1 is equal."""
    best: int
    """Scenarios in which it was best."""
    scenarios: int


def by_scenario(results: Iterable[RunResult]) -> tuple[ScenarioTable, ...]:
    """Tables in the order of the results."""
    grouped: dict[str, dict[str, list[RunResult]]] = {}
    for result in results:
        grouped.setdefault(result.scenario, {}).setdefault(result.policy, []).append(result)
    return tuple(
        ScenarioTable(
            scenario=scenario,
            seeds=tuple(dict.fromkeys(r.seed for runs in policies.values() for r in runs)),
            rows=_with_best([_row(policy, runs) for policy, runs in policies.items()]),
        )
        for scenario, policies in grouped.items()
    )


def totals(tables: Sequence[ScenarioTable]) -> tuple[Total, ...]:
    """One line for each policy."""
    policies = dict.fromkeys(row.policy for table in tables for row in table.rows)
    reference = next(iter(policies), "")
    prices = {t.scenario: next((r.cost for r in t.rows if r.policy == reference), 0.0) for t in tables}
    return tuple(
        _total(policy, [(t, r) for t in tables for r in t.rows if r.policy == policy], prices)
        for policy in policies
    )


def is_oracle(policy: str) -> bool:
    """True for a policy that sees the truth: a yardstick that competes with nobody."""
    return policy.startswith("oracle")


def share(value: float) -> str:
    """A share of requests as percent, with digits enough to tell good from better."""
    percent = 100.0 * value
    return f"{percent:.1f}%" if percent >= 10 else f"{percent:.2f}%" if percent >= 0.1 else f"{percent:.3f}%"


def count(value: float) -> str:
    """A count, or the mean of counts."""
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def _row(policy: str, runs: Sequence[RunResult]) -> Row:
    latencies = [dict(r.report.latency_ms) for r in runs]
    return Row(
        policy=policy,
        requests=fmean(r.report.requests for r in runs),
        failed=fmean(r.report.failed for r in runs),
        bad=fmean(r.report.bad_requests for r in runs),
        minutes=fmean(r.report.slo_minutes_lost for r in runs),
        p50=fmean(found["p50"] for found in latencies),
        p95=fmean(found["p95"] for found in latencies),
        p99=fmean(found["p99"] for found in latencies),
        writes=fmean(r.writes for r in runs),
        reversals=fmean(r.reversals for r in runs),
        wrong_way=fmean(r.wrong_way_moves for r in runs),
        spread=fmean(r.report.max_over_mean_utilization for r in runs),
        cost=fmean(r.report.cost for r in runs),
        floors_broken=fmean(r.floors_broken for r in runs),
    )


def _with_best(rows: Sequence[Row]) -> tuple[Row, ...]:
    honest = [row for row in rows if not is_oracle(row.policy)]
    least = min((row.bad for row in honest), default=0.0)
    return tuple(
        replace(row, best=not is_oracle(row.policy) and row.bad <= least * (1 + TIE) + row.requests * FEW)
        for row in rows
    )


def _total(policy: str, found: Sequence[tuple[ScenarioTable, Row]], prices: dict[str, float]) -> Total:
    rows = [row for _, row in found]
    price = sum(prices[table.scenario] for table, _ in found)
    return Total(
        policy=policy,
        bad_share=fmean(row.bad_share for row in rows),
        worst_share=max(row.bad_share for row in rows),
        minutes=sum(row.minutes for row in rows),
        writes=sum(row.writes for row in rows),
        reversals=sum(row.reversals for row in rows),
        wrong_way=sum(row.wrong_way for row in rows),
        floors_broken=sum(row.floors_broken for row in rows),
        cost=sum(row.cost for row in rows) / price if price > 0 else 1.0,
        best=sum(row.best for row in rows),
        scenarios=len(rows),
    )
