"""What one backend answered, minute by minute, or why that is not known.

Nothing is invented. A minute without a point stays out. A minute that cannot be true is left out, and where one of the
newest cannot be true nothing is known of the backend: the others come from the same broken measurement. A minute cannot
be true if

    one of its counts is negative or no number, or all together are beyond `_ABSURD`;
    its latency distribution was refused (`rows.histogram`);
    latency samples and class-200 answers, sampled from the same requests, differ by more than `SAMPLES_APART_FACTOR`
    and `_CHANCE` answers.

Reuse. Most minutes of a window are those of the pass before. `observed_minutes` takes over the minutes of the snapshot before
where their columns are what the rows say now, and makes all minutes of the backend anew where a number differs. What a minute does
not hold is not compared: answers that moved between 2xx and 3xx with the same sum.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple, Protocol, TypeVar

from spillway.core.observe.rows import CountRow, LatencyRow, PlaceRow
from spillway.core.values.decision import span
from spillway.core.values.histogram import Distribution, merge
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import SAMPLES_APART_FACTOR, Absence, Minute, MinuteColumns, Missing, Seen

_ABSURD = 6e9
"""Answers a minute of one backend that nobody has: a hundred million a second."""
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
        self._last: tuple[tuple[float, ...], _Order] = ((), _Order((), slice(0)))
        """The ends of the row that was looked at last, and their order: most rows have the same."""

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
        if ends == self._last[0]:
            return self._last[1]
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
        self._last = ends, order
        return order


@dataclass(slots=True)
class Tally:
    """All rows of one backend."""

    counts: list[CountRow] = field(default_factory=list)
    """Rows of several groups or pages add up."""
    latencies: list[LatencyRow] = field(default_factory=list)


class Known(NamedTuple):
    """What the pass before saw of one backend."""

    minutes: tuple[Minute, ...]
    columns: MinuteColumns
    """Of the same minutes."""


def observed_minutes(
    tally: Tally | None, known: Known | None, trusted: TrustedEnds, at: float, evidence: Evidence
) -> tuple[Traffic, MinuteColumns | None]:
    """The trusted minutes of one backend, and their columns where none of them was left out.

    Args:
        tally: its rows; None where there is none.
        known: what the pass before saw of it, if it is known. A minute of it that says the same as the rows is taken over.
        trusted: which minutes of the count rows are trusted.
        at: UTC seconds of the snapshot, from which ages count.
        evidence: what the policy trusts.
    """
    if tally is None or not tally.counts:
        return Missing(absence=Absence.NO_SERIES), None
    ends = trusted.of(tally.counts)
    if not ends:
        return Missing(absence=Absence.NO_SERIES, detail="only minutes that may still be partial"), None
    age = at - ends[-1]
    if age > evidence.max_age:
        detail = (
            f"the newest minute ended {span(age)} ago, over the {span(evidence.max_age)} that are trusted"
        )
        return Missing(absence=Absence.STALE, detail=detail), None
    # 1. One column for each field, and the ends of minutes with a value that cannot be true.
    columns, success, impossible = _columns(tally, ends, trusted)
    # 2. A minute taken over was judged by the pass before, unless a row holds what cannot be true.
    kept = () if impossible or known is None else _kept(known, columns)
    # 3. All others are made.
    minutes: list[Minute | None] = [*kept]
    left_out = False
    for i in range(len(kept), len(ends)):
        minute = Minute(
            end=ends[i],
            ok=columns.ok[i],
            client_error=columns.client_error[i],
            too_many=columns.too_many[i],
            server_error=columns.server_error[i],
            latency=columns.latency[i],
        )
        false = ends[i] in impossible or _is_false(minute, success[i])
        minutes.append(None if false else minute)
        left_out = left_out or false
    # 4. One of the newest that cannot be true spoils all; an older one is left out.
    if left_out:
        judged = minutes[-max(1, evidence.minutes) :]
        garbled = sum([minute is None for minute in judged])
        if garbled:
            detail = (
                f"{garbled} of the newest {len(judged)} minutes hold counts or latencies that cannot be true"
            )
            return Missing(absence=Absence.GARBAGE, detail=detail), None
    sound = tuple([minute for minute in minutes if minute is not None])
    answers = sum([minute.total for minute in sound]) if left_out else _answers(columns)
    seen = Seen(value=sound, age=max(0.0, age), evidence=round(answers))
    return seen, None if left_out else columns


def _columns(
    tally: Tally, ends: tuple[float, ...], trusted: TrustedEnds
) -> tuple[MinuteColumns, tuple[float, ...], set[float]]:
    """The columns at `ends`, the class-200 answers among `ok`, and the ends of minutes with a value that cannot be true.

    A kind of answer without a point is 0.
    """
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
    return MinuteColumns(ends, ok, client, too_many, server, latencies), success, impossible


def _answers(columns: MinuteColumns) -> float:
    """All answers of all minutes, as the sum of `Minute.total`."""
    ok, client = columns.ok, columns.client_error
    totals: Iterable[float] = map(add, map(add, map(add, ok, client), columns.too_many), columns.server_error)
    return sum(totals)


def _is_false(minute: Minute, success: float) -> bool:
    """Tell if a minute with so many class-200 answers cannot be true by its own numbers."""
    if not possible(minute.total):
        return True
    return minute.latency is not None and far_apart(minute.latency.count, success, SAMPLES_APART_FACTOR)


def _kept(known: Known, columns: MinuteColumns) -> tuple[Minute, ...]:
    """The minutes of the pass before that are still in the window; none where one of them was corrected or came late.

    Args:
        known: of the pass before.
        columns: of this pass; there is one minute at least.
    """
    first = bisect_left(known.columns.end, columns.end[0])
    count = len(known.columns.end) - first
    for now, before in zip(columns, known.columns, strict=True):
        if now[:count] != before[first:]:
            return ()
    return known.minutes[first:]


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
