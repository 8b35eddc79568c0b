"""How a demo looks: lines with the world's UTC time, a live table below them on a terminal, and the comparison at the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spillway.cli.demo.baselines import LEGEND, comparison, verdict
from spillway.cli.demo.events import Line
from spillway.cli.status import service_table

_STYLES = {"world": "magenta", "spillway": "cyan", "alarm": "bold red"}
_BAR = 40
"""Characters of the bar that shows how far the scenario is."""


class Output:
    """What a demo prints. All of its times are the world's UTC.

    Args:
        console: where to.
        epoch: UTC seconds of the world's start.
        duration: world seconds of the scenario.
        quiet: print nothing, as with `--json`.
    """

    def __init__(self, console: Console, *, epoch: float, duration: float, quiet: bool = False) -> None:
        self._console, self._epoch, self._duration, self._quiet = console, epoch, duration, quiet
        live = console.is_terminal and not quiet
        self._live = Live(console=console, auto_refresh=False, transient=True) if live else None

    def begin(self, speed: float) -> None:
        """Say what the times are, and draw the live table from now on."""
        if not self._quiet:
            self._console.print(
                f"Times are UTC of the simulated world, which runs {speed:g} times as fast as real time.\n",
                style="dim",
                highlight=False,
            )
        if self._live is not None:
            self._live.start()

    def end(self) -> None:
        """Take the live table away."""
        if self._live is not None:
            self._live.stop()

    def clock(self, at: float) -> str:
        """A world second as people see it."""
        return f"{datetime.fromtimestamp(self._epoch + at, UTC):%H:%M:%S}"

    def tell(self, line: Line) -> None:
        """Print one line in a single call: of two, a live table below would wipe out the first."""
        if self._quiet:
            return
        cells = Text(self.clock(line.at), "dim"), Text(f"{line.who:8}", _STYLES[line.who]), Text(line.text)
        if not self._console.is_terminal:
            self._console.print(Text(" ").join(cells), soft_wrap=True)  # one line each, so that grep finds it
            return
        columns = Table.grid(padding=(0, 1))
        columns.add_column(no_wrap=True)
        columns.add_column(no_wrap=True)
        columns.add_column()
        columns.add_row(*cells)
        self._console.print(columns, soft_wrap=False)

    def picture(self, status: Mapping[str, Any], world: float) -> None:
        """Draw the live table: every service, and how far the scenario is."""
        if self._live is None:
            return
        done = int(min(1.0, world / self._duration) * _BAR)
        bar = Text(f"{'█' * done}{'░' * (_BAR - done)} {self.clock(world)}", style="dim")
        self._live.update(Group(*(service_table(s) for s in status["services"]), bar), refresh=True)

    def compare(self, runs: Mapping[str, Mapping[str, Any]]) -> None:
        """Print the comparison at the end, and its result in a sentence."""
        self._console.print()
        self._console.print(comparison(runs))
        self._console.print(f"[dim]{LEGEND}[/]")
        self._console.print(verdict(runs), markup=False)
