"""From rows to minutes: what one backend answered, minute by minute, or why that is not known.

Nothing is invented: a minute without a point stays out, one that cannot be true is left out, and where
one of the newest cannot be true nothing is said at all: the others come from the same broken measurement.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spillway.core.distribution import Distribution, merge
from spillway.core.policy import Evidence
from spillway.core.snapshot import Absence, Minute, Missing, Seen

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


def _kind(code: int) -> int:
    """Which of the five counters a response code belongs to."""
    if 200 <= code < 300:
        return _SUCCESS
    if 100 <= code < 400:
        return _OTHER_OK
    if code == 429:
        return _TOO_MANY
    return _CLIENT if 400 <= code < 500 else _SERVER


@dataclass(slots=True)
class Tally:
    """All rows of one backend, while they are collected; points newest first, as Cloud Monitoring sends them."""

    counts: list[tuple[int, Points]] = field(default_factory=list)
    """(kind of answer, points) of each row; rows of several groups or pages add up."""
    latencies: list[Spreads] = field(default_factory=list)

    def add(self, code: int, points: Points) -> None:
        """Take the row of one response code."""
        if points:
            self.counts.append((_kind(code), _newest_first(points)))

    def add_latencies(self, points: Spreads) -> None:
        """Take a row of latencies."""
        if points:
            self.latencies.append(_newest_first(points))


def wild(one: float, other: float, factor: float = _WILD) -> bool:
    """Tell if two counts of the same requests are more than `factor` apart, and so not both true."""
    return one > factor * other + _WILD_FLOOR or other > factor * one + _WILD_FLOOR


def absurd(value: float) -> bool:
    """Tell if a count cannot be true: negative, not a number, or beyond all traffic."""
    return not 0.0 <= value <= _ABSURD


def _newest_first(points: tuple[P, ...]) -> tuple[P, ...]:
    return points[::-1] if points[0][0] < points[-1][0] else points


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The minutes of one backend and the rows they were made of, for the next pass to go on from."""

    tally: Tally
    """Not changed any more."""
    newest: float
    """Ends after this one were left out."""
    with_latency: bool
    ends: tuple[float, ...]
    """Oldest first."""
    minutes: tuple[Minute | None, ...]
    """At `ends`; None for each that cannot be true."""
    totals: tuple[float, ...]
    """Answers of each; 0 for None."""


def build(tally: Tally, *, newest: float, with_latency: bool, before: Built | None) -> Built:
    """The minutes up to `newest`; those that `before` holds and whose rows say the same as then are taken over."""
    fresh: Tally | None = None
    ends: tuple[float, ...] = ()
    minutes: tuple[Minute | None, ...] = ()
    totals: tuple[float, ...] = ()
    if before is not None and before.with_latency == with_latency and newest >= before.newest:
        fresh = _unseen(tally, before, with_latency=with_latency)
    if fresh is None or before is None:
        fresh = tally
    else:
        lowest = min([points[-1][0] for _, points in tally.counts])
        start = bisect_left(before.ends, lowest)
        ends, minutes, totals = before.ends[start:], before.minutes[start:], before.totals[start:]
    added = sorted({end for _, points in fresh.counts for end, _ in points if end <= newest})
    made = _minutes(fresh, added, with_latency=with_latency)
    return Built(
        tally=tally,
        newest=newest,
        with_latency=with_latency,
        ends=(*ends, *added),
        minutes=(*minutes, *made),
        totals=(*totals, *[0.0 if m is None else m.total for m in made]),
    )


def _unseen(tally: Tally, before: Built, *, with_latency: bool) -> Tally | None:
    """The points that ended after those of `before`, or None if anything else differs but the oldest points' going."""
    old = before.tally
    if not tally.counts or len(tally.counts) != len(old.counts):
        return None
    lowest = min([points[-1][0] for _, points in tally.counts])
    fresh = Tally()
    for (kind, points), (was, then) in zip(tally.counts, old.counts, strict=True):
        count = _ahead(points, then, lowest, before.newest)
        if kind != was or count < 0:
            return None
        fresh.counts.append((kind, points[:count]))
    if with_latency:
        if len(tally.latencies) != len(old.latencies):
            return None
        for spreads, before_them in zip(tally.latencies, old.latencies, strict=True):
            count = _ahead(spreads, before_them, lowest, before.newest)
            if count < 0:
                return None
            fresh.latencies.append(spreads[:count])
    return fresh


def _ahead(points: tuple[P, ...], then: tuple[P, ...], lowest: float, newest: float) -> int:
    """How many of `points` ended after `newest`; -1 if the others differ from `then` in more than that its oldest are gone."""
    first, ahead, last = 0, 0, len(then)
    for end, _ in then:
        if end <= newest:
            break
        first += 1
    for end, _ in points:
        if end <= newest:
            break
        ahead += 1
    while last > first and then[last - 1][0] < lowest:
        last -= 1
    return ahead if points[ahead:] == then[first:last] else -1


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
    for kind, points in tally.counts:
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


def _minutes(tally: Tally, ends: list[float], *, with_latency: bool) -> list[Minute | None]:
    """The minutes at `ends`, None for each that cannot be true; what is not reported while others are is 0."""
    impossible: set[float] = set()
    success, other, client, too_many, server = (row.get for row in _sums(tally, impossible))
    latency = (_latencies(tally.latencies, impossible) if with_latency else {}).get
    minutes: list[Minute | None] = []
    for end in ends:
        good = success(end, 0.0)
        ok, failed, quota, erred = (
            good + other(end, 0.0),
            client(end, 0.0),
            too_many(end, 0.0),
            server(end, 0.0),
        )
        times = latency(end)
        if (
            not 0.0 <= ok + failed + quota + erred <= _ABSURD
            or end in impossible
            or (times is not None and wild(times.count, good))
        ):
            minutes.append(None)
        else:
            minutes.append(
                Minute(end=end, ok=ok, client_error=failed, too_many=quota, server_error=erred, latency=times)
            )
    return minutes


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
    minutes = built.minutes
    sound = tuple([minute for minute in minutes if minute is not None])
    if len(sound) < len(minutes):
        judged = minutes[-max(1, evidence.minutes) :]
        garbled = judged.count(None)
        if garbled:
            return Missing(
                absence=Absence.GARBAGE,
                detail=f"{garbled} of the newest {len(judged)} minutes hold counts or latencies that cannot be true",
            )
    return Seen(value=sound, age=max(0.0, age), evidence=round(sum(built.totals)))
