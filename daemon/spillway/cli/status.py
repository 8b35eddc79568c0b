"""`spillway status`: what the running daemon sees, thinks and did last."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from spillway.cli.console import err, out, print_json
from spillway.cli.options import config_option, json_option, url_option
from spillway.core.values.decision import span
from spillway.errors import PermanentError, TemporaryError, root_cause
from spillway.exits import Exit

PLAIN: dict[str, Any] = {"box": None, "padding": (0, 2, 0, 0), "pad_edge": False, "header_style": "dim"}
"""Tables without rules: eight columns fit into eighty characters."""

_DEADLINE = 5.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The daemon's page is near by as a rule: a proxy of the environment could not reach it."""
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
        with DIRECT.open(f"{url}/status", timeout=_DEADLINE) as answer:
            status = json.load(answer)
    except (OSError, ValueError, HTTPException, RecursionError) as error:
        raise TemporaryError(
            f"no daemon answers at {url}: {root_cause(error)}",
            remedy="Is it running (systemctl status spillway)? Is daemon.listen the same? --url names another address.",
        ) from error
    if not isinstance(status, dict) or not {"schema", "services", "sentence"} <= status.keys():
        raise TemporaryError(
            f"what answers at {url} is no Spillway", remedy="Is it the address of daemon.listen?"
        )
    return status


@click.command(short_help="Show what the running daemon sees and did.")
@config_option
@url_option
@json_option
def status(config_path: Path, url: str | None, as_json: bool) -> int:
    """Show regions, scalers, latency and the last decision of the running daemon."""
    found = fetch_configured(config_path) if url is None else fetch_status(address_of(url))
    if as_json:
        print_json(found)
        return Exit.OK
    render_status(found)
    return Exit.OK


def address_of(url: str) -> str:
    """`--url` without a slash at its end.

    Raises:
        click.BadParameter: it is no URL.
    """
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(
            f"{url!r} is no address. Write it as http://127.0.0.1:9464.", param_hint="--url"
        )
    return url.rstrip("/")


def serving_at(config_path: Path) -> str:
    """Where the daemon of a configuration serves, also where it was started with another `daemon.listen`.

    Raises:
        TemporaryError: no daemon answers, neither there nor at its control socket.
    """
    return _answering(config_path)[0]


def fetch_configured(config_path: Path) -> dict[str, Any]:
    """The /status of the daemon of a configuration, also where it was started with another `daemon.listen`.

    Raises:
        TemporaryError: no daemon answers, neither there nor at its control socket.
    """
    return _answering(config_path)[1]


def _answering(config_path: Path) -> tuple[str, dict[str, Any]]:
    """Address and /status of the daemon of a configuration."""
    from spillway.config import load

    url = f"http://{load.listen(config_path)}"
    try:
        return url, fetch_status(url)
    except TemporaryError:
        serving = _told_page(load.state_dir(config_path))
        if serving in {"", url}:
            raise
    found = fetch_status(serving)
    err.print(
        f"The daemon still serves at {serving}, not at {url}: a restart brings a change of daemon.listen into force.",
        markup=False,
        style="yellow",
    )
    return serving, found


def _told_page(state_dir: Path) -> str:
    """Where the daemon of a state folder says that its page is; empty where none answers this user."""
    from spillway.cli.orders import ask
    from spillway.control.orders import Command, Request
    from spillway.service.control_socket import NAME

    try:
        answer, _ = ask(state_dir / NAME, Request(command=Command.ORDERS), _DEADLINE)
    except (TemporaryError, PermanentError):
        return ""
    return answer.page


def number(value: float | None, digits: int = 1, suffix: str = "") -> str:
    """A number for a table cell; a dash where nothing is known."""
    return "-" if value is None else f"{value:.{digits}f}{suffix}"


def percent(value: float | None, digits: int = 0) -> str:
    """A ratio as percent; a dash where nothing is known."""
    return "-" if value is None else f"{100 * value:.{digits}f}%"


def service_table(service: dict[str, Any]) -> Table:
    """One service of /status as a table with a row for each region."""
    title = f"{service['service']} · {service['mode']} · posture {service['posture']} · demand {number(service['demand'])} requests/s"
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
            number(None if target is None or not backend["member"] else target * scaler),
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
    for alarm in found["alarms"]:
        whose = f"{alarm['service']}: " if alarm["service"] else ""
        out.print(f"Alarm: {whose}{alarm['sentence']}", markup=False, style="red", highlight=False)
    for line in map(order_line, found.get("orders", ())):
        out.print(line, markup=False, style="cyan", highlight=False)
    for service in found["services"]:
        for pin in service.get("foreign_pins", ()):
            out.print(foreign_line(service["service"], pin), markup=False, style="yellow", highlight=False)
    for held in found.get("held", ()):
        field = f": {held['field']}" if held["field"] else ""
        out.print(
            f"Not written: {held['kind']} {held['name']}{field}",
            markup=False,
            style="yellow",
            highlight=False,
        )
    for kept in found.get("kept", ()):
        line = f"Kept, not managed: {kept['kind']} {kept['name']}: {kept['field']}: {kept['value']}"
        out.print(line, markup=False, style="dim", highlight=False)
    for problem in found["problems"]:
        out.print(f"Problem: {problem}", markup=False, style="yellow", highlight=False)
    out.print(f"{age_line(found)} {found['sentence']}", markup=False, highlight=False)


def order_line(order: dict[str, Any]) -> str:
    """One order in force as a line: what, where, by whom, until when and why."""
    what = order["kind"]
    if order["kind"] == "mode":
        what = f"mode {order['mode']}"
    elif order["region"] is not None:
        scaler = "" if order["scaler"] is None else f" at {order['scaler']:.2f}"
        what = f"{order['kind']} {order['region']}{scaler}"
    end = "until it is taken back" if order["until"] is None else f"until {moment(order['until'])}"
    force = ", by force" if order["force"] else ""
    where, who = order["service"] or "all services", order["by"] or "somebody"
    return f"Order {order['number']}: {what} in {where}{force}, by {who}, {end}: {order['reason']}"


def foreign_line(service: str, pin: dict[str, Any]) -> str:
    """A lever that somebody else has set and that is left alone, as a line."""
    lever = pin["lever"] if pin["region"] is None else f"{pin['region']} {pin['lever']}"
    end = "until a person decides" if pin["until"] is None else f"until {moment(pin['until'])}"
    return f"Changed from outside: {service}: {lever} is {pin['value']} instead of {pin['wanted']}; left alone {end}"


def moment(seconds: float) -> str:
    """UTC seconds as a date and a time."""
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def age_line(found: dict[str, Any]) -> str:
    """Which tick is shown and how old it is, and whether the daemon still makes progress."""
    if found["at"] is None:
        return "No tick yet."
    when = datetime.fromtimestamp(found["at"], tz=UTC)
    age = max(0.0, found["now"] - found["at"])
    stuck = "" if found["healthy"] else ", and the daemon is stuck (see /healthz)"
    return f"Tick {found['tick']} at {when:%H:%M:%S} UTC, {span(age)} ago{stuck}:"
