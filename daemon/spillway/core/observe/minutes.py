"""What one backend answered, minute by minute, or why that is not known.

Nothing is invented. A minute without a point stays out. A minute that cannot be true is left out, and where one of the
newest cannot be true nothing is known of the backend: the others come from the same broken measurement. A minute cannot
be true if

    one of its counts is negative or no number, or all together are beyond `_ABSURD`;
    its latency distribution was refused (`rows.histogram`);
    latency samples and class-200 answers, sampled from the same requests, differ by more than the factor `_APART`
    and `_CHANCE` answers.

Reuse. Most minutes of a window are those of the pass before. `observed_minutes` takes over the minutes of the snapshot before
where all facts of them are what the rows say now, and makes all minutes of the backend anew where one is not. Measured for
2,000 backends: half of the time that it takes to make all of them anew. What a minute does not hold is not compared: answers that
moved between 2xx and 3xx with the same sum.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import add, attrgetter
from typing import NamedTuple, Protocol, TypeVar

from spillway.core.observe.rows import CountRow, LatencyRow, PlaceRow
from spillway.core.values.histogram import Distribution, merge
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import Absence, Minute, Missing, Seen

_ABSURD = 6e9
"""Answers a minute of one backend that nobody has: a hundred million a second."""
_APART = 2.0
"""Latency and request counts come from the same sampled requests; this far apart, one of them is wrong."""
_CHANCE = 20.0
"""Fewer answers than this prove nothing about the ratio."""

_SUCCESS, _OTHER_OK, _CLIENT, _TOO_MANY, _SERVER = range(5)

_KINDS = {
    **dict.fromkeys(range(100, 400), _OTHER_OK),
    **dict.fromkeys(range(200, 300), _SUCCESS),
    **dict.fromkeys(range(400, 500), _CLIENT),
    429: _TOO_MANY,
}
"""Which of the five counters a response code belongs to; a server error where it is none of these."""

_end = attrgetter("end")

Facts = tuple[float, float, float, float, float, Distribution | None]
"""All that a minute says, as `Minute.facts`."""

Traffic = Seen[tuple[Minute, ...]] | Missing
"""The trusted minutes of one backend, oldest first, or why there are none."""


def far_apart(one: float, other: float, factor: float) -> bool:
    """Tell if two counts of the same requests are more than `factor` apart, and so not both true."""
    return one > factor * other + _CHANCE or other > factor * one + _CHANCE


def possible(count: float) -> bool:
    """Tell if a count can be true: a number, not negative, and not beyond all traffic."""
    return 0.0 <= count <= _ABSURD


Value = TypeVar("Value")
Shown_co = TypeVar("Shown_co", covariant=True)


class Row(Protocol[Shown_co]):
    """A row of any kind, as two columns."""

    @property
    def ends(self) -> tuple[float, ...]:
        """UTC seconds."""

    @property
    def values(self) -> tuple[Shown_co, ...]:
        """As many as `ends`."""


class _Order(NamedTuple):
    """The minutes of one row that are trusted."""

    ends: tuple[float, ...]
    """Oldest first."""
    place: slice | None
    """Where their values are in the row, oldest first; None where the row is in no order of time."""


class TrustedEnds:
    """Which minutes of the rows of one answer are trusted. Nearly all rows have the same ends, which are sorted once.

    Args:
        newest: the latest end of a minute that is trusted, UTC seconds.
    """

    def __init__(self, newest: float) -> None:
        self.newest = newest
        self._orders: dict[tuple[float, ...], _Order] = {}
        """By the ends of a row."""

    def of(self, rows: Sequence[CountRow] | Sequence[PlaceRow]) -> tuple[float, ...]:
        """The trusted ends of all rows together, oldest first."""
        if not rows:
            return ()
        ends = rows[0].ends
        for row in rows:
            if row.ends != ends:
                return self._order(tuple(sorted(set().union(*[row.ends for row in rows])))).ends
        return self._order(ends).ends

    def column(self, row: Row[Value], ends: tuple[float, ...], blank: Value) -> tuple[Value, ...]:
        """The values of a row at `ends`, which `of` gave; `blank` where it has no point."""
        order = self._order(row.ends)
        if order.place is not None and order.ends == ends:
            return row.values[order.place]
        values = dict(zip(row.ends, row.values, strict=True))
        return tuple([values.get(end, blank) for end in ends])

    def _order(self, ends: tuple[float, ...]) -> _Order:
        """The trusted ones of these ends."""
        order = self._orders.get(ends)
        if order is None:
            rising = tuple(sorted(set(ends)))
            trusted = rising[: bisect_right(rising, self.newest)]
            late = len(rising) - len(trusted)
            place = None
            if ends == rising:
                place = slice(len(trusted))
            elif ends == rising[::-1]:
                place = slice(None, late - 1 if late else None, -1)
            order = self._orders[ends] = _Order(trusted, place)
        return order


@dataclass(slots=True)
class Tally:
    """All rows of one backend."""

    counts: list[CountRow] = field(default_factory=list)
    """Rows of several groups or pages add up."""
    latencies: list[LatencyRow] = field(default_factory=list)


def observed_minutes(
    tally: Tally | None, known: tuple[Minute, ...], trusted: TrustedEnds, at: float, evidence: Evidence
) -> Traffic:
    """The trusted minutes of one backend.

    Args:
        tally: its rows; None where there is none.
        known: its minutes in the snapshot before. One that says the same as the rows is taken over as it is.
        trusted: which minutes of the count rows are trusted.
        at: UTC seconds of the snapshot, from which ages count.
        evidence: what the policy trusts.
    """
    if tally is None or not tally.counts:
        return Missing(absence=Absence.NO_SERIES)
    ends = trusted.of(tally.counts)
    if not ends:
        return Missing(absence=Absence.NO_SERIES, detail="only minutes that may still be partial")
    age = at - ends[-1]
    if age > evidence.max_age:
        return Missing(
            absence=Absence.STALE,
            detail=f"the newest minute ended {age:.0f} s ago, over the {evidence.max_age:.0f} s that are trusted",
        )
    minutes = _minutes(tally, ends, known, trusted)
    judged = minutes[-max(1, evidence.minutes) :]
    garbled = sum([minute is None for minute in judged])
    if garbled:
        return Missing(
            absence=Absence.GARBAGE,
            detail=f"{garbled} of the newest {len(judged)} minutes hold counts or latencies that cannot be true",
        )
    sound = tuple([minute for minute in minutes if minute is not None])
    return Seen(value=sound, age=max(0.0, age), evidence=round(sum([minute.total for minute in sound])))


def _minutes(
    tally: Tally, ends: tuple[float, ...], known: tuple[Minute, ...], trusted: TrustedEnds
) -> list[Minute | None]:
    """The minutes at `ends`, None for each that cannot be true. A kind of answer without a point is 0."""
    # 1. One column for each kind of answer, and the ends of minutes with a value that cannot be true.
    impossible: set[float] = set()
    none = (0.0,) * len(ends)
    answers = [none] * 5
    for row in tally.counts:
        column = trusted.column(row, ends, 0.0)
        if not min(column) >= 0.0:
            impossible.update([end for end, count in zip(ends, column, strict=True) if count < 0.0])
        kind = _KINDS.get(row.code, _SERVER)
        others = answers[kind]
        # a sum is needed only where several rows are of one kind
        answers[kind] = column if others is none else tuple(map(add, others, column))
    for spreads in tally.latencies:
        if not all(spreads.values):
            impossible.update([end for end, spread in spreads.points if spread is None])
    success, other_ok, client, too_many, server = answers
    ok = success if other_ok is none else tuple(map(add, success, other_ok))
    latencies = _latencies(tally.latencies, ends, trusted)
    facts = list(zip(ends, ok, client, too_many, server, latencies, strict=True))
    # 2. A minute taken over was judged by the pass before, unless a row holds what cannot be true.
    kept = () if impossible else _kept(known, facts)
    # 3. All others are made.
    made: list[Minute | None] = list(kept)
    for i, fact in enumerate(facts[len(kept) :], len(kept)):
        minute = Minute(
            end=fact[0],
            ok=fact[1],
            client_error=fact[2],
            too_many=fact[3],
            server_error=fact[4],
            latency=fact[5],
        )
        made.append(None if minute.end in impossible or _is_false(minute, success[i]) else minute)
    return made


def _is_false(minute: Minute, success: float) -> bool:
    """Tell if a minute with so many class-200 answers cannot be true by its own numbers."""
    if not possible(minute.total):
        return True
    return minute.latency is not None and far_apart(minute.latency.count, success, _APART)


def _kept(known: tuple[Minute, ...], facts: list[Facts]) -> tuple[Minute, ...]:
    """The minutes of the pass before that are still in the window; none where one of them was corrected or came late.

    Args:
        known: the minutes of the pass before.
        facts: of the minutes of this pass, in order; there is one at least.
    """
    kept = known[bisect_left(known, facts[0][0], key=_end) :]
    return kept if [minute.facts for minute in kept] == facts[: len(kept)] else ()


def _latencies(
    rows: list[LatencyRow], ends: tuple[float, ...], trusted: TrustedEnds
) -> tuple[Distribution | None, ...]:
    """The distribution of each minute, merged where there are several rows; None where there is none."""
    if not rows:
        return (None,) * len(ends)
    columns = [trusted.column(row, ends, None) for row in rows]
    return columns[0] if len(columns) == 1 else tuple(map(_merged, *columns))


def _merged(*spreads: Distribution | None) -> Distribution | None:
    """All distributions of a minute as one. Where their bucket layouts differ its latency is not known: merging would be guessing."""
    parts = tuple([spread for spread in spreads if spread is not None])
    return merge(parts) if all(part.bounds == parts[0].bounds for part in parts) else None
