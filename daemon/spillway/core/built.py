"""What one pass made of the rows of a backend, for the next one to go on from: fourteen of fifteen minutes do not change."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, TypeVar

from spillway.core.maker import maker
from spillway.core.minutes import Made, Points, Spreads, Tally, lone, minutes_of
from spillway.core.policy import Evidence
from spillway.core.snapshot import Absence, Minute, Missing, Seen

P = TypeVar("P", bound=tuple[float, Any])


@dataclass(slots=True)
class Built:
    """The minutes of one backend and the rows they were made of, for the next pass to go on from; not changed once made."""

    tally: Tally
    newest: float
    """Ends after this one were left out."""
    with_latency: bool
    ends: tuple[float, ...]
    """Oldest first; one object for all backends that have the same, so that none of them costs a look at fifteen numbers."""
    minutes: tuple[Minute | None, ...]
    """At `ends`; None for each that cannot be true."""
    gaps: int
    """How many of them are None."""
    answers: float
    """Of all minutes together. A whole number, and so exact however often minutes came and went."""
    early: int
    """Points of the first row that ended after `newest`; most likely as many as of the others."""


_built, _seen = maker(Built), maker(Seen)


class Builder:
    """Builds the minutes of all backends in one pass.

    Args:
        newest: the end of the newest minute to be trusted.
        with_latency: False where the latencies of this pass cannot be trusted.
    """

    def __init__(self, newest: float, *, with_latency: bool) -> None:
        self._newest = newest
        self._with_latency = with_latency
        self._ends: dict[tuple[int, int, float], tuple[float, ...]] = {}

    def build(self, tally: Tally, before: Built | None) -> Built:
        """The minutes up to `newest`; those that `before` holds and whose rows say the same as then are taken over."""
        counts, newest, with_latency = tally.counts, self._newest, self._with_latency
        early = after(counts[0][1], newest, before.early if before is not None else 0) if counts else 0
        if before is not None and before.with_latency == with_latency and newest >= before.newest:
            lowest = min([points[-1][0] for _, points in counts]) if counts else 0.0
            if early == before.early and _one_more(tally, before, newest, lowest):
                end = counts[0][1][early][0]
                minute = lone(
                    end,
                    [(kind, points[early][1]) for kind, points in counts],
                    [points[early][1] for points in tally.latencies] if with_latency else [],
                )
                return self._grown(tally, before, lowest, early, ((end,), (minute,)))
            fresh = _unseen(tally, before, newest, lowest, early)
            if fresh is not None:
                added = minutes_of(fresh, newest, with_latency=with_latency)
                return self._grown(tally, before, lowest, early, added)
        ends, minutes = minutes_of(tally, newest, with_latency=with_latency)
        return _built(tally, newest, with_latency, ends, minutes, *_weighed(minutes), early)

    def _grown(self, tally: Tally, before: Built, lowest: float, early: int, added: Made) -> Built:
        """What `before` holds from `lowest` on, and what was `added`."""
        start = bisect_left(before.ends, lowest)
        ends, minutes = added
        more_gaps, more = _weighed(minutes)
        fewer_gaps, fewer = _weighed(before.minutes[:start])
        return _built(
            tally,
            self._newest,
            self._with_latency,
            self._ends_after(before.ends, start, ends),
            before.minutes[start:] + minutes,
            before.gaps + more_gaps - fewer_gaps,
            before.answers + more - fewer,
            early,
        )

    def _ends_after(
        self, before: tuple[float, ...], start: int, added: tuple[float, ...]
    ) -> tuple[float, ...]:
        """`before` from `start` on and what was `added`: worked out once for all backends with the same minutes."""
        if len(added) != 1:
            return before[start:] + added
        key = (
            id(before),
            start,
            added[0],
        )  # `before` is kept alive by the pass before, for as long as this one lasts
        found = self._ends.get(key)
        if found is None:
            found = self._ends[key] = before[start:] + added
        return found


def _weighed(minutes: tuple[Minute | None, ...]) -> tuple[int, float]:
    """(how many cannot be true, answers of the others)."""
    gaps, answers = 0, 0.0
    for minute in minutes:
        if minute is None:
            gaps += 1
        else:
            answers += minute.total
    return gaps, answers


def _one_more(tally: Tally, before: Built, newest: float, lowest: float) -> bool:
    """Tell if every row has exactly one minute more that counts, the same one, and nothing else has changed.

    That is what nearly every tick brings to nearly every backend; `_unseen` sorts out all others.
    """
    now, then, early = tally.counts, before.tally.counts, before.early
    late = early + 1
    if not early or len(now) != len(then) or len(now[0][1]) <= late:
        return False
    end = now[0][1][early][0]
    if not before.newest < end <= newest:
        return False
    for (kind, points), (was, earlier) in zip(now, then, strict=True):
        if kind != was or not _shifted(points, earlier, early, end, before.newest, newest, lowest):
            return False
    if not before.with_latency:
        return True
    spreads, spreads_then = tally.latencies, before.tally.latencies
    if len(spreads) != len(spreads_then):
        return False
    for some, earlier_ones in zip(spreads, spreads_then, strict=True):
        if not _shifted(some, earlier_ones, early, end, before.newest, newest, lowest):
            return False
    return True


def _shifted(
    points: tuple[P, ...],
    earlier: tuple[P, ...],
    early: int,
    end: float,
    then: float,
    newest: float,
    lowest: float,
) -> bool:
    """Tell if `points` are those of `earlier` after one at `end`, which is the only one of them between `then` and `newest`."""
    return (
        len(points) > early + 1
        and points[early][0] == end
        and points[early - 1][0] > newest
        and points[early + 1][0] <= then < earlier[early - 1][0]
        and earlier[-1][0] < lowest
        and points[early + 1 :] == earlier[early:-1]
    )


def after(points: tuple[tuple[float, Any], ...], limit: float, guess: int = 0) -> int:
    """How many of `points`, newest first, ended after `limit`; quick where `guess` is right."""
    if 0 < guess < len(points) and points[guess][0] <= limit < points[guess - 1][0]:
        return guess
    count = 0
    for end, _ in points:
        if end <= limit:
            break
        count += 1
    return count


def _unseen(tally: Tally, before: Built, newest: float, lowest: float, early: int) -> Tally | None:
    """The points between `before` and `newest`, or None if anything else differs but the oldest points' going."""
    old = before.tally
    if not tally.counts or len(tally.counts) != len(old.counts):
        return None
    then, guess = before.newest, before.early
    counts: list[tuple[int, Points]] = []
    for (kind, points), (was, earlier) in zip(tally.counts, old.counts, strict=True):
        known = _known(points, earlier, then, lowest, guess)
        if kind != was or known < 0:
            return None
        counts.append((kind, points[after(points, newest, early) : known]))
    if not before.with_latency:
        return Tally(counts, [])
    if len(tally.latencies) != len(old.latencies):
        return None
    latencies: list[Spreads] = []
    for spreads, before_them in zip(tally.latencies, old.latencies, strict=True):
        known = _known(spreads, before_them, then, lowest, guess)
        if known < 0:
            return None
        latencies.append(spreads[after(spreads, newest, early) : known])
    return Tally(counts, latencies)


