"""The last hours in memory, in the same tables: what is shown where the journal's file cannot be read, or takes nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spillway.adapters.journal.rows import Inserter
from spillway.adapters.journal.schema import bounded, make_tables
from spillway.adapters.journal.store import Bounds, prune
from spillway.control.decisions import Stories
from spillway.control.records import assessments_record, told_record
from spillway.control.report import TickReport

HOURS = Bounds(age=6 * 3600.0, size=16 << 20)
"""What is kept: six hours of a small fleet, of 2,000 backends the last two."""


class Recent:
    """Written by the thread of the loop, read by those of the web server."""

    def __init__(self, bounds: Bounds = HOURS) -> None:
        self._bounds = bounds
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        make_tables(self._connection)
        self._inserter = Inserter(self._connection, Stories(), whole=False)
        self._lock = threading.Lock()

    def add(self, report: TickReport) -> None:
        """Take in one finished pass."""
        record = {**told_record(report), "assessments": assessments_record(report.assessments)}
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                self._inserter.insert(record)
                prune(self._connection, self._bounds, report.at)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reader(self, seconds: float) -> Iterator[sqlite3.Connection]:
        """The connection, for reading within so many wall seconds; the loop waits meanwhile."""
        with self._lock, bounded(self._connection, seconds):
            yield self._connection
