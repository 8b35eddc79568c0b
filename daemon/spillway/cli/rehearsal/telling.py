"""How the lines of a demo's story look: columns of whole words on a terminal, one line each where a program reads."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spillway.cli.rehearsal.feed import Line

_STYLES = {"world": "magenta", "spillway": "cyan", "alarm": "bold red"}


def tell(console: Console, line: Line) -> None:
    """Print one line of the story in a single call: of two, a live table below would wipe out the first."""
    hours, minutes = divmod(int(line.at) // 60, 60)
    cells = (
        Text(f"{hours:02d}:{minutes:02d}", "dim"),
        Text(f"{line.who:8}", _STYLES[line.who]),
        Text(line.text),
    )
    if not console.is_terminal:
        console.print(Text(" ").join(cells), soft_wrap=True)
        return
    columns = Table.grid(padding=(0, 1))
    columns.add_column(no_wrap=True)
    columns.add_column(no_wrap=True)
    columns.add_column()
    columns.add_row(*cells)
    console.print(columns, soft_wrap=False)
