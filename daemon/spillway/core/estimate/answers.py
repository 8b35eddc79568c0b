"""Answers of a service by what users got: good, failed, refused or late; and what the SLO allows of it.

    failed      5xx, and answers without a class
    refused     429: quota or rate limit
    late        class-200 answers beyond the latency of the SLO, as the share of the latency samples of the same minute
    bad         all three together

What nobody answered (INVALID_BACKEND and its like) counts too, with its 5xx alone: refusals and redirects of the balancer
itself are what somebody has configured. A minute without latency samples has no late answers, and one that cannot be true by
its own parts counts nothing.

The burn rate is the share of answers of a kind over the share that the SLO allows (Google, The Site Reliability Workbook,
chapter 5): at 1 the error budget of a period lasts exactly that period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spillway.core.values.policy import Slo
from spillway.core.values.snapshot import Minute


class Answers(NamedTuple):
    """Answers, counted. Monitoring samples them: they are estimates and no whole numbers."""

    total: float = 0.0
    failed: float = 0.0
    refused: float = 0.0
    late: float = 0.0

    @property
    def bad(self) -> float:
        """Failed, refused and late ones."""
        return self.failed + self.refused + self.late

    def plus(self, more: Answers, factor: float = 1.0) -> Answers:
        """The sum of both, `more` taken `factor` times."""
        return Answers(
            self.total + factor * more.total,
            self.failed + factor * more.failed,
            self.refused + factor * more.refused,
            self.late + factor * more.late,
        )


NONE = Answers()


def summed(parts: Sequence[Answers]) -> Answers:
    """The sum of all."""
    return Answers(*map(sum, zip(*parts, strict=True))) if parts else NONE


def answers_of(minute: Minute, latency: float, *, by_backend: bool = True) -> Answers:
    """The answers of one minute.

    Args:
        minute: of one backend, or of what no backend answered.
        latency: of the SLO, in seconds.
        by_backend: False for what no backend answered.
    """
    if minute.contradiction is not None:
        return NONE
    if not by_backend:
        return Answers(minute.total, minute.server_error, 0.0, 0.0)
    spread = minute.latency
    late = minute.ok * spread.share_above(latency) if spread is not None else 0.0
    return Answers(minute.total, minute.server_error, minute.too_many, late)


class Shares(NamedTuple):
    """One number for each part of an SLO."""

    latency: float
    """Of late answers, or of those that are not."""
    availability: float
    """Of failed answers, or of those that are not."""
    good: float
    """Of bad answers of any kind, or of good ones."""


def targets(slo: Slo) -> Shares:
    """Shares of the answers that must be in time, not failed, and good in every way: the product of both."""
    in_time = slo.percentile / 100.0
    return Shares(latency=in_time, availability=slo.availability, good=in_time * slo.availability)


def burn(answers: Answers, slo: Slo) -> Shares | None:
    """Burn rates of the error budget; None where nothing was answered."""
    if answers.total <= 0.0:
        return None
    wanted = targets(slo)
    return Shares(
        latency=answers.late / answers.total / (1.0 - wanted.latency),
        availability=answers.failed / answers.total / (1.0 - wanted.availability),
        good=answers.bad / answers.total / (1.0 - wanted.good),
    )
