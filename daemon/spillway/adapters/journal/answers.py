"""Documents of /history, /decisions and /explain, from the journal's file, or from memory where the file cannot be read.

The web server and the commands ask here, so that both say the same.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from spillway.adapters.journal import decided
from spillway.adapters.journal import explain as story
from spillway.adapters.journal import history as figures
from spillway.adapters.journal.moments import WrongQuestion, parse_moment, parse_span
from spillway.adapters.journal.recent import Recent
from spillway.adapters.journal.schema import TooLong, error_code, open_reader
from spillway.errors import TemporaryError

SECONDS = 3.0
"""Wall seconds that one answer may take from the file."""
MEMORY_SECONDS = 0.5
"""The same from memory, which the loop waits for."""
_SPAN = 6 * 3600.0
"""Seconds that are told where nobody says since when."""

_COUNT = re.compile("[0-9]{1,9}")

T = TypeVar("T")
Build = Callable[[sqlite3.Connection], dict[str, Any]]

OPTIONS = {
    "/history": frozenset({"since", "until", "service", "region", "points"}),
    "/decisions": frozenset({"since", "until", "service", "region", "limit"}),
    "/explain": frozenset({"at", "id", "service", "region"}),
}
"""What may be asked, by path."""


class Answers:
    """Answers questions about the past.

    Args:
        path: the journal's file; None where there is none.
        recent: the last hours in memory; None for a command without a daemon.
        now: the world's UTC seconds; None for a command without a daemon, which knows this machine's alone.
        problem: why the file takes no record; empty where it does.
    """

    def __init__(
        self,
        path: Path | None,
        recent: Recent | None,
        *,
        now: Callable[[], float] | None = None,
        problem: Callable[[], str] = str,
    ) -> None:
        self._path = path
        self._recent = recent
        self._now = now
        self._problem = problem

    def answer(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """The document of a path for these options.

        Raises:
            WrongQuestion: an option is wrong, or nothing is recorded.
            TemporaryError: it cannot be read, or takes too long.
        """
        unknown = sorted(set(asked) - OPTIONS[path])
        if unknown:
            raise WrongQuestion(
                f"{path} has no option {unknown[0][:60]!r}",
                remedy=f"It has: {', '.join(sorted(OPTIONS[path]))}.",
            )
        if path == "/history":
            return self._history(asked)
        if path == "/decisions":
            return self._decisions(asked)
        return self._explain(asked)

    def passes_before(self, until: float, most: int) -> list[dict[str, Any]]:
        """The newest passes in the file up to a moment, newest first, as /status has them; none where there is no file.

        Raises:
            TemporaryError: it cannot be read, or takes too long.
            PermanentError: a newer Spillway has written it.
        """
        if self._path is None or not self._path.exists():
            return []
        reader = open_reader(self._path, SECONDS)
        return self._with(reader, lambda connection: decided.passes_before(connection, until, most))

    def _history(self, asked: Mapping[str, str]) -> dict[str, Any]:
        points = _count(asked, "points", figures.POINTS, figures.MOST_POINTS)
        service, region = _name(asked, "service"), _name(asked, "region")

        def build(connection: sqlite3.Connection) -> dict[str, Any]:
            span = parse_span(asked.get("since"), asked.get("until"), self._until(connection), default=_SPAN)
            return figures.history(connection, span, points=points, service=service, region=region)

        return self._read(figures.SCHEMA, build)

    def _decisions(self, asked: Mapping[str, str]) -> dict[str, Any]:
        limit = _count(asked, "limit", decided.LIMIT, decided.MOST)
        service, region = _name(asked, "service"), _name(asked, "region")

        def build(connection: sqlite3.Connection) -> dict[str, Any]:
            span = parse_span(asked.get("since"), asked.get("until"), self._until(connection), default=_SPAN)
            return decided.decisions(connection, span, limit=limit, service=service, region=region)

        return self._read(decided.SCHEMA, build)

    def _explain(self, asked: Mapping[str, str]) -> dict[str, Any]:
        def build(connection: sqlite3.Connection) -> dict[str, Any]:
            at = parse_moment(asked.get("at") or "now", self._until(connection), whole_minute=True)
            question = story.Question(
                at=at, name=_name(asked, "id"), service=_name(asked, "service"), region=_name(asked, "region")
            )
            return story.explain(connection, question)

        return self._read(story.SCHEMA, build)

    def _until(self, connection: sqlite3.Connection) -> float:
        """What `now` means: the world's time; of a world that runs ahead of this clock and is gone, its last moment."""
        if self._now is not None:
            return self._now()
        newest = connection.execute("SELECT max(at) FROM records").fetchone()[0]
        return max(time.time(), newest or 0.0)

    def _read(self, schema: int, build: Build) -> dict[str, Any]:
        """From the file where it can be read and is up to date, else from memory, with the problem."""
        problem = self._problem()
        if self._path is not None and not problem:
            try:
                return {"schema": schema, **self._with(open_reader(self._path, SECONDS), build)}
            except TooLong:
                raise
            except TemporaryError as error:
                if self._recent is None:
                    raise
                problem = f"{error}. {error.remedy}".rstrip()
        if self._recent is None:
            raise TemporaryError("there is no journal to read", remedy="Is daemon.state_dir the daemon's?")
        document = self._with(self._recent.reader(MEMORY_SECONDS), build)
        return {"schema": schema, **document, **({"problem": problem} if problem else {})}

    @staticmethod
    def _with(
        reader: AbstractContextManager[sqlite3.Connection], build: Callable[[sqlite3.Connection], T]
    ) -> T:
        try:
            with reader as connection:
                return build(connection)
        except sqlite3.Error as error:
            if error_code(error) == sqlite3.SQLITE_INTERRUPT:
                raise TooLong(
                    "the answer takes longer than it may", remedy="Ask for a shorter time, or name a service."
                ) from error
            raise TemporaryError(
                f"the journal cannot be read: {error}", remedy="The daemon's log says more."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise TemporaryError(
                f"a record of the journal cannot be read ({type(error).__name__}: {error})",
                remedy="Ask for another time; a record of an older version may lack what is asked for.",
            ) from error


def _name(asked: Mapping[str, str], name: str) -> str | None:
    """A text that is not empty; None where it is not given."""
    return asked.get(name) or None


def _count(asked: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`.

    Raises:
        WrongQuestion: it is none.
    """
    text = asked.get(name, str(default))
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= most:
        raise WrongQuestion(f"{name} is {text[:60]!r}", remedy=f"Write a whole number from 1 to {most}.")
    return int(text)
