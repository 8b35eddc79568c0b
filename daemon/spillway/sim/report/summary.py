"""The top of the page: who did how well, over all scenarios and in each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from spillway.sim.backtest.table import ScenarioTable, Total, count, is_oracle, share


def lead(found: Sequence[Total]) -> str:
    """The result in one sentence."""
    honest = [total for total in found if not is_oracle(total.policy)]
    if len(honest) < 2:
        only = (honest or list(found))[0]
        return f"<b>{escape(only.policy)}</b>: {share(only.bad_share)} of requests were bad, and the SLO was broken in {count(only.minutes)} minutes."
    first, second = sorted(honest, key=lambda total: total.bad_share)[:2]
    if second.bad_share <= first.bad_share * 1.02 + 1e-5:
        return f"{escape(first.policy)} and {escape(second.policy)} come out alike: {share(first.bad_share)} of requests were bad."
    return (
        f"<b>{escape(first.policy)}</b> did best: {share(first.bad_share)} of requests were bad, against "
        f"{share(second.bad_share)} with {escape(second.policy)}, the next best."
    )


def totals_table(found: Sequence[Total]) -> str:
    """Policies as rows."""
    head = "".join(
        f"<th>{name}</th>"
        for name in (
            *("policy", "bad requests", "worst scenario", "SLO minutes lost", "best in"),
            *("writes", "reversals", "wrong-way moves", "floors broken", "cost"),
        )
    )
    least = min((t.bad_share for t in found if not is_oracle(t.policy)), default=0.0)
    rows = []
    for i, total in enumerate(found):
        best = (
            ' class="best"' if not is_oracle(total.policy) and total.bad_share <= least * 1.02 + 1e-5 else ""
        )
        cells = (
            f"<td{best}>{share(total.bad_share)}</td><td>{share(total.worst_share)}</td><td>{count(total.minutes)}</td>"
            f"<td>{total.best} of {total.scenarios}</td><td>{count(total.writes)}</td><td>{count(total.reversals)}</td>"
            f"<td>{count(total.wrong_way)}</td><td>{count(total.floors_broken)}</td><td>{total.cost:.3f}</td>"
        )
        rows.append(f"<tr><td>{dot(i)}{escape(total.policy)}</td>{cells}</tr>")
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def matrix(tables: Sequence[ScenarioTable], policies: Sequence[str], links: Sequence[str]) -> str:
    """Scenarios as rows, policies as columns: share of bad requests."""
    head = "".join(f"<th>{dot(i)}{escape(policy)}</th>" for i, policy in enumerate(policies))
    rows = []
    for table, link in zip(tables, links, strict=True):
        by_policy = {row.policy: row for row in table.rows}
        cells = "".join(
            f'<td class="{"best" if row.best else ""}">{share(row.bad_share)}</td>'
            for row in (by_policy[policy] for policy in policies)
        )
        rows.append(f'<tr><td><a href="#{link}">{escape(table.scenario)}</a></td>{cells}</tr>')
    return f'<div class="wide"><table><thead><tr><th>scenario</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def dot(policy: int) -> str:
    """The colour of a policy."""
    return f'<span class="dot c{policy % 8}"></span>'
