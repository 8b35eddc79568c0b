"""`spillway run`: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from spillway.cli.options import config_option


@click.command(short_help="Run the daemon.")
@config_option
def run(config_path: Path) -> int:
    """Run the daemon: build the load balancer, watch it, move traffic, until SIGTERM.

    SIGHUP reads the configuration again: a good one takes effect between two ticks, a bad one changes nothing
    and is named in the log and in spillway_config_reloads_total. The daemon logs one line a tick to standard
    error and serves /metrics, /healthz, /readyz, /status and a page at / on `daemon.listen`.
    """
    from spillway import compose
    from spillway.config import load

    return compose.daemon(load.load(config_path), config_path).run()
