"""What the journal costs: one append, the disk for a day, and reading a week of it.

`python -m tests.bench journal`
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from tests.bench import bench_service
from tests.bench.sheet import console, sheet
from tests.control.journal_files import journal_at

from spillway.adapters.journal.answers import Answers
from spillway.adapters.journal.schema import PAGE
from spillway.adapters.journal.store import Bounds, SqliteJournal
from spillway.control.records import assessments_record, told_record
from spillway.control.tick import Loop
from spillway.core.observe.rows import histogram
from spillway.core.values.histogram import Distribution
from spillway.ports import Journal

UNBOUNDED = Bounds(age=1e9, size=1 << 40)
DAY = 1440
"""Ticks of a day."""
_START = 1_795_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one fleet's journal costs."""

    append_ms: float
    """Median wall milliseconds of a tick's record until it is on the disk."""
    cpu_ms: float
    """Of them, those that the processor was busy: what others on the machine cannot disturb."""
    day_mib: float
    """MiB on the disk for a day of ticks in which nothing is decided."""
    json_mib: float
    """The same as lines of JSON, as older versions wrote them."""


class _Timed:
    """Measures each append of a tick."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.bytes: list[int] = []

    def append(self, record: dict[str, Any]) -> None:
        begun, busy = time.perf_counter(), time.process_time()
        self._journal.append(record)
        if record["kind"] == "tick":
            self.seconds.append(time.perf_counter() - begun)
            self.cpu.append(time.process_time() - busy)
            self.bytes.append(len(msgspec.json.encode(record)))


class _Nowhere:
    """A state folder that keeps nothing: not what is measured here."""

    def load(self) -> bytes | None:
        return None

    def save(self, content: bytes) -> None:
        del content

    def set_aside(self) -> str:
        return ""


def noisy(end: float, number: int) -> Distribution:
    """Latencies of a minute of backend `number`, with whole counts as chance has them: what is alike compresses too well."""
    chance = random.Random(f"{end} {number}")
    load = 1.0 + 0.3 * chance.random()
    counts = tuple(
        float(round(max(0.0, chance.gauss(load * count, (load * count) ** 0.5))))
        for count in bench_service._COUNTS
    )
    # the mean is one that its own buckets allow
    mean = sum(m * c for m, c in zip(bench_service._MIDDLES, counts, strict=True)) / sum(counts)
    spread = histogram(bench_service._BOUNDS, counts, count=sum(counts), mean=mean)
    assert spread is not None
    return spread


def loop_of(services: int, regions: int, journal: Journal) -> tuple[Loop, bench_service.Synthetic]:
    """A loop over a synthetic cloud, built."""
    cloud = bench_service.Synthetic(bench_service.fleet_of(services, regions))
    loop, _ = bench_service.loop_over(cloud, journal, _Nowhere())
    cloud.advance()
    loop.restore()
    loop.provision()
    return loop, cloud


def cost(services: int, regions: int, ticks: int) -> Cost:
    """Run the loop over a synthetic cloud and look at its journal."""
    with tempfile.TemporaryDirectory() as name, mock.patch.object(bench_service, "_spread", noisy):
        timed = _Timed(journal_at(Path(name), UNBOUNDED))
        loop, cloud = loop_of(services, regions, timed)
        sizes = []
        for _ in range(ticks):
            cloud.advance()
            loop.tick()
            sizes.append(_size(Path(name)))
        grown = (sizes[-1] - sizes[1]) / (ticks - 2)
    return Cost(
        append_ms=1000.0 * statistics.median(timed.seconds[1:]),
        cpu_ms=1000.0 * statistics.median(timed.cpu[1:]),
        day_mib=grown * DAY / 2**20,
        json_mib=statistics.median(timed.bytes[2:]) * DAY / 2**20,
    )


def _size(folder: Path) -> int:
    """Bytes that hold records: the file's own, after what its write-ahead log holds was moved into it."""
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return int(connection.execute("PRAGMA page_count").fetchone()[0]) * PAGE


class _Deaf:
    """A journal that keeps nothing."""

    def append(self, record: dict[str, Any]) -> None:
        del record


def week(services: int, regions: int, days: float) -> Iterator[tuple[str, float, int]]:
    """(question, wall milliseconds, bytes of the answer) over a journal of so many days of figures."""
    loop, cloud = loop_of(services, regions, _Deaf())
    report = loop.tick()
    for _ in range(3):
        cloud.advance()
        report = loop.tick()
    with tempfile.TemporaryDirectory() as name:
        journal = journal_at(Path(name), UNBOUNDED)
        light = {**told_record(report), "assessments": assessments_record(report.assessments)}
        journal.append({**light, "at": _START})
        connection, inserter = journal._open()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        count = int(days * DAY)
        for number in range(1, count):
            inserter.insert({**light, "at": _START + 60.0 * number, "tick": number})
        connection.execute("COMMIT")
        end = _START + 60.0 * count
        past = Answers(journal.path, None, now=lambda: end)
        first = loop.parts.fleet.services[0].name
        since = f"{days:g}d"
        for path, asked in (
            ("/history", {"since": since, "service": first}),
            ("/history", {"since": since}),
            ("/history", {}),
            ("/decisions", {"since": since, "limit": "1000"}),
            ("/explain", {}),
        ):
            begun = time.perf_counter()
            try:
                answer = len(msgspec.json.encode(past.answer(path, asked)))
            except Exception as error:  # noqa: BLE001 a refusal is a figure, too
                yield f"{path} {asked}: {error}", 1000.0 * (time.perf_counter() - begun), 0
            else:
                yield f"{path} {asked}", 1000.0 * (time.perf_counter() - begun), answer
        journal.close()


def main(words: list[str]) -> int:
    """Measure both fleets, print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench journal", description=__doc__)
    parser.add_argument("--ticks", type=int, default=40)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--small", action="store_true", help="the small fleet alone")
    options = parser.parse_args(words)
    table = sheet(
        "one append, and the disk", ("services x regions", "append ms", "of CPU", "MiB a day", "as JSON")
    )
    fleets = ((2, 5),) if options.small else ((2, 5), (200, 10))
    for services, regions in fleets:
        it = cost(services, regions, options.ticks)
        table.add_row(
            f"{services} x {regions}",
            f"{it.append_ms:.1f}",
            f"{it.cpu_ms:.1f}",
            f"{it.day_mib:.1f}",
            f"{it.json_mib:.1f}",
        )
    console().print(table)
    table = sheet(f"reading {options.days:g} days", ("services x regions", "question", "ms", "KiB"))
    for services, regions in fleets:
        for question, milliseconds, size in week(services, regions, options.days if services < 50 else 1.0):
            table.add_row(f"{services} x {regions}", question, f"{milliseconds:.0f}", f"{size / 1024:.0f}")
    console().print(table)
    return 0
