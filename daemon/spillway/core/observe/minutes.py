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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import add, attrgetter

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
_FACTS = tuple(map(attrgetter, ("ok", "client_error", "too_many", "server_error", "latency")))
"""All that a minute says."""

Traffic = Seen[tuple[Minute, ...]] | Missing
"""The trusted minutes of one backend, oldest first, or why there are none."""


def far_apart(one: float, other: float, factor: float) -> bool:
    """Tell if two counts of the same requests are more than `factor` apart, and so not both true."""
    return one > factor * other + _CHANCE or other > factor * one + _CHANCE


def possible(count: float) -> bool:
    """Tell if a count can be true: a number, not negative, and not beyond all traffic."""
    return 0.0 <= count <= _ABSURD


@dataclass(slots=True)
class Tally:
    """All rows of one backend as columns: values by the end of their minute, in UTC seconds."""

    answers: list[dict[float, float]] = field(default_factory=lambda: [{}, {}, {}, {}, {}])
    """One column for each kind of answer. Rows of several groups or pages add up."""
    latencies: list[dict[float, Distribution | None]] = field(default_factory=list)
    """One column for each row, None for each distribution that cannot be true."""
    impossible: set[float] = field(default_factory=set)
    """Ends of minutes with a negative count or a distribution that cannot be true."""

    def add_counts(self, code: int, points: tuple[tuple[float, float], ...]) -> None:
        """Take the row of one response code."""
        row = dict(points)
        if row and min(row.values()) < 0:
            self.impossible.update([end for end, answers in points if answers < 0])
        kind = _KINDS.get(code, _SERVER)
        column = self.answers[kind]
        if column:
            for end, answers in row.items():
                column[end] = column.get(end, 0.0) + answers
        else:
            self.answers[kind] = row

    def add_latencies(self, points: tuple[tuple[float, Distribution | None], ...]) -> None:
        """Take a row of latencies."""
        row = dict(points)
        if not all(row.values()):
            self.impossible.update([end for end, spread in points if spread is None])
        self.latencies.append(row)


def observed_minutes(
    tally: Tally | None, known: tuple[Minute, ...], newest: float, at: float, evidence: Evidence
) -> Traffic:
    """The trusted minutes of one backend.

    Args:
        tally: its rows; None where there is none.
        known: its minutes in the snapshot before. One that says the same as the rows is taken over as it is.
        newest: the latest end of a minute that is trusted, UTC seconds.
        at: UTC seconds of the snapshot, from which ages count.
        evidence: what the policy trusts.
    """
    ends = sorted(set().union(*tally.answers)) if tally is not None else []
    if tally is None or not ends:
        return Missing(absence=Absence.NO_SERIES)
    ends = ends[: bisect_right(ends, newest)]
    if not ends:
        return Missing(absence=Absence.NO_SERIES, detail="only minutes that may still be partial")
    age = at - ends[-1]
    if age > evidence.max_age:
        return Missing(
            absence=Absence.STALE,
            detail=f"the newest minute ended {age:.0f} s ago, over the {evidence.max_age:.0f} s that are trusted",
        )
    minutes = _minutes(tally, ends, known)
    judged = minutes[-max(1, evidence.minutes) :]
    garbled = sum([minute is None for minute in judged])
    if garbled:
        return Missing(
            absence=Absence.GARBAGE,
            detail=f"{garbled} of the newest {len(judged)} minutes hold counts or latencies that cannot be true",
        )
    sound = tuple([minute for minute in minutes if minute is not None])
    return Seen(value=sound, age=max(0.0, age), evidence=round(sum([minute.total for minute in sound])))


def _minutes(tally: Tally, ends: list[float], known: tuple[Minute, ...]) -> list[Minute | None]:
    """The minutes at `ends`, None for each that cannot be true. A kind of answer without a point is 0."""
    # one column for each fact of a minute
    success, other_ok, client, too_many, server = [
        list(map(column.get, ends, repeat(0.0))) for column in tally.answers
    ]
    ok = list(map(add, success, other_ok)) if tally.answers[_OTHER_OK] else success
    latencies = list(map(_latencies(tally.latencies).get, ends))
    kept = _kept(known, ends, (ok, client, too_many, server, latencies))
    # a minute taken over was judged by the pass before, unless a row holds what cannot be true
    if tally.impossible:
        kept = ()
    made: list[Minute | None] = list(kept)
    for i in range(len(kept), len(ends)):
        latency = latencies[i]
        if (
            ends[i] in tally.impossible
            or not possible(ok[i] + client[i] + too_many[i] + server[i])
            or (latency is not None and far_apart(latency.count, success[i], _APART))
        ):
            made.append(None)
            continue
        made.append(
            Minute(
                end=ends[i],
                ok=ok[i],
                client_error=client[i],
                too_many=too_many[i],
                server_error=server[i],
                latency=latency,
            )
        )
    return made


def _kept(
    known: tuple[Minute, ...], ends: list[float], columns: tuple[Sequence[object], ...]
) -> tuple[Minute, ...]:
    """The minutes of the pass before that are still in the window; none where one of them was corrected or came late.

    Args:
        known: the minutes of the pass before.
        ends: of the minutes of this pass, in order; there is one at least.
        columns: what they say, as `_FACTS` orders it.
    """
    kept = known[bisect_left(known, ends[0], key=_end) :]
    if [minute.end for minute in kept] != ends[: len(kept)]:
        return ()
    for fact, column in zip(_FACTS, columns, strict=True):
        if [*map(fact, kept)] != column[: len(kept)]:
            return ()
    return kept


def _latencies(columns: list[dict[float, Distribution | None]]) -> Mapping[float, Distribution | None]:
    """The merged distribution of each minute.

    Where the bucket layouts of a minute differ its latency is not known: merging would be guessing.
    """
    if len(columns) == 1:
        return columns[0]
    parts: dict[float, list[Distribution]] = {}
    for column in columns:
        for end, spread in column.items():
            if spread is not None:
                parts.setdefault(end, []).append(spread)
    return {
        end: merge(tuple(spreads))
        for end, spreads in parts.items()
        if all(spread.bounds == spreads[0].bounds for spread in spreads)
    }
