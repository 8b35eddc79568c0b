"""A record as rows: what is queried in columns, what is large compressed, the figures of charts as packed numbers."""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from math import nan
from typing import Any

import msgspec

from spillway.adapters.journal.schema import SCHEMA
from spillway.control.decisions import PASSES, Stories

SERVICE_SERIES = ("demand", "served", "capacity", "bad_share")
"""Figures of a service, in the order in which they are packed."""
REGION_SERIES = (
    "served", "ceiling", "capacity", "latency", "errors", "too_many", "healthy", "scaler", "member", "state", "health",
)  # fmt: skip
"""Figures of a region, in the order in which they are packed behind those of its service."""
WORDS = frozenset({"state", "health"})
"""Figures that are words: what is packed is the word's number in `words`."""

_LARGE = ("inputs", "overlay", "assessments", "plan", "memory", "orders", "fleet", "policies")
"""Fields that only `explain` and `replay` read."""
_LARGEST = 3e38
"""What a 32-bit float can hold."""
_LEVEL = 3
"""Of zlib. A record of 2,000 backends is a tenth smaller than at level 1 for a third more time; level 6 takes off another tenth and
doubles the time."""


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as JSON, schema first. Dataclasses become objects, what is not finite becomes null.

    Raises:
        TypeError: a value that has no JSON.
    """
    return msgspec.json.encode({"schema": SCHEMA, **record})


def pack(value: Mapping[str, Any]) -> bytes:
    """Compressed JSON.

    Raises:
        TypeError: a value that has no JSON.
    """
    return zlib.compress(msgspec.json.encode(value), _LEVEL)


def unpack(content: bytes) -> dict[str, Any]:
    """What `pack` was given, as plain values.

    Raises:
        ValueError: it is no such content.
    """
    try:
        found = msgspec.json.decode(zlib.decompress(content))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"a record cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("a record is no object")  # noqa: TRY004 whoever reads a record expects one kind of error
    return found


class Inserter:
    """Puts records into the tables of one connection; to be made anew after a transaction that failed.

    Args:
        connection: with the tables.
        stories: compares each pass with the one before it.
        whole: whether the large fields are kept.
    """

    def __init__(self, connection: sqlite3.Connection, stories: Stories, *, whole: bool) -> None:
        self._connection = connection
        self._stories = stories
        self._whole = whole
        self._story: int | None = None
        self._layouts: dict[tuple[str, str], int] = {}
        self._words: dict[str, int] = {}
        self._advice: frozenset[tuple[str, str, str, str]] = frozenset()

    def insert(self, record: Mapping[str, Any]) -> int:
        """Insert one record, in the caller's transaction; its number.

        Raises:
            TypeError: a value that has no JSON.
            sqlite3.Error: the disk does not take it.
        """
        small = {name: value for name, value in record.items() if name not in _LARGE}
        content = msgspec.json.encode({"schema": SCHEMA, **small})
        told = msgspec.json.decode(content)
        kind, at, tick = str(told.get("kind", "")), float(told.get("at") or 0.0), int(told.get("tick") or 0)
        repeats = False
        if kind in PASSES:
            repeats = self._stories.repeats(told)
        else:
            self._stories.interrupt()
        cursor = self._connection.execute(
            "INSERT INTO records (at, tick, kind, story, sentence, detail) VALUES (?, ?, ?, ?, ?, ?)",
            (
                at,
                tick,
                kind,
                self._story if repeats and self._story is not None else 0,
                str(told.get("sentence") or ""),
                zlib.compress(content, _LEVEL),
            ),
        )
        number = cursor.lastrowid
        assert number is not None  # noqa: S101 for the type checker: an INSERT has just set it
        if not repeats or self._story is None:
            self._connection.execute("UPDATE records SET story = id WHERE id = ?", (number,))
            self._story = number
        self._belongings(number, record, told)
        return number

    def _belongings(self, number: int, record: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        """The rows of other tables."""
        if self._whole:
            large = {name: record[name] for name in _LARGE if record.get(name) is not None}
            if large:
                self._connection.execute("INSERT INTO bodies VALUES (?, ?)", (number, pack(large)))
        if told.get("kind") not in PASSES:
            return
        self._marks(number, told)
        self._connection.executemany(
            "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    number, place, v["made_at"], v["move"]["service"], v["move"]["region"], v["move"]["lever"],
                    v["predicted"], v["observed"], v["better"], v["sentence"],
                )
                for place, v in enumerate(told.get("verdicts", ()))
            ),
        )  # fmt: skip
        if told["kind"] == "tick" and "assessments" in record:
            self._connection.executemany(
                "INSERT INTO figures VALUES (?, ?, ?)",
                [(number, *row) for row in self._figures(record["assessments"])],
            )

    def _marks(self, number: int, told: Mapping[str, Any]) -> None:
        """Moves, and advice that the tick before did not give: what charts mark and `explain` finds by its name."""
        applied = told.get("applied")
        outcome = "waiting" if applied is None else applied["outcome"]
        marks = [(move, outcome) for move in told.get("moves", ())]
        if told["kind"] == "tick":
            advice = {_lever(move): move for move in told.get("advice", ())}
            marks += [(move, "advice") for key, move in advice.items() if key not in self._advice]
            self._advice = frozenset(advice)
        if not marks:
            return
        # passes of one tick share its number, so the marks of all of them are counted through
        first = self._connection.execute(
            "SELECT count(*) FROM marks WHERE tick = ? AND at > ?", (told["tick"], told["at"] - 3600.0)
        ).fetchone()[0]
        self._connection.executemany(
            "INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    number, first + place, told["at"], told["tick"], move["service"], move["region"], move["lever"],
                    move["before"], move["after"], move["reason"]["code"], move["reason"]["sentence"], result,
                )
                for place, (move, result) in enumerate(marks)
            ),
        )  # fmt: skip

    def _figures(self, assessments: Mapping[str, Any]) -> Iterable[tuple[int, bytes]]:
        """(layout, packed figures) of each service."""
        columns = {name: place for place, name in enumerate(assessments["columns"])}
        region, served, scaler, target, member, state = (
            columns[name] for name in ("region", "served", "scaler_wanted", "target", "member", "state")
        )
        plain = [
            columns[name]
            for name in ("capacity", "latency", "error_ratio", "too_many_ratio", "healthy_share")
        ]
        health = columns.get("health")
        for service in assessments["services"]:
            values = array("f")
            regions: list[str] = []
            total: float | None = None
            for row in service["backends"]:
                regions.append(row[region])
                if row[served] is not None:
                    total = (total or 0.0) + row[served]
                is_member = bool(row[member])
                ceiling = None if row[target] is None or not is_member else row[target] * row[scaler]
                values.extend((_packed(row[served]), _packed(ceiling)))
                values.extend([_packed(row[place]) for place in plain])
                values.extend((_packed(row[scaler]), float(is_member), self._word(row[state])))
                values.append(nan if health is None else self._word(row[health]))
            head = (service.get("demand"), total, service.get("capacity"), service.get("bad_share"))
            packed = array("f", [_packed(value) for value in head])
            packed.extend(values)
            yield self._layout(service["service"], regions), packed.tobytes()

    def _layout(self, service: str, regions: Sequence[str]) -> int:
        """Number of the order of a service's regions."""
        key = service, json.dumps(regions)
        known = self._layouts.get(key)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO layouts (service, regions) VALUES (?, ?)", key)
            row = self._connection.execute(
                "SELECT id FROM layouts WHERE service = ? AND regions = ?", key
            ).fetchone()
            known = self._layouts[key] = int(row[0])
        return known

    def _word(self, word: object) -> float:
        """Number of a word, such as the state of a backend."""
        if word is None:
            return nan
        text = str(word)
        known = self._words.get(text)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO words (word) VALUES (?)", (text,))
            row = self._connection.execute("SELECT id FROM words WHERE word = ?", (text,)).fetchone()
            known = self._words[text] = int(row[0])
        return float(known)


def _packed(value: float | None) -> float:
    """A number, or the gap for what is not known or not finite: comparing with NaN is false."""
    return value if value is not None and abs(value) < _LARGEST else nan


def _lever(move: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return move["service"], move["region"] or "", move["lever"], move["after"]
