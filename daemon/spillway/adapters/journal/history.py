"""/history: figures of services and regions over a time, and the moves in it, from the tables of one connection.

Where the time holds no more ticks than points, each tick is a point; a longer time is cut into buckets of equal length:

    value of a bucket = mean of what is known in it; scaler, member, state and health = the last of it
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spillway.adapters.journal.moments import Span, WrongQuestion
from spillway.adapters.journal.rows import REGION_SERIES, SERVICE_SERIES, WORDS

SCHEMA = 2
"""Version of the document; raised when a field changes its meaning or disappears."""
POINTS = 360
MOST_POINTS = 2000
MOST_MARKS = 1000
_MOST_VALUES = 1_000_000
"""Numbers of one answer: about 7 MB. A fleet of 2,000 backends gets fewer points."""
_FEWEST_POINTS = 30
_MOST_ROWS = 150_000
"""Ticks times services that one answer is made of: a week of 14 services, or twelve hours of 200."""
_GAP = 3.0
"""Ticks without a record from which a chart has a gap."""
_LAST = ("scaler", "member", "state", "health")
"""Figures of which a bucket shows the last and not the mean."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The rows of one service while its regions were the same, oldest first."""

    service: str
    regions: tuple[str, ...]
    at: Floats
    values: Floats
    """One row a tick, one column a figure."""


def history(
    connection: sqlite3.Connection, span: Span, *, points: int, service: str | None, region: str | None
) -> dict[str, Any]:
    """The document, without its schema.

    Raises:
        WrongQuestion: no such service or region is recorded, or the fleet is too large for one answer.
        sqlite3.Error: it cannot be read, or not in time.
    """
    layouts = layouts_of(connection, service, region)
    points = _fitting(points, layouts)
    _bound_rows(connection, span, len({name for name, _ in layouts.values()}))
    found = read(connection, span, layouts)
    times = np.unique(np.concatenate([series.at for series in found])) if found else np.empty(0)
    ends, places, step = _buckets(times, span, points)
    words = dict(connection.execute("SELECT id, word FROM words").fetchall())
    services: dict[str, dict[str, Any]] = {}
    for name in sorted({series.service for series in found}):
        own = [series for series in found if series.service == name]
        services[name] = _service(own, region, places[0], places[1], len(ends), words)
    marks, left_out = marks_of(connection, span, service, region)
    return {
        "since": span.since,
        "until": span.until,
        "step": step,
        "at": [round(float(end), 3) for end in ends],
        "services": services,
        "marks": marks,
        "marks_left_out": left_out,
    }


def layouts_of(
    connection: sqlite3.Connection, service: str | None, region: str | None
) -> dict[int, tuple[str, tuple[str, ...]]]:
    """(service, regions) of each layout that was asked for.

    Raises:
        WrongQuestion: no such service or region is recorded.
    """
    every = {
        number: (name, tuple(json.loads(regions)))
        for number, name, regions in connection.execute("SELECT id, service, regions FROM layouts")
    }
    found = {number: it for number, it in every.items() if service is None or it[0] == service}
    if service is not None and not found:
        known = ", ".join(sorted({name for name, _ in every.values()})[:12]) or "none yet"
        raise WrongQuestion(f"no service {service[:60]!r} is recorded", remedy=f"Known: {known}.", status=404)
    if region is not None:
        regions = {each for _, them in found.values() for each in them}
        if region not in regions:
            known = ", ".join(sorted(regions)[:12]) or "none yet"
            raise WrongQuestion(
                f"no region {region[:60]!r} is recorded", remedy=f"Known: {known}.", status=404
            )
        found = {number: it for number, it in found.items() if region in it[1]}
    return found


def _fitting(points: int, layouts: dict[int, tuple[str, tuple[str, ...]]]) -> int:
    """So many points that the answer keeps its bound."""
    regions = {(name, region) for name, them in layouts.values() for region in them}
    width = len(REGION_SERIES) * len(regions) + len(SERVICE_SERIES) * len(
        {name for name, _ in layouts.values()}
    )
    room = _MOST_VALUES // max(1, width)
    if room < _FEWEST_POINTS:
        raise WrongQuestion(
            f"the answer would hold the figures of {len(regions)} backends",
            remedy="Ask for one service: `service=NAME`.",
        )
    return min(points, room)


def _bound_rows(connection: sqlite3.Connection, span: Span, services: int) -> None:
    """Refuse what would take longer to put together than an answer may.

    Raises:
        WrongQuestion: it is too much.
    """
    query = "SELECT count(*) FROM records WHERE at > ? AND at <= ? AND kind = 'tick'"
    (ticks,) = connection.execute(query, (span.since, span.until)).fetchone()
    if ticks * services > _MOST_ROWS:
        raise WrongQuestion(
            f"{ticks} ticks of {services} services are too much for one answer",
            remedy="Ask for one service, `service=NAME`, or for a shorter time.",
        )


def read(
    connection: sqlite3.Connection, span: Span, layouts: dict[int, tuple[str, tuple[str, ...]]]
) -> list[Series]:
    """The figures of these layouts in a time.

    Raises:
        sqlite3.Error: it cannot be read, or not in time.
    """
    query = "SELECT r.at, f.layout, f.content FROM records r JOIN figures f ON f.record = r.id WHERE r.at > ? AND r.at <= ? AND r.kind = 'tick'"
    if len(layouts) <= _FEW:
        query += f" AND f.layout IN ({','.join('?' * len(layouts))})"
        rows = connection.execute(f"{query} ORDER BY r.at", (span.since, span.until, *layouts))
    else:
        rows = connection.execute(f"{query} ORDER BY r.at", (span.since, span.until))
    times: dict[int, list[float]] = {}
    contents: dict[int, list[bytes]] = {}
    for at, layout, content in rows:
        times.setdefault(layout, []).append(at)
        contents.setdefault(layout, []).append(content)
    return [
        Series(
            service=layouts[number][0],
            regions=layouts[number][1],
            at=np.array(times[number]),
            values=np.frombuffer(b"".join(contents[number]), dtype="<f4")
            .reshape(len(times[number]), -1)
            .astype(np.float64),
        )
        for number in times
        if number in layouts
    ]


