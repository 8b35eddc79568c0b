"""`spillway journal export`: the journal as a table for other tools."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from spillway.adapters.journal.moments import FORMS, parse_span
from spillway.adapters.journal.schema import NAME, open_reader
from spillway.cli.console import drop_output, err
from spillway.cli.options import config_option
from spillway.cli.past import Moment
from spillway.errors import TemporaryError
from spillway.exits import Exit

_EVER = 100 * 365 * 86400.0
"""Seconds that are exported where nobody says since when."""


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Where to write so that `target` is replaced whole or not at all; a device or a pipe is written as it stands.

    Raises:
        TemporaryError: it cannot be written.
    """
    whole = target.exists() and not target.is_file()
    fresh = target if whole else target.with_name(f"{target.name}.part")
    try:
        try:
            yield fresh
            if not whole:
                fresh.replace(target)
        except BaseException:
            if not whole:
                with suppress(OSError):
                    fresh.unlink()
            raise
    except OSError as error:
        raise TemporaryError(
            f"{target} cannot be written: {error.strerror or error}",
            remedy="Name a file in a folder that is there and that you may write to, on a disk with room.",
        ) from error


@click.group(short_help="Work with the journal of a state folder.")
def journal() -> None:
    """The journal: what was seen, decided and done."""


@journal.command(short_help="Write the journal as CSV or Parquet.")
@config_option
@click.option(
    "--since", type=Moment(), default=None, help=f"Begin here; all that is kept by default. {FORMS}"
)
@click.option("--until", type=Moment(), default=None, help="End here; now by default.")
@click.option(
    "--table",
    type=click.Choice(["figures", "moves"]),
    default="figures",
    show_default=True,
    help="`figures`: one row for each tick, service and region. `moves`: one row for each move and each new advice.",
)
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option(
    "--out",
    "target",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="File to write, replaced whole; - for standard output (CSV alone).",
)
def export(
    config_path: Path, since: str | None, until: str | None, table: str, form: str, target: Path
) -> int:
    """Write the journal's file as a table, also while the daemon runs. All times are UTC."""
    from spillway.adapters.journal.export import TABLES, parquet_writer, rows_of, write_csv
    from spillway.config import load

    to_stdout = str(target) == "-"
    if form == "parquet" and to_stdout:
        raise click.BadParameter("Parquet needs a file.", param_hint="--out")
    write_parquet = parquet_writer() if form == "parquet" else None
    path = load.state_dir(config_path) / "journal" / NAME
    with open_reader(path, 10.0) as connection:
        newest = connection.execute("SELECT max(at) FROM records").fetchone()[0] or 0.0
    span = parse_span(since, until, max(time.time(), newest), default=_EVER)
    columns, rows = TABLES[table], rows_of(path, table, span)
    if to_stdout:
        try:
            count = write_csv(sys.stdout, columns, rows)
        except BrokenPipeError:
            drop_output()  # nobody reads on
            return Exit.OK
    else:
        with _replacing(target) as fresh:
            if write_parquet is not None:
                count = write_parquet(fresh, columns, rows)
            else:
                with fresh.open("w", newline="", encoding="utf-8") as file:
                    count = write_csv(file, columns, rows)
    err.print(f"{count} rows.", style="dim")
    return Exit.OK