def _known(points: tuple[P, ...], earlier: tuple[P, ...], then: float, lowest: float, guess: int) -> int:
    """From where on `points` were known at `then`; -1 if they differ from `earlier` in more than that its oldest are gone."""
    first, last = after(earlier, then, guess), len(earlier)
    while last > first and earlier[last - 1][0] < lowest:
        last -= 1
    begin = after(points, then, guess + 1)
    return begin if points[begin:] == earlier[first:last] else -1


def seen_minutes(built: Built | None, *, at: float, evidence: Evidence) -> Seen[tuple[Minute, ...]] | Missing:
    """The trustworthy minutes of one backend, oldest first.

    Args:
        built: its minutes; None where there is no row.
        at: UTC seconds of the snapshot, from which ages count.
        evidence: what the policy trusts.
    """
    if built is None or not built.tally.counts:
        return Missing(absence=Absence.NO_SERIES)
    if not built.ends:
        return Missing(absence=Absence.NO_SERIES, detail="only minutes that may still be partial")
    age = at - built.ends[-1]
    if age > evidence.max_age:
        return Missing(
            absence=Absence.STALE,
            detail=f"the newest minute ended {age:.0f} s ago, over the {evidence.max_age:.0f} s that are trusted",
        )
    sound: Any = built.minutes
    if built.gaps:
        judged = sound[-max(1, evidence.minutes) :]
        garbled = judged.count(None)
        if garbled:
            return Missing(
                absence=Absence.GARBAGE,
                detail=f"{garbled} of the newest {len(judged)} minutes hold counts or latencies that cannot be true",
            )
        sound = tuple([minute for minute in sound if minute is not None])
    return _seen(value=sound, age=max(0.0, age), evidence=round(built.answers))