_FEW = 500
"""Layouts that a query names one by one; more are filtered after it."""


def _buckets(times: Floats, span: Span, points: int) -> tuple[Floats, tuple[Floats, Ints], float]:
    """Ends of the points, (times, the point of each), and the seconds between two points."""
    apart = np.diff(times)
    step = float(np.median(apart)) if len(apart) else 60.0
    if len(times) <= points:
        # 1. few ticks: each is a point, and a time without ticks is one point without values
        breaks = np.flatnonzero(apart > _GAP * step)
        ends: Floats = np.insert(times, breaks + 1, times[breaks] + step).astype(np.float64)
        places = np.arange(len(times)) + np.searchsorted(breaks, np.arange(len(times)), side="left")
        return ends, (times, places.astype(np.int64)), round(step, 3)
    # 2. many: buckets of equal length, each wide enough that a late tick leaves none of them empty
    step = max((span.until - span.since) / points, 2.0 * step)
    count = int(np.ceil((span.until - span.since) / step - 1e-9))
    bucket: Ints = np.clip(np.ceil((times - span.since) / step) - 1.0, 0.0, count - 1.0).astype(np.int64)
    ends = span.since + step * np.arange(1.0, count + 1.0)
    return ends, (times, bucket), round(step, 3)


def _service(
    own: Sequence[Series],
    region: str | None,
    times: Floats,
    places: Ints,
    count: int,
    words: dict[int, str],
) -> dict[str, Any]:
    """One service of the document: its own series, and those of its regions."""
    head = np.full((count, len(SERVICE_SERIES)), np.nan)
    regions: dict[str, Floats] = {}
    for series in own:
        # the mean of each bucket in one pass: rows are in order of time, so those of a bucket stand together
        at = places[np.searchsorted(times, series.at)]
        starts = np.flatnonzero(np.diff(at, prepend=-1))
        known = ~np.isnan(series.values)
        sums = np.add.reduceat(np.where(known, series.values, 0.0), starts, axis=0)
        counts = np.add.reduceat(known.astype(np.float64), starts, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(counts > 0, sums / counts, np.nan)
        last = series.values[np.append(starts[1:], len(at)) - 1]
        head[at[starts]] = means[:, : len(SERVICE_SERIES)]
        for number, name in enumerate(series.regions):
            if region is not None and name != region:
                continue
            begin = len(SERVICE_SERIES) + number * len(REGION_SERIES)
            own_values = means[:, begin : begin + len(REGION_SERIES)].copy()
            for column, figure in enumerate(REGION_SERIES):
                if figure in _LAST:
                    own_values[:, column] = last[:, begin + column]
            table = regions.setdefault(name, np.full((count, len(REGION_SERIES)), np.nan))
            table[at[starts]] = own_values
    return {
        **dict(zip(SERVICE_SERIES, plain(head), strict=True)),
        "regions": {name: _region(table, words) for name, table in sorted(regions.items())},
    }


def _region(table: Floats, words: dict[int, str]) -> dict[str, list[Any]]:
    """The series of one region by name."""
    series: dict[str, list[Any]] = dict(zip(REGION_SERIES, plain(table), strict=True))
    for figure in WORDS:
        series[figure] = [None if number is None else words.get(int(number)) for number in series[figure]]
    return series


def plain(table: Floats) -> list[list[float | None]]:
    """The columns of a table with four significant digits, which are more than a chart can show; None for what is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = 3.0 - np.floor(np.log10(np.abs(table)))
    digits = np.where(np.isfinite(digits), digits, 0.0)
    scale = 10.0 ** np.abs(digits)
    rounded = np.where(digits >= 0, np.round(table * scale) / scale, np.round(table / scale) * scale)
    return [
        [None if number != number else number for number in column]  # noqa: PLR0124 only NaN differs from itself
        for column in rounded.T.tolist()
    ]


def marks_of(
    connection: sqlite3.Connection, span: Span, service: str | None, region: str | None
) -> tuple[list[dict[str, Any]], int]:
    """Moves and advice in a time, oldest first, at most `MOST_MARKS` of the newest; and how many were left out."""
    where = "at > ? AND at <= ?"
    values: list[object] = [span.since, span.until]
    if service is not None:
        where += " AND service = ?"
        values.append(service)
    if region is not None:
        where += " AND (region = ? OR region IS NULL)"
        values.append(region)
    count = connection.execute(f"SELECT count(*) FROM marks WHERE {where}", values).fetchone()[0]  # noqa: S608 made of constants
    rows = connection.execute(
        "SELECT tick, number, at, service, region, lever, before, after, code, sentence, outcome "  # noqa: S608 as above
        f"FROM marks WHERE {where} ORDER BY at DESC, number DESC LIMIT {MOST_MARKS}",
        values,
    ).fetchall()
    names = ("at", "service", "region", "lever", "before", "after", "code", "sentence", "outcome")
    marks = [{"id": f"{row[0]}-{row[1]}", **dict(zip(names, row[2:], strict=True))} for row in reversed(rows)]
    return marks, max(0, count - len(marks))
