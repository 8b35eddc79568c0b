"""From rows to minutes: what one backend answered, minute by minute, or why that is not known.

Nothing is invented: a minute without a point stays out, one that cannot be true is left out, and where
one of the newest cannot be true nothing is said at all: the others come from the same broken measurement.

What one pass made of the rows of a backend, for the next one to go on from: fourteen of fifteen minutes do not change.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spillway.core.values.histogram import Distribution, merge
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import Absence, Minute, Missing, Seen

_ABSURD = 6e9
"""Answers a minute of one backend that nobody has: a hundred million a second."""
_WILD = 2.0
"""Latency and request counts come from the same sampled requests; this far apart, one of them is wrong."""
_WILD_FLOOR = 20.0
"""Fewer answers than this prove nothing about the ratio."""

_SUCCESS, _OTHER_OK, _CLIENT, _TOO_MANY, _SERVER = range(5)

Points = tuple[tuple[float, float], ...]
Spreads = tuple[tuple[float, Distribution | None], ...]
P = TypeVar("P", bound=tuple[float, Any])


_KINDS = {
    **dict.fromkeys(range(100, 400), _OTHER_OK),
    **dict.fromkeys(range(200, 300), _SUCCESS),
    **dict.fromkeys(range(400, 500), _CLIENT),
    429: _TOO_MANY,
}
"""Which of the five counters a response code belongs to; a server error where it is none of these."""


@dataclass(slots=True)
class Tally:
    """All rows of one backend, while they are collected; points newest first, as Cloud Monitoring sends them."""

    kinds: list[int] = field(default_factory=list)
    """Which kind of answer each row of `counts` counts."""
    counts: list[Points] = field(default_factory=list)
    """Rows of several groups or pages add up."""
    latencies: list[Spreads] = field(default_factory=list)

    def add(self, code: int, points: Points) -> None:
        """Take the row of one response code."""
        if points:
            if points[0][0] < points[-1][0]:
                points = points[::-1]
            self.kinds.append(_KINDS.get(code, _SERVER))
            self.counts.append(points)

    def add_latencies(self, points: Spreads) -> None:
        """Take a row of latencies."""
        if points:
            if points[0][0] < points[-1][0]:
                points = points[::-1]
            self.latencies.append(points)


def wild(one: float, other: float, factor: float = _WILD) -> bool:
    """Tell if two counts of the same requests are more than `factor` apart, and so not both true."""
    return one > factor * other + _WILD_FLOOR or other > factor * one + _WILD_FLOOR


def absurd(value: float) -> bool:
    """Tell if a count cannot be true: negative, not a number, or beyond all traffic."""
    return not 0.0 <= value <= _ABSURD


def newest_first(points: tuple[P, ...]) -> tuple[P, ...]:
    """Points in the order of Cloud Monitoring, whichever way round they came; there is one at least."""
    return points[::-1] if points[0][0] < points[-1][0] else points


def _latencies(rows: list[Spreads], impossible: set[float]) -> dict[float, Distribution | None]:
    """The merged distribution of each minute; minutes with one that cannot be true join `impossible`.

    Where the layouts differ the latency of that minute is not known: merging would be guessing.
    """
    if len(rows) == 1:
        only = dict(rows[0])
        if None not in only.values():
            return only  # the usual case, and the only one that thousands of backends can afford
    gathered: dict[float, list[Distribution]] = {}
    for row in rows:
        for end, part in dict(row).items():
            if part is None:
                impossible.add(end)
            else:
                gathered.setdefault(end, []).append(part)
    merged: dict[float, Distribution | None] = {}
    for end, parts in gathered.items():
        bounds = parts[0].bounds
        if len(parts) == 1:
            merged[end] = parts[0]
        elif all(p.bounds is bounds or p.bounds == bounds for p in parts):
            whole = merge(tuple(parts))
            if whole is not None:
                merged[end] = whole
    return merged


def _sums(tally: Tally, impossible: set[float]) -> list[dict[float, float]]:
    """Answers by kind and end of the minute; ends with a count that cannot be true join `impossible`."""
    sums: list[dict[float, float]] = [{}, {}, {}, {}, {}]
    for kind, points in zip(tally.kinds, tally.counts, strict=True):
        row = dict(points)
        if row and min(row.values()) < 0:
            impossible.update(end for end, value in points if value < 0)
        known = sums[kind]
        if known:
            for end, value in row.items():
                known[end] = known.get(end, 0.0) + value
        else:
            sums[kind] = row
    return sums


Made = tuple[tuple[float, ...], tuple[Minute | None, ...]]
"""Ends oldest first, and the minutes at them."""


def minutes_of(tally: Tally, newest: float, *, with_latency: bool) -> Made:
    """The minutes up to `newest`, None for each that cannot be true; what is not reported while others are is 0."""
    ends = tuple(sorted({end for points in tally.counts for end, _ in points if end <= newest}))
    spreads = tally.latencies if with_latency else []
    impossible: set[float] = set()
    success, other, client, too_many, server = (row.get for row in _sums(tally, impossible))
    latency = _latencies(spreads, impossible).get
    made = [
        None
        if end in impossible
        else _minute(
            end,
            success(end, 0.0),
            other(end, 0.0),
            client(end, 0.0),
            too_many(end, 0.0),
            server(end, 0.0),
            latency(end),
        )
        for end in ends
    ]
    return ends, tuple(made)


def lone(end: float, sums: list[float], spreads: list[Distribution | None]) -> Minute | None:
    """The minute at `end`, or None where it cannot be true. What `minutes_of` does for many.

    Args:
        end: UTC seconds.
        sums: answers of each kind, of counts none of which is negative.
        spreads: the latencies of each row.
    """
    if not all(spreads):
        return None
    latency = spreads[0] if len(spreads) == 1 else None
    if len(spreads) > 1:
        latency = _latencies([((end, spread),) for spread in spreads], set()).get(end)
    success, other, client, too_many, server = sums
    return _minute(end, success, other, client, too_many, server, latency)


def _minute(
    end: float,
    success: float,
    other: float,
    client: float,
    too_many: float,
    server: float,
    latency: Distribution | None,
) -> Minute | None:
    """One minute, or None where its counts cannot be true together."""
    ok = success + other
    if not 0.0 <= ok + client + too_many + server <= _ABSURD:
        return None
    if latency is not None and wild(latency.count, success):
        return None
    return Minute(
        end=end, ok=ok, client_error=client, too_many=too_many, server_error=server, latency=latency
    )


Q = TypeVar("Q", bound=tuple[float, Any])
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
        return Built(tally, newest, with_latency, ends, minutes, *_weighed(minutes), early)

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
        return Built(
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


def _known(points: tuple[Q, ...], earlier: tuple[Q, ...], then: float, lowest: float, guess: int) -> int:
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
    return Seen(value=sound, age=max(0.0, age), evidence=round(built.answers))
