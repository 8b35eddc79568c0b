"""`spillway adopt` and `unadopt`: take over a load balancer that stands, and let go of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from spillway.cli.console import err, out, print_json
from spillway.cli.options import config_option, json_option
from spillway.exits import Exit


@click.command(short_help="Take over a load balancer that stands, without changing it.")
@click.argument("name")
@click.option("--project", default=None, help="Project of the load balancer; else that of --base.")
@click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=Path("spillway.yaml"),
    show_default=True,
    help="File to write; it must not exist.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True),
    default=None,
    help="YAML file whose sections cloud, project, name, daemon, sandbox and policies the new file begins with.",
)
@json_option
def adopt(name: str, project: str | None, path: Path, base: Path | None, as_json: bool) -> int:
    """Take over the load balancer to which the global forwarding rule or URL map NAME belongs.

    Reads what stands, writes a configuration that says the same, and puts each resource into the engine's state by
    import. Not one field in the cloud is changed. Afterwards `spillway plan` has nothing to change. It is all or
    nothing: where something cannot be said, all that stands in the way is listed with the way out, and nothing is
    written. Ends with 4 then.
    """
    from spillway.adapters.adopt.refusals import RefusedError
    from spillway.compose.adoption import adopt as take_over
    from spillway.config.check import counted, render_problems

    try:
        adopted = take_over(name, project=project, path=path, base=base)
    except RefusedError as error:
        if as_json:
            print_json({"ok": False, "refused": [asdict(refusal) for refusal in error.refusals]})
            return Exit.REFUSED
        err.print(
            f"[bold red]refused[/] {name} cannot be taken over; nothing was written, neither here nor in the cloud:"
        )
        for refusal in error.refusals:
            where = f"{refusal.resource}  {refusal.field}".rstrip()
            err.print(f"  {where}\n    {refusal.why}\n    -> {refusal.remedy}", markup=False)
        return Exit.REFUSED
    if as_json:
        print_json(
            {
                "ok": True,
                "path": str(adopted.path),
                "project": adopted.project,
                "name": adopted.name,
                "engine": adopted.engine,
                "resources": list(adopted.resources),
                "notes": list(adopted.notes),
            }
        )
        return Exit.OK
    if adopted.warnings:
        err.print(render_problems(adopted.warnings, noun="warning"), markup=False)
    out.print(
        f"[green]done[/] {counted(len(adopted.resources), 'resource')} of {adopted.name} taken over, nothing in the cloud"
        f" changed. The configuration is {adopted.path}: read it, then `spillway plan -c {adopted.path}`."
    )
    for resource in adopted.resources:
        out.print(f"  = {resource}", markup=False)
    for note in adopted.notes:
        out.print(note, markup=False, soft_wrap=True)
    return Exit.OK


@click.command(short_help="Forget a load balancer and leave it in place.")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def unadopt(config_path: Path, yes: bool, as_json: bool) -> int:
    """Forget all resources of this configuration's stack, and leave every one of them in the cloud as it stands.

    Only the engine's state changes. What was built or adopted goes on serving; Spillway neither changes nor removes it
    any more. `spillway up` with the same configuration takes over again what `names` says; anything else it would find
    taken.
    """
    from spillway.compose.adoption import unadopt as let_go
    from spillway.config import load
    from spillway.config.check import counted

    loaded = load.load(config_path)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "unadopt asks before it forgets a load balancer, and there is nobody to ask. Add --yes."
            )
        click.confirm(
            f"Forget the load balancer {loaded.config.name!r} of project {loaded.config.project!r}, and leave it in place?",
            abort=True,
        )
    resources = let_go(loaded)
    if as_json:
        print_json({"ok": True, "forgotten": list(resources)})
        return Exit.OK
    out.print(
        f"[green]done[/] {counted(len(resources), 'resource')} forgotten. All of them stand in the cloud as they stood;"
        " nobody keeps them now."
    )
    for resource in resources:
        out.print(f"  {resource}", markup=False)
    return Exit.OK
