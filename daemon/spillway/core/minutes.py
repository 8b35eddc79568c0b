"""From rows to minutes: what one backend answered, minute by minute, or why that is not known.

Nothing is invented: a minute without a point stays out, one that cannot be true is left out, and where
one of the newest cannot be true nothing is said at all: the others come from the same broken measurement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from spillway.core.distribution import Distribution, merge
from spillway.core.maker import maker
from spillway.core.snapshot import Minute

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

_of_counts = maker(Minute)


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
    return _of_counts(
        end=end, ok=ok, client_error=client, too_many=too_many, server_error=server, latency=latency
    )
