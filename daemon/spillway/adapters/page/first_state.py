"""The page as it stands without JavaScript: what is wrong, and a table for each service, made from /status.

With JavaScript the scripts take its place as soon as the first answer of /status is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from spillway.control.told import STATE_WORDS

MOST_ROWS = 500
"""Regions shown at most; the rest are counted."""
MOST_LINES = 50
"""Alarms, orders and problems shown at most, of each."""

_RANK: Mapping[str, int] = {"page": 0, "ticket": 1, "note": 2}
"""Severities of alarms, the worst first."""

_COLUMNS = (
    *("region", "health", "Spillway", "served", "ceiling", "latency", "errors", "healthy", "scaler"),
    "data",
)


def first_state(status: Mapping[str, Any]) -> str:
    """HTML of the state at this moment. Everything in it is text."""
    return (
        '<div id="first">'
        f"<h1>{escape(headline(status))}</h1><p>{escape(status['name'])}, as of {_clock(status['now'])}. {escape(_sentence(status))}</p>"
        f"{_alarms(status)}{_list('Orders in force', map(_order, status.get('orders', ())))}"
        f"{_list('Freezes and planned work in force', _calendar(status['services']))}"
        f"{_list('Not read', status['problems'])}{_services(status['services'])}"
        "<noscript><p>Plots and explanations need JavaScript. This page asks again every 30 s.</p></noscript></div>"
    )


def headline(status: Mapping[str, Any]) -> str:
    """How many alarms are up, in a few words."""
    if not status["healthy"]:
        return "The daemon makes no progress: no tick has finished lately"
    loud = [alarm for alarm in status["alarms"] if not alarm.get("silenced_until")]
    if not loud and not status["ready"] and not status["tick"]:
        return "Stopped until somebody acts" if status["problems"] else "Starting"
    if not loud:
        return "No alarm"
    return f"{len(loud)} alarm{'s' * (len(loud) != 1)}"


def _sentence(status: Mapping[str, Any]) -> str:
    at = status["at"]
    when = f"Tick {status['tick']}, {_minutes(status['now'] - at)} ago: " if at is not None else ""
    return f"{when}{status['sentence']}"


def _alarms(status: Mapping[str, Any]) -> str:
    worst_first = sorted(status["alarms"], key=lambda alarm: _RANK.get(alarm.get("severity", ""), 1))
    loud: list[str] = []
    silenced: list[str] = []
    for alarm in worst_first:
        (silenced if alarm.get("silenced_until") else loud).append(_alarm(alarm))
    return f"{_list('Alarms', loud)}{_list('Silenced alarms', silenced)}"


def _alarm(alarm: Mapping[str, Any]) -> str:
    severity, since = alarm.get("severity"), alarm.get("since")
    parts = (
        f"[{severity}]" if severity else "",
        f"{alarm['service']}:" if alarm["service"] else "",
        f"{alarm['sentence']}",
        f"(since {_clock(since)})" if since else "",
    )
    return " ".join(part for part in parts if part)


def _order(order: Mapping[str, Any]) -> str:
    end = f"until {_clock(order['until'])}" if order["until"] is not None else "until it is taken back"
    what = f"{order['kind']} {order['region'] or ''}".strip()
    return f"{what} in {order['service'] or 'all services'}, by {order['by'] or 'somebody'}, {end}: {order['reason']}"


def _calendar(services: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for service in services:
        for window in service.get("calendar", ()):
            what = f"{window['region']} is kept empty" if window["region"] else "nothing moves"
            yield f"{service['service']}: {what} until {_clock(window['end'])}: {window['reason']}"


def _list(title: str, texts: Iterable[str]) -> str:
    lines = list(texts)
    if not lines:
        return ""
    shown = "".join(f"<li>{escape(line)}</li>" for line in lines[:MOST_LINES])
    more = f"<li>and {len(lines) - MOST_LINES} more</li>" if len(lines) > MOST_LINES else ""
    return f"<h2>{escape(title)}</h2><ul>{shown}{more}</ul>"


def _services(services: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    tables, rows = [], 0
    for service in services:
        shown = service["backends"][: max(0, MOST_ROWS - rows)]
        rows += len(service["backends"])
        if not shown:
            continue
        caption = f"{service['service']}: mode {service['mode']}, posture {service['posture']}, demand {_number(service['demand'])} requests/s"
        body = "".join(_row(backend) for backend in shown)
        tables.append(
            f'<div class="wide-table"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )
    more = f"<p>and {rows - MOST_ROWS} more regions: spillway status</p>" if rows > MOST_ROWS else ""
    return "".join(tables) + more


def _row(backend: Mapping[str, Any]) -> str:
    target, scaler = backend["target"], backend["scaler_wanted"]
    member = backend["member"]
    cells = (
        backend.get("health") or "-",
        STATE_WORDS.get(backend["state"], backend["state"]),
        _number(backend["served"]),
        _number(None if target is None or not member else target * scaler),
        _number(backend["latency"], 2, " s"),
        _percent(backend["error_ratio"], 1),
        _percent(backend["healthy_share"]),
        f"{scaler:.2f}" if member else "out",
        "-" if backend["age"] is None else f"{_minutes(backend['age'])} old",
    )
    columns = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(backend["region"])}</th>{columns}</tr>'


def _number(value: float | None, digits: int = 1, suffix: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{suffix}"


def _percent(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f}%"


def _minutes(seconds: float) -> str:
    """An age: `40 s`, then whole minutes."""
    return f"{max(0.0, seconds):.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
