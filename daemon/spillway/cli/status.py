"""`spillway status`: what the running daemon sees, thinks and did last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import click
from rich.table import Table

from spillway.cli.connection import Trust, fetch_json, no_spillway, silent, trust_at, trust_of, url_of
from spillway.cli.console import err, hanging, out, print_json
from spillway.cli.options import ca_option, config_option, json_option, url_option
from spillway.control.told import STATE_WORDS, elapsed
from spillway.core.values.decision import span
from spillway.errors import PermanentError, TemporaryError
from spillway.exits import Exit

PLAIN: dict[str, Any] = {"box": None, "padding": (0, 2, 0, 0), "pad_edge": False, "header_style": "dim"}
"""Tables without rules."""
_NARROW = {**PLAIN, "padding": (0, 1, 0, 0)}
"""Eight columns fit into eighty characters."""

_MOST_NOTES = 20
"""Notes of one service that are shown."""
_SAME_AGE = 60.0
"""Seconds by which the ages of two regions' figures may differ and still be told as one: a sample."""
_DEADLINE = 5.0
_HEALTH_STYLES = {"ok": "green", "slow": "yellow", "saturated": "yellow", "failing": "red", "dead": "red"}
"""By health, not by what Spillway does; `idle` and `unknown` are dim."""
_SEVERITY_STYLES = {"page": "bold red", "ticket": "yellow", "note": "dim"}
_WITH_SCALER = frozenset({"degraded", "recovering", "pinned", "joining"})
"""States to which the scaler belongs."""


def fetch_status(url: str, trust: Trust = Trust()) -> dict[str, Any]:  # noqa: B008 a frozen value
    """The daemon's /status as plain data.

    Raises:
        TemporaryError: nobody answers there within five seconds, or with more than `LARGEST_ANSWER`.
        PermanentError: the daemon wants another token.
    """
    try:
        status = fetch_json(url, "/status", trust, _DEADLINE)
    except HTTPError as refused:
        refused.close()
        raise silent(url, refused) from refused
    if not {"services", "sentence"} <= status.keys():
        raise no_spillway(url)
    return status


@click.command(short_help="Show what the running daemon sees and did.")
@config_option
@url_option
@ca_option
@json_option
def status(config_path: Path, url: str | None, ca: Path | None, as_json: bool) -> int:
    """Show what is wrong now and since when, the orders in force, and every region: its health, and what Spillway does with it."""
    if url is None:
        found = fetch_configured(config_path, ca)
    else:
        found = fetch_status(address_of(url), trust_at(config_path, ca))
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


def fetch_configured(config_path: Path, ca: Path | None = None) -> dict[str, Any]:
    """The /status of the daemon of a configuration, also where it was started with another `daemon.listen`.

    Raises:
        TemporaryError: no daemon answers, neither there nor at its control socket.
    """
    return ask_configured(config_path, ca, fetch_status)


def ask_configured(
    config_path: Path, ca: Path | None, fetch: Callable[[str, Trust], dict[str, Any]]
) -> dict[str, Any]:
    """What `fetch` gets from the daemon of a configuration, also where it was started with another `daemon.listen`.

    Raises:
        TemporaryError: no daemon answers, neither there nor at its control socket.
    """
    from spillway.config import load

    daemon = load.daemon_section(config_path)
    url, trust = url_of(daemon), trust_of(daemon, ca)
    try:
        return fetch(url, trust)
    except TemporaryError:
        serving = told_page(load.state_dir(config_path))
        if serving in {"", url}:
            raise
    found = fetch(serving, trust)
    err.print(
        f"The daemon still serves at {serving}, not at {url}: a restart brings a change of daemon.listen into force.",
        markup=False,
        style="yellow",
    )
    return found


def told_page(state_dir: Path) -> str:
    """Where the daemon of a state folder says that its page is; empty where none answers this user."""
    from spillway.cli.orders import ask
    from spillway.control.requests import Command, Request
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


