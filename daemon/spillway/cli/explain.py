"""`spillway explain`: the story of a move, or of its absence, in the order in which a person asks at night."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from spillway.adapters.journal.explain import said
from spillway.adapters.journal.moments import clock
from spillway.cli.console import out
from spillway.cli.history import alarm_line, width
from spillway.cli.options import ca_option, config_option, json_option, url_option
from spillway.cli.past import Moment, tell_past
from spillway.cli.status import percent


@click.command(short_help="Tell why something was done, or why nothing was.")
@click.argument("region", required=False)
@config_option
@url_option
@ca_option
@click.option(
    "--at",
    type=Moment(),
    default=None,
    help="The pass at or before this time: -2h, 03:12 or 2026-11-30T03:12Z (UTC); now by default.",
)
@click.option(
    "--id", "name", default=None, help="The decision of this name, as `--json` and the page give it."
)
@click.option("--service", default=None, help="Only this service.")
@json_option
def explain(
    region: str | None,
    config_path: Path,
    url: str | None,
    ca: Path | None,
    at: str | None,
    name: str | None,
    service: str | None,
    as_json: bool,
) -> int:
    """Tell the story of one pass, for REGION alone where one is given: situation, what was done, what else, and what came of it.

    It asks the running daemon, or reads the journal's file where none runs.
    """
    question = {"at": at, "id": name, "service": service, "region": region}
    return tell_past(
        "/explain", question, render_explain, as_json=as_json, config_path=config_path, url=url, ca=ca
    )


def render_explain(found: Mapping[str, Any]) -> None:
    """Print /explain for a person."""
    if "problem" in found:
        out.print(f"Problem: {found['problem']}", markup=False, style="yellow")
    for line in _wrapped(found["headline"], ""):
        out.print(line, markup=False, style="bold")
    for title, texts in _parts(found):
        if not texts:
            continue
        out.print()
        out.print(title, style="dim")
        for text in texts:
            for line in _wrapped(text, "  "):
                out.print(line, markup=False)
    links = [
        f"{word}: spillway explain --id {found[key]}"
        for word, key in (("Before", "before"), ("After", "after"))
        if found[key]
    ]
    if links:
        out.print()
        for link in links:
            out.print(link, markup=False, style="dim")


def _parts(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(title, its texts) in the order of the story."""
    yield "Shortly before", [f"{clock(e['at'])} {e['kind']}: {e['sentence']}" for e in found["events"]]
    yield "Alarms", [alarm_line(alarm) for alarm in found["alarms"]]
    yield "What was seen", list(found["situation"])
    yield "What was done", [_move(move, move["outcome"]) for move in found["did"]]
    applied = found["applied"]
    if applied is not None and applied["outcome"] not in {"done", "unchanged"} and found["did"]:
        yield "The write", [f"{applied['outcome']}: {applied['sentence']}"]
    yield "What was advised: the mode writes nothing", [_move(move, "") for move in found["advice"]]
    yield (
        "What else could have been done (expected share of bad requests)",
        [f"{percent(a['bad_share'], 1):>6}  {a['what']}: {a['why_not']}." for a in found["alternatives"]],
    )
    yield (
        "What was not allowed",
        [
            f"{_place(limit)} {limit['lever']} {limit['wanted']}: {limit['sentence']} ({limit['guard']})."
            for limit in found["limits"]
        ],
    )
    effect = found["effect"]
    if effect is not None:
        judgement: str = effect["judgement"]
        told = f"{clock(effect['at'])}: {effect['sentence']}."
        yield "What came of it", [told, f"{judgement[:1].upper()}{judgement[1:]}."]
    elif found["did"]:
        yield "What came of it", ["Not judged yet, or something else has changed meanwhile."]


def _move(move: Mapping[str, Any], outcome: str) -> str:
    word = f" ({outcome})" if outcome else ""
    return f"{said(move)}{word}: {move['reason']['sentence']}."


def _place(part: Mapping[str, Any]) -> str:
    return "/".join(filter(None, (part["service"], part["region"])))


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines none longer than there is room, those of a region further to the right."""
    inner = len(text) - len(text.lstrip())
    lead = f"{indent}{' ' * inner}"
    lines = textwrap.wrap(
        text.strip(), width(), initial_indent=lead, subsequent_indent=f"{lead}  ", break_on_hyphens=False
    )
    return lines or [lead]
