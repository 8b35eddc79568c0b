"""From rows to minutes: what one backend answered, minute by minute, or why that is not known.

Nothing is invented: a minute without a point stays out, one that cannot be true is left out, and where
one of the newest cannot be true nothing is said at all: the others come from the same broken measurement.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    """All rows of one backend, while they are collected."""

    counts: list[dict[float, float]] = field(default_factory=lambda: [{}, {}, {}, {}, {}])
    """Answers by kind and end of the minute."""
    latencies: list[dict[float, Distribution | None]] = field(default_factory=list)
    """One mapping a row."""
    impossible: set[float] = field(default_factory=set)
    """Ends of minutes with a count that cannot be true."""

    def add(self, code: int, points: Points) -> None:
        """Take the row of one response code; rows of several groups or pages add up."""
        kind = _kind(code)
        row = dict(points)
        if row and min(row.values()) < 0:
            self.impossible.update(end for end, value in points if value < 0)
        known = self.counts[kind]
        if known:
            for end, value in row.items():
                known[end] = known.get(end, 0.0) + value
        else:
            self.counts[kind] = row


def wild(one: float, other: float, factor: float = _WILD) -> bool:
    """Tell if two counts of the same requests are more than `factor` apart, and so not both true."""
    return one > factor * other + _WILD_FLOOR or other > factor * one + _WILD_FLOOR


def absurd(value: float) -> bool:
    """Tell if a count cannot be true: negative, not a number, or beyond all traffic."""
    return not 0.0 <= value <= _ABSURD


def _latencies(
    rows: list[dict[float, Distribution | None]], impossible: set[float]
) -> dict[float, Distribution | None]:
    """The merged distribution of each minute; minutes with one that cannot be true join `impossible`.

    Where the layouts differ the latency of that minute is not known: merging would be guessing.
    """
    if len(rows) == 1 and None not in rows[0].values():
        return rows[0]  # the usual case, and the only one that thousands of backends can afford
    gathered: dict[float, list[Distribution]] = {}
    for row in rows:
        for end, part in row.items():
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


def _minutes(tally: Tally, ends: list[float], *, with_latency: bool) -> list[Minute | None]:
    """The minutes at `ends`, None for each that cannot be true; what is not reported while others are is 0."""
    success, other, client, too_many, server = (row.get for row in tally.counts)
    impossible = set(tally.impossible)
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


def seen_minutes(
    tally: Tally | None, *, at: float, newest: float, evidence: Evidence, with_latency: bool = True
) -> Seen[tuple[Minute, ...]] | Missing:
    """The trustworthy minutes of one backend, oldest first.

    Args:
        tally: its rows; None where there is none.
        at: UTC seconds of the snapshot, from which ages count.
        newest: a minute that ended later may be partial and is left out.
        evidence: what the policy trusts.
        with_latency: False where the latency query was incomplete: no distribution is better than half of one.
    """
    if tally is None:
        return Missing(absence=Absence.NO_SERIES)
    all_ends = set().union(*tally.counts)
    ends = sorted(end for end in all_ends if end <= newest)
    if not ends:
        if not all_ends:
            return Missing(absence=Absence.NO_SERIES)
        return Missing(absence=Absence.NO_SERIES, detail="only minutes that may still be partial")
    age = at - ends[-1]
    if age > evidence.max_age:
        return Missing(
            absence=Absence.STALE,
            detail=f"the newest minute ended {age:.0f} s ago, over the {evidence.max_age:.0f} s that are trusted",
        )
    minutes = _minutes(tally, ends, with_latency=with_latency)
    judged = minutes[-max(1, evidence.minutes) :]
    garbled = judged.count(None)
    if garbled:
        return Missing(
            absence=Absence.GARBAGE,
            detail=f"{garbled} of the newest {len(judged)} minutes hold counts or latencies that cannot be true",
        )
    sound = tuple([minute for minute in minutes if minute is not None])
    return Seen(value=sound, age=max(0.0, age), evidence=round(sum([m.total for m in sound])))