def service_table(service: dict[str, Any], later: float = 0.0) -> Table:
    """One service of /status as a table with a row for each region: what it is like, and what Spillway does with it.

    Args:
        service: as in /status.
        later: seconds since the pass that is shown.
    """
    title = f"{service['service']} · {service['mode']} · posture {service['posture']} · demand {number(service['demand'])} requests/s"
    table = Table(
        title="\n".join((title, *facts_line(service), figures_line(service, later))),
        title_justify="left",
        title_style="bold",
        **_NARROW,
    )
    for heading in ("region", "health", "Spillway", "served", "ceiling", "latency", "errors", "up"):
        left = heading in {"region", "health", "Spillway"}
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for backend in service["backends"]:
        health = backend.get("health", "unknown")
        target, scaler = backend["target"], backend["scaler_wanted"]
        table.add_row(
            backend["region"],
            f"[{_HEALTH_STYLES.get(health, 'dim')}]{health}[/]",
            steering(backend),
            number(backend["served"]),
            number(None if target is None or not backend["member"] else target * scaler),
            number(backend["latency"], 2, "s"),
            percent(backend["error_ratio"], 1),
            percent(backend["healthy_share"]),
        )
    return table


def steering(backend: dict[str, Any]) -> str:
    """What Spillway does with a region, in words: open, capped at 0.40, closing, closed, opening, held, standby and so on.

    Of a service in a steered split its weight stands in place of the scaler.
    """
    state: str = backend["state"]
    weight = backend.get("weight")
    word = STATE_WORDS.get(state, state)
    if state in _WITH_SCALER or (state == "held" and backend["scaler_wanted"] < 1.0):
        value = f"{backend['scaler_wanted']:.2f}" if weight is None else f"weight {weight:.0f}"
        return f"{word} at {value}"
    return word if weight is None or state != "serving" else f"{word}, weight {weight:.0f}"


def facts_line(service: dict[str, Any]) -> tuple[str, ...]:
    """What the users of a service get and what is left, as a line; none where nothing of it is known."""
    bad, burn = service.get("bad_share"), service.get("burn") or {}
    worst = max((rate for rate in burn.values() if rate is not None), default=0.0)
    survives = service.get("survives_loss")
    facts = (
        f"{percent(bad, 1)} bad" if bad is not None else "",
        f"burn rate {worst:.{0 if worst >= 10.0 else 1}f}" if worst > 1.0 else "",
        f"capacity {number(service['capacity'])}" if service.get("capacity") is not None else "",
        f"headroom {percent(service['headroom'])}" if service.get("headroom") is not None else "",
        "shortage" if service.get("shortage") else "",
        "" if survives is None else "N-1 holds" if survives else "N-1 does not hold",
    )
    line = " · ".join(fact for fact in facts if fact)
    return (line,) if line else ()


def note_lines(service: dict[str, Any]) -> list[str]:
    """Why the regions of a service are as they are, where that is more than health and state say."""
    notes = [
        f"Note: {note['sentence']}" for backend in service["backends"] for note in backend.get("notes", ())
    ]
    left = len(notes) - _MOST_NOTES
    return notes if left <= 0 else [*notes[:_MOST_NOTES], f"and {left} more notes: spillway status --json"]


def figures_line(service: dict[str, Any], later: float) -> str:
    """How old the figures of a service are: Cloud Monitoring shows samples some four minutes after they were taken."""
    ages = [b["age"] + later for b in service["backends"] if b.get("age") is not None]
    if not ages:
        return "no figures of its traffic"
    newest, oldest = elapsed(min(ages)), elapsed(max(ages))
    same = max(ages) - min(ages) < _SAME_AGE
    return f"figures of its traffic are {newest} old" + ("" if same else f", some {oldest}")


def render_status(found: dict[str, Any]) -> None:
    """Print /status for a person: what is wrong now, what people have ordered, then the regions."""
    later = 0.0 if found["at"] is None else max(0.0, found["now"] - found["at"])
    _print_alarms(found, later)
    for line in map(silence_line, found.get("silences", ())):
        out.print(hanging(line), markup=False, style="cyan", highlight=False)
    for line in map(order_line, found.get("orders", ())):
        out.print(hanging(line), markup=False, style="cyan", highlight=False)
    for service in found["services"]:
        for pin in service.get("foreign_pins", ()):
            out.print(foreign_line(service["service"], pin), markup=False, style="yellow", highlight=False)
    for service in found["services"]:
        out.print(service_table(service, later))
        for line in note_lines(service):
            out.print(line, markup=False, style="dim", highlight=False)
        if line := estimate_line(service):
            out.print(line, markup=False, style="dim", highlight=False)
    _print_parts(found)
    for problem in found["problems"]:
        out.print(f"Problem: {problem}", markup=False, style="yellow", highlight=False)
    if line := place_line(found):
        out.print(line, markup=False, style="dim", highlight=False)
    out.print(f"{age_line(found)} {found['sentence']}", markup=False, highlight=False)


