"""Export of the journal as a flat table, row by row in bounded memory: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import importlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any, TextIO

from spillway.adapters.journal.history import layouts_of, read
from spillway.adapters.journal.moments import Span
from spillway.adapters.journal.rows import REGION_SERIES, SERVICE_SERIES, WORDS
from spillway.adapters.journal.schema import open_reader
from spillway.errors import PermanentError

FIGURES = (
    "time",
    "at",
    "service",
    "region",
    *(f"service_{name}" for name in SERVICE_SERIES),
    *REGION_SERIES,
)
"""Columns of the table of figures: one row for each tick, service and region."""
MOVES = ("time", "at", "tick", "service", "region", "lever", "before", "after", "code", "sentence", "outcome")
"""Columns of the table of moves: one row for each move, and for each advice when it came up."""
TABLES = {"figures": FIGURES, "moves": MOVES}

_TEXTS = frozenset(
    {
        "time",
        "service",
        "region",
        "state",
        "health",
        "lever",
        "before",
        "after",
        "code",
        "sentence",
        "outcome",
    }
)
_PART = 3600.0
"""Seconds of records that are read at once: a reader that stays long would keep the write-ahead log from being cut."""
_PART_SECONDS = 60.0
"""Wall seconds that one part may take."""
_BATCH = 50_000
"""Rows of one part of a Parquet file."""

Row = tuple[Any, ...]


def rows_of(path: Path, table: str, span: Span) -> Iterator[Row]:
    """The rows of a table in a time, oldest first; the file is opened anew for each hour of records.

    Raises:
        TemporaryError: it cannot be read.
        PermanentError: a newer Spillway has written it.
    """
    read_part = _figures if table == "figures" else _moves
    begin = span.since
    while True:
        with open_reader(path, _PART_SECONDS) as connection:
            # from record to record: a clock that was wrong for a while leaves years without any
            (first,) = connection.execute(
                "SELECT min(at) FROM records WHERE at > ? AND at <= ?", (begin, span.until)
            ).fetchone()
            if first is None:
                return
            until = min(first + _PART - 1.0, span.until)
            part = list(read_part(connection, Span(begin, until)))
        yield from part
        begin = until


def _figures(connection: sqlite3.Connection, span: Span) -> Iterator[Row]:
    words = dict(connection.execute("SELECT id, word FROM words").fetchall())
    width = len(REGION_SERIES)
    named = [column for column, name in enumerate(REGION_SERIES) if name in WORDS]
    for series in read(connection, span, layouts_of(connection, None, None)):
        for at, numbers in zip(series.at.tolist(), series.values.tolist(), strict=True):
            row: list[Any] = [None if isnan(number) else number for number in numbers]
            head, time = row[: len(SERVICE_SERIES)], iso(at)
            for number, region in enumerate(series.regions):
                own = row[len(SERVICE_SERIES) + number * width : len(SERVICE_SERIES) + (number + 1) * width]
                for column in named:
                    own[column] = None if own[column] is None else words.get(int(own[column]))
                yield (time, at, series.service, region, *head, *own)


def _moves(connection: sqlite3.Connection, span: Span) -> Iterator[Row]:
    rows = connection.execute(
        "SELECT at, tick, service, region, lever, before, after, code, sentence, outcome FROM marks "
        "WHERE at > ? AND at <= ? ORDER BY at, number",
        (span.since, span.until),
    )
    for row in rows:
        yield (iso(row[0]), *row)


def iso(at: float) -> str:
    """`2026-11-30T03:12:05.250Z`."""
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterator[Row]) -> int:
    """Write a header and all rows; how many."""
    writer = csv.writer(file)
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def parquet_writer() -> Callable[[Path, Sequence[str], Iterator[Row]], int]:
    """What writes Parquet.

    Raises:
        PermanentError: pyarrow is not installed.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise PermanentError(
            "Parquet needs pyarrow, which is not installed",
            remedy="Run `pip install 'spillway[parquet]'`, or take --format csv.",
        ) from error

    def write(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> int:
        """Write all rows in parts of bounded size; how many."""
        schema = arrow.schema(
            [
                (
                    name,
                    arrow.string()
                    if name in _TEXTS
                    else arrow.int64()
                    if name == "tick"
                    else arrow.float64(),
                )
                for name in columns
            ]
        )
        count, batch = 0, []
        with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
            for row in rows:
                batch.append(row)
                count += 1
                if len(batch) >= _BATCH:
                    writer.write_table(_table(arrow, schema, batch))
                    batch = []
            if batch or not count:
                writer.write_table(_table(arrow, schema, batch))
        return count

    return write


def _table(arrow: Any, schema: Any, rows: Sequence[Row]) -> Any:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return arrow.table(
        [arrow.array(list(values), type=field.type) for values, field in zip(columns, schema, strict=True)],
        schema=schema,
    )
