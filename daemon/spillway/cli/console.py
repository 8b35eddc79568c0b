"""What the commands say: people's words on a terminal, JSON where asked, errors with a remedy."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
import traceback
from contextlib import suppress
from typing import Any

import click
from rich.console import Console

from spillway.errors import ConfigError, SpillwayError


class _Output(Console):
    """Standard output that somebody may stop to read."""

    def on_broken_pipe(self) -> None:
        """Leave it to `main`, which ends the command well; rich itself would end it with 1."""
        raise BrokenPipeError


out = _Output(highlight=False, soft_wrap=True)
"""Standard output; rich turns colours off by itself where it is no terminal or NO_COLOR is set."""
err = Console(stderr=True, highlight=False, soft_wrap=True)


def hanging(text: str) -> str:
    """A text whose lines after the first are indented by two columns; where the output is no terminal, one line as it is."""
    if not out.is_terminal:
        return text
    lines = textwrap.wrap(
        text, out.width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines)


def print_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
    sys.stdout.flush()


def confirmed(question: str, otherwise: str) -> bool:
    """Ask a person; where the answer is no, or Ctrl-C, say what has not been done.

    Args:
        question: to be answered with y or n; n is the default.
        otherwise: one sentence, such as `Nothing was deleted.`.

    Raises:
        click.UsageError: nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("There is nobody to ask here. Add --yes.")
    try:
        yes = click.confirm(question)
    except click.Abort:
        err.print()
        yes = False
    if not yes:
        err.print(otherwise)
    return yes


def take_any_character() -> None:
    """Write what a stream's encoding does not have as an escape: a name or a reason may hold anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Nothing more goes to standard output, also not when the interpreter ends: who reads it has gone, or its disk is full."""
    with suppress(OSError, ValueError, AttributeError):
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, sys.stdout.fileno())
        os.close(target)


def complain(error: SpillwayError, *, as_json: bool = False) -> None:
    """Say what is wrong and what to do about it, on standard error (or as JSON on standard output)."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    if as_json:
        print_json(
            {
                "error": type(error).__name__,
                "message": str(error),
                "remedy": error.remedy,
                "problems": [
                    {"file": p.file, "line": p.line, "path": p.path, "message": p.message, "remedy": p.remedy}
                    for p in problems
                ],
            }
        )
        return
    if problems:
        from spillway.config.check import render_problems

        err.print(render_problems(problems), markup=False)
        return
    err.print("[bold red]error[/] ", end="")
    err.print(str(error), markup=False)
    if error.remedy:
        err.print(f"      {error.remedy}", markup=False)


def complain_of_defect() -> None:
    """Say that the exception which is being handled is a defect, with its place."""
    err.print("[bold red]defect in Spillway[/]; please report this with what you did:")
    err.print(traceback.format_exc(), markup=False)