def place_line(found: dict[str, Any]) -> str:
    """Which load balancer this is and where, and of a sandbox whose time is told; empty before it stands."""
    if not found.get("address"):
        return ""
    place = f"{found['name']} in {found['project']}, address {found['address']}"
    if found["cloud"] != "sandbox":
        return place
    return f"{place}. Times are the sandbox's, {found['speed']:g} times as fast as real ones."


def estimate_line(service: dict[str, Any]) -> str:
    """What acting has saved of a service by the model, and what advice would have; empty where it is nothing yet."""
    estimate = service.get("estimate")
    if not estimate:
        return ""
    since = moment(estimate["since"])
    acted, advised = estimate["saved_requests"], estimate["advised_requests"]
    parts = [
        *([f"acting has kept {_requests(acted)} from being bad"] if acted else ()),
        *([f"its advice would have kept {_requests(advised)} from being bad"] if advised else ()),
    ]
    return f"Since {since} {', and '.join(parts)} ({estimate['method']})." if parts else ""


def _requests(count: int) -> str:
    return f"{count:,} request{'s' * (count != 1)}"


def _print_alarms(found: dict[str, Any], later: float) -> None:
    """What is wrong now, the most urgent first, or that nothing is."""
    if not found["healthy"]:
        out.print(f"The daemon is stuck: its last pass ended {span(later)} ago.", style="bold red")
    elif not found["alarms"] and found["at"] is not None:
        out.print("Nothing is wrong: no alarm is up.", style="green")
    for alarm in found["alarms"]:
        line = alarm_line(alarm, found["now"])
        out.print(hanging(line), markup=False, style=alarm_style(alarm), highlight=False)
        if alarm["silenced_until"] is None:
            out.print(f"  {alarm['runbook']}", markup=False, style="dim", highlight=False)


def _print_parts(found: dict[str, Any]) -> None:
    """Parts of the load balancer that are not written, and settings of others that are kept."""
    for held in found.get("held", ()):
        field = f": {held['field']}" if held["field"] else ""
        line = f"Not written: {held['kind']} {held['name']}{field}"
        out.print(line, markup=False, style="yellow", highlight=False)
    for kept in found.get("kept", ()):
        line = f"Kept, not managed: {kept['kind']} {kept['name']}: {kept['field']}: {kept['value']}"
        out.print(line, markup=False, style="dim", highlight=False)


def alarm_line(alarm: dict[str, Any], now: float) -> str:
    """One alarm as a line: how urgent, whose, what, since when, and whether somebody has silenced it."""
    where = " ".join(part for part in (alarm["service"], alarm["region"] or "") if part)
    since = f"{alarm['code']}, since {moment(alarm['since'])}, {elapsed(max(0.0, now - alarm['since']))}"
    silenced = alarm["silenced_until"]
    if silenced is not None:
        since += f", silenced until {moment(silenced)}"
    sentence = alarm["sentence"]
    told = f"{where}: {sentence}" if where else sentence
    return f"{alarm['severity'].capitalize()}: {told} ({since})"


def alarm_style(alarm: dict[str, Any]) -> str:
    """The style of that line; a silenced one is dim."""
    return "dim" if alarm["silenced_until"] is not None else _SEVERITY_STYLES[alarm["severity"]]


def silence_line(silence: dict[str, Any]) -> str:
    """One silence in force as a line: what, where, by whom, until when and why."""
    where = " ".join(part for part in (silence["service"], silence["region"]) if part) or "all services"
    who = silence["by"] or "somebody"
    return f"Silence: {silence['code']} in {where}, by {who}, until {moment(silence['until'])}: {silence['reason']}"


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
