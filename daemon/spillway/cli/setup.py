"""`spillway setup`: get the Pulumi engine and its Google plugin."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from spillway.cli.console import err, out, print_json
from spillway.cli.options import json_option
from spillway.exits import Exit


@click.command(short_help="Get the Pulumi CLI and its Google plugin.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    show_default="$PULUMI_HOME or ~/.pulumi",
    help="Folder for the engine and its plugins.",
)
@json_option
def setup(home: Path | None, as_json: bool) -> int:
    """Get the Pulumi CLI and its gcp plugin in the versions that this Spillway was tested with.

    `cloud: gcp` needs both; the sandbox works without. Where the network does not allow the download,
    it says exactly which files to put where.
    """
    from spillway.adapters.engine.pulumi_cli.installation import install_missing

    result = install_missing(home)
    if as_json:
        print_json(asdict(result))
    else:
        for line in result.lines:
            (out if result.ok else err).print(line, markup=False)
    return Exit.OK if result.ok else Exit.UNAVAILABLE
