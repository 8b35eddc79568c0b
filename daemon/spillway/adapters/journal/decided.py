"""/decisions: what was decided, newest first, from the tables of one connection. Quiet passes that say the same are one entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from spillway.adapters.journal.history import layouts_of
from spillway.adapters.journal.moments import Span
from spillway.adapters.journal.rows import unpack
from spillway.control.decisions import PASSES, decision

SCHEMA = 1
"""Version of the document; raised when a field changes its meaning or disappears."""
LIMIT = 100
MOST = 1000
PASSES_SECONDS = 6 * 3600.0
"""Seconds before the newest record that are looked through for passes before a start."""


def decisions(
    connection: sqlite3.Connection, span: Span, *, limit: int, service: str | None, region: str | None
) -> dict[str, Any]:
    """The document, without its schema.

    Raises:
        WrongQuestion: no such service or region is recorded.
        sqlite3.Error: it cannot be read, or not in time.
    """
    if (service, region) != (None, None) and connection.execute("SELECT 1 FROM layouts LIMIT 1").fetchone():
        layouts_of(
            connection, service, region
        )  # a name that is misspelled is not answered with events of all
    chosen: list[dict[str, Any]] = []
    left_out = 0
    for entry in entries(connection, span):
        if not concerns(entry, service, region):
            continue
        if len(chosen) < limit:
            chosen.append(entry)
        elif service is None and region is None:
            left_out = _count(connection, span) - limit
            break
        else:
            left_out += 1
    (newest,) = connection.execute("SELECT max(at) FROM records").fetchone()
    return {"decisions": chosen, "left_out": left_out, "newest": newest}


def passes_before(connection: sqlite3.Connection, until: float, most: int) -> list[dict[str, Any]]:
    """The newest passes up to a moment, as /status has them; of the last hours that are recorded alone.

    Raises:
        sqlite3.Error: it cannot be read, or not in time.
    """
    (newest,) = connection.execute("SELECT max(at) FROM records WHERE at <= ?", (until,)).fetchone()
    if newest is None:
        return []
    span = Span(since=newest - PASSES_SECONDS, until=newest)
    passes = (entry for entry in entries(connection, span) if entry["kind"] in PASSES)
    return [{k: v for k, v in entry.items() if k != "id"} for entry in islice(passes, most)]


def entries(connection: sqlite3.Connection, span: Span) -> Iterator[dict[str, Any]]:
    """All entries of a time, newest first."""
    rows = connection.execute(
        "SELECT story, max(at), count(*), min(id) FROM records WHERE at > ? AND at <= ? AND kind <> 'intent' "
        "GROUP BY story ORDER BY max(at) DESC, story DESC",
        (span.since, span.until),
    ).fetchall()
    for story, last_at, times, first in rows:
        entry = entry_of(connection, first)
        if times > 1:
            (sentence,) = connection.execute(
                "SELECT sentence FROM records WHERE at = ? AND story = ?", (last_at, story)
            ).fetchone()
            entry |= {"last_at": last_at, "times": times, "sentence": sentence}
        yield entry


def entry_of(connection: sqlite3.Connection, number: int) -> dict[str, Any]:
    """The entry of one record."""
    (content,) = connection.execute("SELECT detail FROM records WHERE id = ?", (number,)).fetchone()
    told = unpack(content)
    return {"id": str(number), **decision(told)} | _of_event(told)


def _of_event(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of an order: whom it names and who gave it."""
    if told["kind"] in PASSES:
        return {}
    return {
        name: told[name]
        for name in ("service", "region", "by", "command", "reason", "verdict")
        if name in told
    }


def _count(connection: sqlite3.Connection, span: Span) -> int:
    query = "SELECT count(DISTINCT story) FROM records WHERE at > ? AND at <= ? AND kind <> 'intent'"
    return int(connection.execute(query, (span.since, span.until)).fetchone()[0])


def concerns(entry: Mapping[str, Any], service: str | None, region: str | None) -> bool:
    """Whether an entry speaks of a service and a region; without either all do, of events all that name no other."""
    if service is None and region is None:
        return True
    if entry["kind"] not in PASSES:
        return _names(entry, service, region)
    parts = (*entry["moves"], *entry["advice"], *entry["refusals"], *entry["verdicts"], *entry["alarms"])
    return any(_names(part, service, region) for part in parts)


def _names(part: Mapping[str, Any], service: str | None, region: str | None) -> bool:
    """Whether a part speaks of a service and a region, or of all."""
    mine = service is None or part.get("service") in {None, "", service}
    return mine and (region is None or part.get("region") in {None, region})
