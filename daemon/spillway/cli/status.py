"""`spillway status`: what the running daemon sees, thinks and did last."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from spillway.cli.console import out, print_json
from spillway.cli.options import config_option, json_option
from spillway.errors import TemporaryError
from spillway.exits import Exit

PLAIN: dict[str, Any] = {"box": None, "padding": (0, 2, 0, 0), "pad_edge": False, "header_style": "dim"}
"""Tables without rules: eight columns fit into eighty characters."""

_DEADLINE = 5.0
_STYLES = {
    "serving": "green",
    "degraded": "yellow",
    "draining": "red",
    "drained": "red",
    "recovering": "cyan",
}


def fetch_status(url: str) -> dict[str, Any]:
    """The daemon's /status as plain data.

    Raises:
        TemporaryError: nobody answers there within five seconds.
    """
    try:
        with urllib.request.urlopen(f"{url}/status", timeout=_DEADLINE) as answer:  # noqa: S310 the scheme is checked by the caller
            status: dict[str, Any] = json.load(answer)
            return status
    except (OSError, ValueError) as error:
        raise TemporaryError(
            f"no daemon answers at {url}: {getattr(error, 'reason', error)}",
            remedy="Is it running (systemctl status spillway)? Is daemon.listen the same?",
        ) from error


@click.command(short_help="Show what the running daemon sees and did.")
@config_option
@click.option(
    "--url",
    default=None,
    help="Address of the daemon instead of the config's, such as http://127.0.0.1:9464.",
)
@json_option
def status(config_path: Path, url: str | None, as_json: bool) -> int:
    """Show regions, scalers, latency and the last decision of the running daemon."""
    if url is None:
        from spillway.config import load

        url = f"http://{load.load(config_path).config.daemon.listen}"
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(
            f"{url!r} is no address. Write it as http://127.0.0.1:9464.", param_hint="--url"
        )
    found = fetch_status(url.rstrip("/"))
    if as_json:
        print_json(found)
        return Exit.OK
    render_status(found)
    return Exit.OK


def number(value: float | None, digits: int = 1, suffix: str = "") -> str:
    """A number for a table cell; a dash where nothing is known."""
    return "-" if value is None else f"{value:.{digits}f}{suffix}"


def percent(value: float | None, digits: int = 0) -> str:
    """A ratio as percent; a dash where nothing is known."""
    return "-" if value is None else f"{100 * value:.{digits}f}%"


def service_table(service: dict[str, Any]) -> Table:
    """One service of /status as a table with a row for each region."""
    title = (
        f"{service['service']} · posture {service['posture']} · demand {number(service['demand'])} requests/s"
    )
    table = Table(title=title, title_justify="left", title_style="bold", **PLAIN)
    table.add_column("region", no_wrap=True)
    for heading in ("state", "served", "ceiling", "latency", "errors", "healthy", "scaler"):
        table.add_column(heading, justify="left" if heading == "state" else "right", no_wrap=True)
    for backend in service["backends"]:
        state = backend["state"]
        target, scaler = backend["target"], backend["scaler_wanted"]
        table.add_row(
            backend["region"],
            f"[{_STYLES.get(state, 'dim')}]{state}[/]",
            number(backend["served"]),
            number(None if target is None else target * scaler),
            number(backend["latency"], 2, "s"),
            percent(backend["error_ratio"], 1),
            percent(backend["healthy_share"]),
            f"{scaler:.2f}" if backend["member"] else "out",
        )
    return table


def render_status(found: dict[str, Any]) -> None:
    """Print /status for a person."""
    for service in found["services"]:
        out.print(service_table(service))
    for problem in found["problems"]:
        out.print(f"Problem: {problem}", markup=False, style="yellow", highlight=False)
    out.print(found["sentence"], markup=False)
