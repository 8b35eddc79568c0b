"""Whether users get what the SLO promises, by the judged minutes: of one region, and of a service as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import alarm, reason
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Reason
from spillway.core.values.policy import Policy, Slo
from spillway.core.values.topology import ServiceName

BURN_RATE = 14.4
"""Burn rate of the error budget from which failures are told: at this rate the budget of a month is gone in two days (Google, The Site
Reliability Workbook, chapter 5, table 5-8). Lower rates come and go with every deployment."""


def may_be_late(slo: Slo) -> float:
    """Share of the answers that may take longer than the SLO's latency."""
    return 1.0 - slo.percentile / 100.0


def may_fail(slo: Slo) -> float:
    """Share of the answers that may fail in the judged minutes before it is told."""
    return min(1.0, BURN_RATE * (1.0 - slo.availability))


def failing(beliefs: Sequence[BackendBelief], slo: Slo) -> Reason | None:
    """The reason for the worst open region that misses the SLO; None where no region that was seen misses it."""
    worst: tuple[float, str, Window] | None = None
    for f in beliefs:
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


def broken(service: ServiceName, beliefs: Sequence[BackendBelief], policy: Policy) -> Alarm | None:
    """The alarm that a service as a whole misses the SLO; None where it keeps it, or where too few answers were seen."""
    answers = late = failed = 0.0
    for f in beliefs:
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
    return alarm("slo-missed", service=service, late=late, latency=slo.latency, failed=failed)
