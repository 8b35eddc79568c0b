"""How the benches print: one console for terminals and pipes, and plain tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

WIDTH = 150
"""Columns where the output is no terminal."""


def console() -> Console:
    """Standard output, wide enough for the tables."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def sheet(title: str, headings: Sequence[str]) -> Table:
    """An empty table without lines."""
    made = Table(title=title, title_justify="left", box=None, padding=(0, 3, 0, 0))
    for heading in headings:
        made.add_column(heading)
    return made


def names(text: str) -> list[str]:
    """What stands between commas, for options that take several."""
    return [name for name in text.split(",") if name]
