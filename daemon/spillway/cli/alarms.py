"""`spillway alarms`, `silence` and `unsilence`: what is wrong now, and what of it is known already.

They go over the control socket in the daemon's state folder, as orders do.
"""

from __future__ import annotations

from typing import Any

import click

from spillway.cli.console import hanging, out
from spillway.cli.orders import Limited, daemon_options, send, show
from spillway.cli.status import alarm_line, alarm_style, silence_line
from spillway.control.requests import MOST_SECONDS, Answer, Command, Request, Verdict
from spillway.service.protocol import DEFAULT_WAIT


@click.command(short_help="List what is wrong now.")
@daemon_options(DEFAULT_WAIT)
def alarms(**where: Any) -> int:
    """List the alarms that are up, the most urgent first, and the silences in force."""
    return send(Request(command=Command.ALARMS), shown=_show_alarms, **where)


@click.command(short_help="Tell nobody of a known alarm for a while.")
@click.argument("code")
@click.option("--service", default=None, help="In this service alone; in all by default.")
@click.option("--region", default=None, help="In this region alone; in all by default.")
@click.option(
    "--for",
    "lasting",
    type=Limited(),
    default="2h",
    show_default=True,
    help=f"How long, up to {MOST_SECONDS / 86_400:g}d (the world's time on a sandbox).",
)
@click.option("--reason", required=True, help="Why, for whoever is on call.")
@daemon_options(DEFAULT_WAIT)
def silence(
    code: str, service: str | None, region: str | None, lasting: float, reason: str, **where: Any
) -> int:
    """Silence the alarm CODE: no webhook tells it, and it stays visible everywhere. It ends by itself."""
    request = Request(
        command=Command.SILENCE,
        code=code,
        service=service,
        region=region,
        seconds=lasting,
        reason=reason,
    )
    return send(request, **where)


@click.command(short_help="End a silence.")
@click.argument("code")
@click.option("--service", default=None, help="The one for this service alone.")
@click.option("--region", default=None, help="The one for this region alone.")
@daemon_options(DEFAULT_WAIT)
def unsilence(code: str, service: str | None, region: str | None, **where: Any) -> int:
    """End the silences of the alarm CODE. If it is up, webhooks tell it now."""
    return send(Request(command=Command.UNSILENCE, code=code, service=service, region=region), **where)


def _show_alarms(request: Request, answer: Answer, document: dict[str, Any]) -> None:
    """Print the list for a person."""
    show(request, answer, document)
    if answer.verdict is not Verdict.DONE:
        return
    for alarm in document["alarms"]:
        line = hanging(alarm_line(alarm, document["at"]))
        out.print(line, markup=False, style=alarm_style(alarm), highlight=False)
        out.print(f"  {alarm['runbook']}", markup=False, style="dim", highlight=False)
    if document["left_out"]:
        out.print(f"and {document['left_out']} more")
    for silence_found in document["silences"]:
        out.print(hanging(silence_line(silence_found)), markup=False, style="cyan", highlight=False)
