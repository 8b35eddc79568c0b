"""`spillway check`: read a configuration and name every mistake in it."""

from __future__ import annotations

from pathlib import Path

import click

from spillway.cli.console import err, out, print_json
from spillway.cli.options import config_option, json_option
from spillway.exits import Exit


@click.command(short_help="Read a configuration and name every mistake in it.")
@config_option
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of the configuration, for editors, and stop."
)
@json_option
def check(config_path: Path, schema: bool, as_json: bool) -> int:
    """Check a configuration; report all its problems at once, each with its line and its remedy.

    Reads files only: it needs no account, network or daemon. Ends with 0 if the configuration can be used.
    """
    from spillway.config import load
    from spillway.config.check import counted, render_problems
    from spillway.config.steering import steering

    if schema:
        from spillway.config.document import schema as json_schema

        print_json(json_schema())
        return Exit.OK
    loaded = load.load(config_path)
    fleet = load.fleet(loaded.config)
    levers = steering(loaded.config)
    if as_json:
        print_json(
            {
                "ok": True,
                "path": str(config_path),
                "digest": loaded.digest,
                "steering": dict(levers),
                "warnings": [
                    {"file": w.file, "line": w.line, "path": w.path, "message": w.message, "remedy": w.remedy}
                    for w in loaded.warnings
                ],
            }
        )
        return Exit.OK
    if loaded.warnings:
        err.print(render_problems(loaded.warnings, noun="warning"), markup=False)
    regions = {backend.region for service in fleet.services for backend in service.backends}
    out.print(
        f"[green]ok[/] {config_path}: {counted(len(fleet.services), 'service')} in {counted(len(regions), 'region')}, cloud {loaded.config.cloud}"
    )
    for name, sentence in levers.items():
        out.print(f"{name}: {sentence}", markup=False, soft_wrap=True)
    return Exit.OK
