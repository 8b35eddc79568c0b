"""`spillway doctor`: what is installed, reachable and permitted, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from spillway.cli.checklist import Cloud, Mark, Section, checklist, count
from spillway.cli.console import out, print_json
from spillway.cli.options import config_option, json_option
from spillway.errors import ConfigError
from spillway.exits import Exit

_STYLES: dict[Mark, str] = {"ok": "green", "warn": "yellow", "missing": "bold red", "skipped": "dim"}
_WIDTH = max(map(len, _STYLES))


@click.command(short_help="Say what is missing here, and what to do.")
@config_option
@click.option(
    "--role",
    type=click.Choice(["run", "build"]),
    default=None,
    help="Whose permissions must be there.  [default: run, and build if any of it is granted]",
)
@json_option
def doctor(config_path: Path, role: str | None, as_json: bool) -> int:
    """Examine this machine and the cloud: engine, state folder, addresses, credentials, permissions, clock.

    A checklist: ok, missing (with the way out), warn for what deserves a look, skipped for what cannot be examined before
    something else is mended; the count at the end. Changes nothing. Each permission that is missing is told with what it is for, and with the gcloud command that
    adds it. Ends with 0 if the daemon could run, with 3 if something it needs is missing.
    """
    from spillway.adapters.doctor import Finding, examine, examine_machine
    from spillway.adapters.permissions import Role
    from spillway.config import load
    from spillway.config.check import counted

    findings: list[Finding] = []
    cloud: Cloud | None = None
    try:
        loaded = load.load(config_path)
    except ConfigError as error:
        findings = [
            *examine_machine(),
            Finding(
                verdict="fail",
                subject="configuration",
                detail=f"{config_path}: {counted(len(error.problems), 'problem')}, the first: {error.problems[0]}",
                remedy="Run `spillway check` to see all of them.",
            ),
        ]
    else:
        cloud = loaded.config.cloud
        findings = examine(loaded.config, config_path, Role(role) if role else None)
    failed = any(f.verdict == "fail" for f in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(f) for f in findings]})
    else:
        _print(checklist(findings, cloud))
    return Exit.UNAVAILABLE if failed else Exit.OK


def _print(sections: tuple[Section, ...]) -> None:
    """A line for each check, below it the way out where one is needed, and the count at the end."""
    width = max(len(item.subject) for section in sections for item in section.items)
    for section in sections:
        out.print(f"[bold]{section.title}[/]")
        for item in section.items:
            style = _STYLES[item.mark]
            out.print(f"  [{style}]{item.mark:<{_WIDTH}}[/]  {item.subject:<{width}}  ", end="")
            out.print(item.detail, markup=False)
            if item.remedy:
                out.print(f"  {'':<{_WIDTH}}  → {item.remedy}", markup=False)
    out.print()
    out.print(count(sections), markup=False)
