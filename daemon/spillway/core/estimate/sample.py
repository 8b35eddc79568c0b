"""The judged minutes of one backend: their sums, and whether they can be true."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from spillway.core.values.histogram import Distribution, percentile_of
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import FEW, Absence, BackendView, Minute, Missing

JUMP = 8.0
"""Counts of neighbouring minutes that differ by more than this factor, with many samples, are not believed."""

FEW_REFUSED = 0.02
"""Share of 429 answers up to which they are single clients' own doing: no quota, and nothing that keeps a region from its return."""


class Window(NamedTuple):
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
    """The window of these minutes, or why they cannot be true."""
    answers = ok = errors = too_many = samples = slow = times = 0.0
    flaw: str | None = None
    totals: list[float] = []
    spreads: list[Distribution] = []
    lates: list[float] = []
    # 1. Sums of the counts, and of the latencies weighed by their samples.
    for minute in minutes:
        flaw = minute.contradiction or flaw
        total, spread = minute.total, minute.latency
        totals.append(total)
        answers += total
        ok += minute.ok
        errors += minute.server_error
        too_many += minute.too_many
        count = 0.0 if spread is None else spread.count
        if spread is not None and count > 0:
            late = spread.share_above(slo.latency)
            samples += count
            slow += late * count
            times += spread.mean * count
            spreads.append(spread)
            lates.append(late)
    # 2. One minute that cannot be true spoils the window, and so do minutes that contradict each other.
    peak = max(totals)
    if flaw is None and _jumps(totals, peak):
        flaw = "counts jump about from minute to minute"
    if flaw is not None:
        return Blind(absence=Absence.GARBAGE, why=flaw, age=age)
    # 3. Rates and shares of all minutes together; the newest minute also by itself.
    late = slow / samples if samples else 0.0
    seconds = period * len(minutes)
    newest, total = minutes[-1], totals[-1]
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
