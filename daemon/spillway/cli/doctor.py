"""`spillway doctor`: what is installed, reachable and permitted, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from spillway.cli.console import out, print_json
from spillway.cli.options import config_option, json_option
from spillway.errors import ConfigError
from spillway.exits import Exit

_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]"}


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

    Changes nothing. Each permission that is missing is told with what it is for, and with the gcloud command that
    adds it. Ends with 0 if the daemon could run, with 3 if something it needs is missing.
    """
    from spillway.adapters.doctor import Finding, examine, examine_machine
    from spillway.adapters.permissions import Role
    from spillway.config import load
    from spillway.config.check import counted

    findings: list[Finding] = []
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
        findings = examine(loaded.config, config_path, Role(role) if role else None)
    failed = any(f.verdict == "fail" for f in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(f) for f in findings]})
    else:
        width = max(len(f.subject) for f in findings)
        for finding in findings:
            out.print(f"{_MARKS[finding.verdict]} [bold]{finding.subject:<{width}}[/] ", end="")
            out.print(finding.detail, markup=False)
            if finding.remedy and finding.verdict != "ok":
                out.print(f"     {'':<{width}} → {finding.remedy}", markup=False)
    return Exit.UNAVAILABLE if failed else Exit.OK
