"""`spillway run`: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from spillway.cli.console import complain, complain_of_defect, err
from spillway.cli.options import config_option
from spillway.errors import SpillwayError
from spillway.exits import LASTING, Exit, exit_code


@click.command(short_help="Run the daemon.")
@config_option
@click.option(
    "--stay",
    is_flag=True,
    help="Where it cannot start and trying again would change nothing (exit codes 2, 4, 70), stay up, not ready, and say why;"
    " for containers, which are started again after every exit.",
)
def run(config_path: Path, stay: bool) -> int:
    """Run the daemon: build the load balancer, watch it, move traffic, until SIGTERM.

    SIGHUP reads the configuration again: a good one takes effect between two ticks, a bad one changes nothing
    and is named in the log and in spillway_config_reloads_total. The daemon logs one line a tick to standard
    error and serves /metrics, /healthz, /readyz, /status and a page at / on `daemon.listen`.
    """
    from spillway import compose
    from spillway.config import load

    while True:
        try:
            return compose.daemon(load.load(config_path), config_path).run()
        except SpillwayError as error:
            if not stay or exit_code(error) not in LASTING:
                raise
            complain(error)
            why = f"{error} {error.remedy}".strip()
        except Exception as error:
            if not stay:
                raise
            complain_of_defect()
            why = f"a defect in Spillway, please report it: {type(error).__name__}: {error}"
        err.print(
            "Spillway stays, not ready, until somebody acts: SIGHUP or a change of the configuration tries again.",
            markup=False,
        )
        if not compose.stay(why, config_path):
            return Exit.OK
