"""The judged minutes of one backend: their sums, and whether they can be true."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

from spillway.core.values.histogram import Distribution, percentile_of
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import Absence, BackendView, Minute, Missing

JUMP = 8.0
"""Counts of neighbouring minutes that differ by more than this factor, with many samples, are not believed."""

MISMATCH = 0.5
"""Latency samples may differ from 2xx answers by this share: both are sampled estimates of the same answers."""

FEW = 30.0
"""Answers a minute under which chance alone explains large jumps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The newest trusted minutes of one backend, judged together. Rates in requests/s, times in seconds."""

    start: float
    end: float
    age: float
    answers: float
    rate: float
    newest: float
    """Requests/s of the newest minute."""
    before: float | None
    """Requests/s of the minute before that; None where one minute alone is judged."""
    peak: float
    """Requests/s of the busiest minute."""
    error_ratio: float
    newest_errors: float
    """5xx over all answers in the newest minute."""
    too_many_ratio: float
    slow: float
    """Share of 2xx answers beyond the SLO latency, the lesser of the last two minutes: one bad minute is noise."""
    mean: float | None
    percentile: float | None
    bad: float
    """Share of all answers that failed, were refused or were slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """No window, and why."""

    absence: Absence
    why: str
    age: float | None = None


class Judged(NamedTuple):
    """One minute by itself, for one SLO latency."""

    limit: float
    """The SLO latency in seconds."""
    flaw: str | None
    """Why this minute cannot be true, or None."""
    total: float
    """All answers."""
    samples: float
    """Latency samples; 0 where there is no distribution."""
    late: float
    """Share of them beyond `limit`."""


def judged(minute: Minute, limit: float) -> Judged:
    """The judgement of one minute; worked out once for each minute, as windows overlap and services share a policy."""
    known: Judged | None = getattr(minute, "judged", None)
    if known is None or known.limit != limit:
        spread, samples, late = minute.latency, 0.0, 0.0
        if spread is not None:
            samples, late = spread.count, spread.share_above(limit)
        known = Judged(limit, _flaw(minute, spread, samples), minute.total, samples, late)
        object.__setattr__(minute, "judged", known)
    return known


def _flaw(minute: Minute, spread: Distribution | None, samples: float) -> str | None:
    ok = minute.ok
    if not (
        0 <= ok < inf
        and 0 <= minute.client_error < inf
        and 0 <= minute.too_many < inf
        and 0 <= minute.server_error < inf
    ):
        return "a count is negative or no number"
    if spread is None or samples < FEW or ok < FEW:
        return None
    if abs(samples - ok) > MISMATCH * max(samples, ok):
        return f"{samples:.0f} latency samples for {ok:.0f} answers"
    if not 0 <= spread.mean < inf or not _mean_fits(spread, samples):
        return "the mean latency lies outside its own buckets"
    return None


def _mean_fits(spread: Distribution, count: float) -> bool:
    """Tell whether the mean can come from the buckets; the overflow bucket has no upper end."""
    lowest, highest = spread.edges()
    if spread.mean < lowest / count * 0.98 - 1e-6:
        return False
    return spread.counts[-1] > 0 or spread.mean <= highest / count * 1.02 + 1e-6


def judge(
    view: BackendView, evidence: Evidence, slo: Slo, period: float, newest_end: float
) -> Window | Blind:
    """The window of one backend, or why there is none.

    Args:
        view: What was observed of it.
        evidence: How much is judged together.
        slo: What counts as slow.
        period: Seconds of a sample.
        newest_end: End of the newest minute of the whole service: all its backends are judged over the same minutes,
            or traffic that has moved on would be counted twice.
    """
    traffic = view.traffic
    if isinstance(traffic, Missing):
        return Blind(absence=traffic.absence, why=traffic.detail or traffic.absence.value)
    if traffic.age > evidence.max_age:
        return Blind(absence=Absence.STALE, why=f"{traffic.age:.0f} s old", age=traffic.age)
    start = newest_end - evidence.minutes * period
    newest = later(traffic.value, start + 0.5 * period)
    if not newest:
        return Blind(
            absence=Absence.NO_SERIES,
            why="nothing in the judged minutes, unlike its neighbours",
            age=traffic.age,
        )
    return _sum_up(newest, traffic.age, slo, period)


def _jumps(totals: list[float], most: float) -> bool:
    """Tell garbage (far up and down) from a real step (monotonic) and from chance (few); `most` is the largest of them."""
    if most <= FEW * JUMP or min(totals) * JUMP >= most:
        return False
    rising = all(b >= a for a, b in pairwise(totals))
    falling = all(b <= a for a, b in pairwise(totals))
    return not (rising or falling)


def later(minutes: tuple[Minute, ...], start: float) -> tuple[Minute, ...]:
    """Those of `minutes`, oldest first, that ended after `start`."""
    first = len(minutes)
    while first and minutes[first - 1].end > start:
        first -= 1
    return minutes[first:]


def _sum_up(minutes: tuple[Minute, ...], age: float, slo: Slo, period: float) -> Window | Blind:
    answers = ok = errors = too_many = samples = slow = times = total = 0.0
    flaw: str | None = None
    totals: list[float] = []
    spreads: list[Distribution] = []
    lates: list[float] = []
    for minute in minutes:
        _, wrong, total, count, late = judged(minute, slo.latency)
        if wrong is not None:
            flaw = wrong
        totals.append(total)
        answers += total
        ok += minute.ok
        errors += minute.server_error
        too_many += minute.too_many
        spread = minute.latency
        if spread is not None and count > 0:
            samples += count
            slow += late * count
            times += spread.mean * count
            spreads.append(spread)
            lates.append(late)
    peak = max(totals)
    if flaw is None and _jumps(totals, peak):
        flaw = "counts jump about from minute to minute"
    if flaw is not None:
        return Blind(absence=Absence.GARBAGE, why=flaw, age=age)
    late = slow / samples if samples else 0.0
    seconds = period * len(minutes)
    newest = minutes[-1]
    return Window(
        start=minutes[0].end - period,
        end=newest.end,
        age=age,
        answers=answers,
        rate=answers / seconds,
        newest=total / period,
        before=totals[-2] / period if len(totals) > 1 else None,
        peak=peak / period,
        error_ratio=errors / answers if answers else 0.0,
        newest_errors=newest.server_error / total if total else 0.0,
        too_many_ratio=too_many / answers if answers else 0.0,
        slow=min(lates[-2:]) if lates else 0.0,
        mean=times / samples if samples else None,
        percentile=_percentile(spreads, slo.percentile),
        bad=(errors + too_many + late * ok) / answers if answers else 0.0,
    )


def _percentile(spreads: list[Distribution], percent: float) -> float | None:
    """The percentile of all together; where bounds differ, of those that are as the newest alone."""
    if not spreads:
        return None
    bounds = spreads[-1].bounds
    for spread in spreads:
        if spread.bounds is not bounds and spread.bounds != bounds:
            spreads = [spread for spread in spreads if spread.bounds == bounds]
            break
    return percentile_of(spreads, percent)
