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
Row = tuple[tuple[float, Any], ...]


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
    """Points of each row that ended after `newest`; 0 where its rows do not all have as many."""


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
        self._ends: dict[tuple[int, float, tuple[float, ...]], tuple[int, tuple[float, ...]]] = {}
        """By the ends before, the lowest that stays and those that are added: how many go, and what is left."""

    def build(self, tally: Tally, before: Built | None) -> Built:
        """The minutes up to `newest`; those that `before` holds and whose rows say the same as then are taken over."""
        newest, with_latency = self._newest, self._with_latency
        if before is not None and before.with_latency == with_latency and newest >= before.newest:
            minute = self._one_more(tally, before)
            if minute is not None:
                lowest = tally.counts[0][-1][0]
                return self._grown(tally, before, lowest, before.early, ((minute.end,), (minute,)))
            lowest = min([points[-1][0] for points in tally.counts], default=0.0)
            fresh = _unseen(tally, before, newest, lowest)
            if fresh is not None:
                added = minutes_of(fresh, newest, with_latency=with_latency)
                return self._grown(tally, before, lowest, self._early(tally), added)
        ends, minutes = minutes_of(tally, newest, with_latency=with_latency)
        early = self._early(tally)
        return _built(tally, newest, with_latency, ends, minutes, *_weighed(minutes), early)

    def _one_more(self, tally: Tally, before: Built) -> Minute | None:
        """The minute by which all rows of `tally` go on where those of `before` ended, if that is all that they tell anew.

        That is what nearly every tick brings to nearly every backend, so no look is taken that is not needed: of all rows of
        `before` the first `early` points had ended too late to be built. `_unseen` sorts out all others.
        """
        then, early, newest = before.tally, before.early, self._newest
        first = tally.counts[0] if tally.counts else ()
        late, length = early + 1, len(first)
        if not early or length <= late or tally.kinds != then.kinds:
            return None
        end, lowest = first[early][0], first[-1][0]
        if not before.newest < end <= newest:
            return None
        rows, rows_then = self._rows(tally), self._rows(then)
        if len(rows) != len(rows_then):
            return None
        for points, earlier in zip(rows, rows_then, strict=True):
            if (
                len(points) != length
                or points[early][0] != end
                or points[early - 1][0] <= newest
                or points[-1][0] != lowest
                or points[late:] != earlier[early:-1]
            ):
                return None
        sums = [0.0, 0.0, 0.0, 0.0, 0.0]
        for kind, points in zip(tally.kinds, tally.counts, strict=True):
            count = points[early][1]
            if count < 0:
                return None
            sums[kind] += count
        return lone(end, sums, [spreads[early][1] for spreads in rows[len(tally.counts) :]])

    def _rows(self, tally: Tally) -> list[Row]:
        """All rows that minutes are made of."""
        return [*tally.counts, *tally.latencies] if self._with_latency else [*tally.counts]

    def _early(self, tally: Tally) -> int:
        """Points of each row that came too early to count; 0 where they differ in that."""
        rows = self._rows(tally)
        early = after(rows[0], self._newest) if rows else 0
        return early if all(after(row, self._newest, early) == early for row in rows) else 0

    def _grown(self, tally: Tally, before: Built, lowest: float, early: int, added: Made) -> Built:
        """What `before` holds from `lowest` on, and what was `added`."""
        new_ends, new = added
        # the pass before keeps `before.ends` alive, so that its identity stands for it as long as this pass lasts
        key = (id(before.ends), lowest, new_ends)
        found = self._ends.get(key)
        if found is None:
            start = bisect_left(before.ends, lowest)
            found = self._ends[key] = (start, before.ends[start:] + new_ends)
        start, ends = found
        more_gaps, more = _weighed(new)
        fewer_gaps, fewer = _weighed(before.minutes[:start])
        return _built(
            tally,
            self._newest,
            self._with_latency,
            ends,
            before.minutes[start:] + new,
            before.gaps + more_gaps - fewer_gaps,
            before.answers + more - fewer,
            early,
        )


def _weighed(minutes: tuple[Minute | None, ...]) -> tuple[int, float]:
    """(how many cannot be true, answers of the others)."""
    gaps, answers = 0, 0.0
    for minute in minutes:
        if minute is None:
            gaps += 1
        else:
            answers += minute.total
    return gaps, answers


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


def _unseen(tally: Tally, before: Built, newest: float, lowest: float) -> Tally | None:
    """The points between `before` and `newest`, or None if anything else differs but the oldest points' going."""
    old = before.tally
    if not tally.counts or tally.kinds != old.kinds:
        return None
    then, guess = before.newest, before.early
    counts: list[Points] = []
    for points, earlier in zip(tally.counts, old.counts, strict=True):
        known = _known(points, earlier, then, lowest, guess)
        if known < 0:
            return None
        counts.append(points[after(points, newest, guess) : known])
    if not before.with_latency:
        return Tally(tally.kinds, counts)
    if len(tally.latencies) != len(old.latencies):
        return None
    latencies: list[Spreads] = []
    for spreads, before_them in zip(tally.latencies, old.latencies, strict=True):
        known = _known(spreads, before_them, then, lowest, guess)
        if known < 0:
            return None
        latencies.append(spreads[after(spreads, newest, guess) : known])
    return Tally(tally.kinds, counts, latencies)


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
