"""The judged minutes of one backend: their sums, and whether they can be true."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from operator import mul

from spillway.core.distribution import Distribution
from spillway.core.policy import Evidence, Slo
from spillway.core.snapshot import Absence, BackendView, Minute, Missing

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
    ok_rate: float
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
    rates: tuple[tuple[float, float], ...] = ()
    """(end, requests/s) of each judged minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """No window, and why."""

    absence: Absence
    why: str
    age: float | None = None


def flaw(minute: Minute) -> str | None:
    """Why this minute cannot be true, or None."""
    counts = (minute.ok, minute.client_error, minute.too_many, minute.server_error)
    if any(c < 0 or not isfinite(c) for c in counts):
        return "a count is negative or no number"
    spread = minute.latency
    if spread is None or spread.count < FEW or minute.ok < FEW:
        return None
    if abs(spread.count - minute.ok) > MISMATCH * max(spread.count, minute.ok):
        return f"{spread.count:.0f} latency samples for {minute.ok:.0f} answers"
    if not isfinite(spread.mean) or spread.mean < 0 or not _mean_fits(spread):
        return "the mean latency lies outside its own buckets"
    return None


def _mean_fits(spread: Distribution) -> bool:
    """Tell whether the mean can come from the buckets; the overflow bucket has no upper end."""
    counts, bounds = spread.counts, spread.bounds
    count = sum(counts)
    lowest: float = sum(map(mul, bounds, counts[1:])) / count
    if spread.mean < lowest * 0.98 - 1e-6:
        return False
    if counts[-1] > 0:
        return True
    highest: float = sum(map(mul, bounds, counts)) / count
    return spread.mean <= highest * 1.02 + 1e-6


def trusted(minutes: tuple[Minute, ...]) -> tuple[tuple[Minute, ...], str | None]:
    """The believable minutes, and why others were not believed."""
    why = None
    good = []
    for minute in minutes:
        found = flaw(minute)
        if found:
            why = found
        else:
            good.append(minute)
    return tuple(good), why


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
    newest = tuple(m for m in traffic.value if m.end > start + 0.5 * period)
    if not newest:
        return Blind(
            absence=Absence.NO_SERIES,
            why="nothing in the judged minutes, unlike its neighbours",
            age=traffic.age,
        )
    good, why = trusted(newest)
    if why is not None and len(good) < len(newest):
        return Blind(absence=Absence.GARBAGE, why=why, age=traffic.age)
    if not good:
        return Blind(absence=Absence.NO_SERIES, why="no minute in the window", age=traffic.age)
    totals = [m.total for m in good]
    if min(totals) * JUMP < max(totals) and max(totals) > FEW * JUMP and _jumps_about(totals):
        return Blind(absence=Absence.GARBAGE, why="counts jump about from minute to minute", age=traffic.age)
    return _sum_up(good, traffic.age, slo, period)


def _jumps_about(totals: list[float]) -> bool:
    """Tell a real step (monotonic) from garbage (up and down)."""
    rising = all(b >= a for a, b in pairwise(totals))
    falling = all(b <= a for a, b in pairwise(totals))
    return not (rising or falling)


def _sum_up(good: tuple[Minute, ...], age: float, slo: Slo, period: float) -> Window:
    answers = sum(m.total for m in good)
    ok = sum(m.ok for m in good)
    errors = sum(m.server_error for m in good)
    too_many = sum(m.too_many for m in good)
    spreads = [m.latency for m in good if m.latency is not None and m.latency.count > 0]
    samples = sum(s.count for s in spreads)
    shares = [s.share_above(slo.latency) for s in spreads[-2:]]
    late = sum(s.share_above(slo.latency) * s.count for s in spreads) / samples if samples else 0.0
    seconds = period * len(good)
    return Window(
        start=good[0].end - period,
        end=good[-1].end,
        age=age,
        answers=answers,
        rate=answers / seconds,
        ok_rate=ok / seconds,
        error_ratio=errors / answers if answers else 0.0,
        newest_errors=good[-1].server_error / good[-1].total if good[-1].total else 0.0,
        too_many_ratio=too_many / answers if answers else 0.0,
        slow=min(shares) if shares else 0.0,
        mean=sum(s.mean * s.count for s in spreads) / samples if samples else None,
        percentile=_percentile(spreads, slo.percentile),
        bad=(errors + too_many + late * ok) / answers if answers else 0.0,
        rates=tuple((m.end, m.total / period) for m in good),
    )


def _percentile(spreads: list[Distribution], percent: float) -> float | None:
    """The percentile of the merged distributions; where bounds differ, of the newest alone."""
    if not spreads:
        return None
    bounds = spreads[-1].bounds
    same = [s for s in spreads if s.bounds == bounds]
    counts = tuple(map(sum, zip(*(s.counts for s in same), strict=True)))
    return Distribution(bounds=bounds, counts=counts, mean=0.0).percentile(percent)
