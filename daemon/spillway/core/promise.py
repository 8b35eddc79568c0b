"""Whether what users were promised is kept: the SLO, by what the judged minutes show."""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.facts import Facts
from spillway.core.policy import Policy, Slo
from spillway.core.reasons import reason
from spillway.core.result import Reason
from spillway.core.window import Window

BURN = 14.4
"""Failures over what the availability allows from which they are told: at that pace a month's budget is gone in two days (Google, The
Site Reliability Workbook, chapter 5, table 5-8). Fewer come and go with every deployment."""


def may_be_late(slo: Slo) -> float:
    """Share of the answers that may take longer than the SLO's latency."""
    return 1.0 - slo.percentile / 100.0


def may_fail(slo: Slo) -> float:
    """Share of the answers that may fail for some minutes before it is told."""
    return min(1.0, BURN * (1.0 - slo.availability))


def failing(facts: Sequence[Facts], slo: Slo) -> Reason | None:
    """What is said of the worst open region that does not keep the promise; None where all do that were seen."""
    worst: tuple[float, str, Window] | None = None
    for f in facts:
        window = f.window
        if not isinstance(window, Window) or not f.serving:
            continue
        breaks = window.slow > may_be_late(slo) or window.error_ratio > may_fail(slo)
        if breaks and (worst is None or window.bad > worst[0]):
            worst = window.bad, f.region, window
    if worst is None:
        return None
    _, region, window = worst
    return reason("no-relief", region=region, late=window.slow, failed=window.error_ratio)


def broken(facts: Sequence[Facts], policy: Policy) -> Reason | None:
    """The alarm that a service as a whole does not keep its promise; None where it does, or too little was seen to tell."""
    answers = late = failed = 0.0
    for f in facts:
        window = f.window
        if isinstance(window, Window):
            answers += window.answers
            failed += window.error_ratio * window.answers
            late += window.slow * (1.0 - window.error_ratio - window.too_many_ratio) * window.answers
    if answers < policy.evidence.min_requests:
        return None
    slo = policy.slo
    late, failed = late / answers, failed / answers
    if late <= may_be_late(slo) and failed <= may_fail(slo):
        return None
    return reason("slo-missed", late=late, latency=slo.latency, failed=failed)
