"""What the commands say: people's words on a terminal, JSON where asked, errors with a remedy."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from rich.console import Console

from spillway.errors import ConfigError, SpillwayError

out = Console(highlight=False, soft_wrap=True)
"""Standard output; rich turns colours off by itself where it is no terminal or NO_COLOR is set."""
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
    sys.stdout.flush()


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
