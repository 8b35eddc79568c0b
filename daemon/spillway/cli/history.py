"""`spillway history`: what was decided and done, as a table; oldest first, so that the newest stands above the prompt."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from spillway.adapters.journal.decided import MOST
from spillway.adapters.journal.explain import said
from spillway.adapters.journal.moments import FORMS, clock, stamp
from spillway.cli.console import out
from spillway.cli.options import ca_option, config_option, json_option, url_option
from spillway.cli.past import Moment, tell_past

F = TypeVar("F", bound=Callable[..., Any])

WIDTH = 80
"""Columns where the output is no terminal, and at most on one: longer lines are hard to read."""
_TIME = 10
"""Columns of a date or a time."""
_TICK = 4
"""Columns of a tick's number at least; a daemon passes 9999 within a week."""


def where_options(function: F) -> F:
    """`--service` and `--region`."""
    function = click.option("--region", default=None, help="Only what concerns this region.")(function)
    return click.option("--service", default=None, help="Only what concerns this service.")(function)


@click.command(short_help="Show what was decided and done, and why.")
@config_option
@url_option
@ca_option
@click.option(
    "--since",
    type=Moment(),
    default="6h",
    show_default=True,
    help=f"Begin here. {FORMS}",
)
@click.option("--until", type=Moment(), default=None, help="End here; now by default.")
@where_options
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=50,
    show_default=True,
    help="So many of the newest entries.",
)
@json_option
def history(
    config_path: Path,
    url: str | None,
    ca: Path | None,
    since: str,
    until: str | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Show the decisions of a time: moves, advice, what was refused, alarms, orders, and what came of moves.

    It asks the running daemon, or reads the journal's file where none runs. All times are UTC.
    """
    question = {"since": since, "until": until, **asked}
    return tell_past(
        "/decisions", question, render_history, as_json=as_json, config_path=config_path, url=url, ca=ca
    )


def width() -> int:
    """Columns to write in."""
    return min(out.width, 100) if out.is_terminal else WIDTH


def render_history(found: Mapping[str, Any]) -> None:
    """Print /decisions for a person."""
    if "problem" in found:
        out.print(f"Problem: {found['problem']}", markup=False, style="yellow")
    entries = list(reversed(found["decisions"]))
    if not entries:
        newest = found.get("newest")
        where = "" if newest is None else f" The newest record is of {stamp(newest)}."
        out.print(f"Nothing is recorded in this time.{where}", highlight=False)
        return
    ticks = max(_TICK, *(len(str(entry["tick"])) for entry in entries))
    out.print(f"{'UTC':<{_TIME}}  {'tick':>{ticks}}  what", style="dim")
    day = ""
    for entry in entries:
        date = stamp(entry["at"])[:10]
        if date != day:
            out.print(date, style="dim", highlight=False)
            day = date
        first, *more = _wrapped(entry, width() - _TIME - ticks - 4)
        _print(f"{clock(entry['at']):<{_TIME}}  {entry['tick'] or '':>{ticks}}  {first}")
        for line in more:
            _print(f"{'':{_TIME + ticks + 4}}{line}")
    if found["left_out"]:
        out.print(f"{found['left_out']} older entries are not shown; --limit shows more, up to {MOST}.")
    out.print("`spillway explain --at TIME` tells the story of one of them.", markup=False)


def _print(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _wrapped(entry: Mapping[str, Any], room: int) -> Iterator[str]:
    """The lines of an entry, none longer than `room`."""
    for text, indent in _told(entry):
        yield from textwrap.wrap(
            text,
            room,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )


def alarm_line(alarm: Mapping[str, Any]) -> str:
    """How urgent an alarm is, whom it concerns, and its sentence; one of an older version says less."""
    severity = f"{alarm['code']} ({alarm['severity']}): " if "severity" in alarm else ""
    whose = f"{alarm['service']}: " if alarm["service"] else ""
    return f"{severity}{whose}{alarm['sentence']}"


def _told(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(text, indentation) of what an entry says, in the order in which it happened."""
    if entry["kind"] not in {"tick", "health"}:
        by = " by" if entry.get("by") and entry.get("command") != "expired" else ":"
        yield f"{entry['kind']}{by} {entry['sentence']}", ""
        return
    outcome = entry["applied"]["outcome"] if entry["applied"] is not None else "waiting"
    for move in entry["moves"]:
        yield f"{said(move)}: {outcome}", ""
        yield move["reason"]["sentence"], "  "
    for move in entry["advice"]:
        yield f"would: {said(move)}", ""
        yield move["reason"]["sentence"], "  "
    if entry["applied"] is not None and outcome not in {"done", "unchanged"}:
        yield f"the write ended {outcome}: {entry['applied']['sentence']}", ""
    if not entry["moves"] and not entry["advice"]:
        more = f" ({entry['times']} times until {clock(entry['last_at'])})" if entry["times"] > 1 else ""
        yield f"{entry['sentence']}{more}", ""
    for refusal in entry["refusals"]:
        where = "/".join(filter(None, (refusal["service"], refusal["region"])))
        yield (
            f"not done: {where} {refusal['lever']} {refusal['wanted']} ({refusal['guard']}): {refusal['sentence']}",
            "",
        )
    for alarm in entry["alarms"]:
        word = "alarm over" if alarm["status"] == "resolved" else "alarm"
        yield f"{word}: {alarm_line(alarm)}", ""
    for verdict in entry["verdicts"]:
        yield f"came of it: {verdict['service']}: {verdict['sentence']}", ""
