"""What happened, for the commands: through the running daemon, else from the journal's file, read-only."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from spillway.adapters.journal.moments import WrongQuestion, parse_moment
from spillway.cli.connection import LARGEST_ANSWER, Trust, fetch_json, trust_at
from spillway.cli.console import err, print_json
from spillway.cli.status import address_of, ask_configured
from spillway.errors import SpillwayError, TemporaryError
from spillway.exits import Exit


class Moment(click.ParamType[str, Any]):
    """A time as people write it. It stays a text: whoever answers knows the world's time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if it is a time."""
        try:
            parse_moment(value, time.time())
        except WrongQuestion as error:
            self.fail(f"{error}. {error.remedy}", param, ctx)
        return str(value)


_DEADLINE = 15.0
"""Wall seconds that an answer may take; the daemon ends its own reading after three."""


def ask_past(
    path: str, asked: Mapping[str, str], *, config_path: Path, url: str | None, ca: Path | None
) -> dict[str, Any]:
    """The document of a path: of the daemon at `url`, of that of the configuration, or from the file where none answers.

    Raises:
        SpillwayError: the question has no answer; its remedy says what to ask instead.
        TemporaryError: neither a daemon answers nor is there a journal that can be read.
    """
    if url is not None:
        return _fetch(address_of(url), trust_at(config_path, ca), path, asked)
    from spillway.config import load

    try:
        return ask_configured(config_path, ca, lambda url, trust: _fetch(url, trust, path, asked))
    except TemporaryError as silent:
        from spillway.adapters.journal.answers import Answers
        from spillway.adapters.journal.schema import NAME

        file = load.state_dir(config_path) / "journal" / NAME
        if not file.exists():
            raise silent from None
        document = Answers(file, None).answer(path, asked)
        err.print(f"No daemon answers: this is read from {file}.", markup=False, style="yellow")
        return document


def tell_past(
    path: str,
    question: Mapping[str, object],
    render: Callable[[Mapping[str, Any]], None],
    *,
    as_json: bool,
    **where: Any,
) -> int:
    """Ask for a path with the options that were given, and print the document, or what `render` makes of it."""
    asked = {name: str(value) for name, value in question.items() if value is not None}
    found = ask_past(path, asked, **where)
    if as_json:
        print_json(found)
    else:
        render(found)
    return Exit.OK


def _fetch(url: str, trust: Trust, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """The daemon's answer.

    Raises:
        SpillwayError: it says that the question has no answer.
        TemporaryError: nobody answers, or not in time.
    """
    try:
        return fetch_json(url, f"{path}?{urllib.parse.urlencode(asked)}", trust, _DEADLINE)
    except urllib.error.HTTPError as refused:
        with refused:
            raise _said(url, refused) from refused


def _said(url: str, refused: urllib.error.HTTPError) -> SpillwayError:
    """What the daemon said instead of an answer."""
    try:
        said = json.loads(refused.read(LARGEST_ANSWER))
        return SpillwayError(str(said["error"]), remedy=str(said["remedy"]))
    except (OSError, ValueError, KeyError, TypeError):
        return TemporaryError(
            f"what answers at {url} knows nothing of the past (HTTP {refused.code})",
            remedy="Is it the address of daemon.listen, and the daemon of this version?",
        )
