"""What happened, for the commands: through the running daemon, else from the journal's file, read-only."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import click

from spillway.adapters.journal.moments import WrongQuestion, parse_moment
from spillway.cli.connection import Trust, open_url, trust_at
from spillway.cli.console import err
from spillway.cli.status import LARGEST_ANSWER, address_of, serving_at
from spillway.errors import SpillwayError, TemporaryError, root_cause


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
        return _fetch(*serving_at(config_path, ca), path, asked)
    except TemporaryError as silent:
        from spillway.adapters.journal.answers import Answers
        from spillway.adapters.journal.schema import NAME

        file = load.state_dir(config_path) / "journal" / NAME
        if not file.exists():
            raise silent from None
        document = Answers(file, None).answer(path, asked)
        err.print(f"No daemon answers: this is read from {file}.", markup=False, style="yellow")
        return document


def _fetch(url: str, trust: Trust, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """The daemon's answer.

    Raises:
        SpillwayError: it says that the question has no answer.
        TemporaryError: nobody answers, or not in time.
    """
    query = urllib.parse.urlencode(asked)
    try:
        with open_url(f"{url}{path}?{query}", trust, _DEADLINE) as answer:
            content = answer.read(LARGEST_ANSWER)
        document = json.loads(content)
    except urllib.error.HTTPError as refused:
        with refused:
            raise _said(url, refused) from refused
    except (OSError, ValueError, HTTPException, RecursionError) as error:
        raise TemporaryError(
            f"no daemon answers at {url}: {root_cause(error)}",
            remedy="Is it running (systemctl status spillway)? Is daemon.listen the same? --url names another address.",
        ) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise TemporaryError(
            f"what answers at {url} is no Spillway", remedy="Is it the address of daemon.listen?"
        )
    return document


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
