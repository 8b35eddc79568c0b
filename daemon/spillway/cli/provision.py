"""`spillway plan`, `up` and `destroy`: the load balancer without the daemon."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spillway.cli.console import confirmed, err, out, print_json
from spillway.cli.options import config_option, json_option
from spillway.errors import SpillwayError, TemporaryError
from spillway.exits import Exit
from spillway.ports import Applied, Outcome

if TYPE_CHECKING:
    from spillway.compose.tools import Provisioner
    from spillway.config.load import Loaded

_CODES = {
    Outcome.DONE: Exit.OK,
    Outcome.UNCHANGED: Exit.OK,
    Outcome.REFUSED: Exit.REFUSED,
    Outcome.CONFLICT: Exit.FAILED,
    Outcome.FAILED: Exit.FAILED,
    Outcome.UNKNOWN: Exit.UNKNOWN,
}

_GOOD = frozenset({Outcome.DONE, Outcome.UNCHANGED})

_REFUSED = "`spillway doctor` looks at permissions; `spillway plan` shows what would be changed."
_AGAIN = "If Google names a setting, correct it first. Then give the same command again: it reads what stands, repairs what is left half done, and goes on from there."


@click.command(short_help="Show what would be built or changed.")
@config_option
@json_option
def plan(config_path: Path, as_json: bool) -> int:
    """Show what `spillway run` would build or change, beside what stands now: what somebody deleted or edited shows. Touches nothing.

    Ends with 3 where what stands cannot be read: nobody knows then what would change.
    """
    from spillway import compose
    from spillway.adapters.engine.describe import render_preview
    from spillway.config import load

    provisioner = compose.provisioner(load.load(config_path))
    if (error := provisioner.unread) is not None:
        raise TemporaryError(
            f"What stands could not be read, so nobody knows what would change: {error}", remedy=error.remedy
        ) from error
    preview = provisioner.deployer.preview(provisioner.overlay)
    if as_json:
        print_json({"engine": provisioner.deployer.kind, **asdict(preview)})
    else:
        err.print(f"[dim]engine: {provisioner.deployer.kind}[/]")
        out.print(render_preview(preview, colour=out.is_terminal), markup=False)
    return Exit.OK


@click.command(short_help="Build the load balancer and print its address.")
@config_option
@json_option
def up(config_path: Path, as_json: bool) -> int:
    """Build the load balancer, or bring it to what the configuration says, and print its address.

    What stands is read first, and what somebody deleted is made anew.
    Scalers, posture and membership that a daemon has chosen are kept. Refuses while a daemon runs on the same state.
    """
    from spillway import compose
    from spillway.config import load

    with compose.exclusive(load.load(config_path)) as provisioner:
        recovered = provisioner.deployer.recover()
        if recovered:
            err.print(recovered, markup=False)
        applied = provisioner.build()
    return _finish(_advised(applied, provisioner), provisioner.deployer.kind, as_json=as_json)


@click.command(short_help="Remove all that was built.")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def destroy(config_path: Path, yes: bool, as_json: bool) -> int:
    """Remove everything that Spillway made for this configuration, the address too; lists it and asks first.

    Ends with 130 where the answer is no: nothing was deleted then.
    """
    from spillway import compose
    from spillway.config import load

    loaded = load.load(config_path)
    if not yes and not _told_what_goes(loaded, quiet=as_json):
        return Exit.INTERRUPTED
    with compose.exclusive(loaded) as provisioner:
        recovered = provisioner.deployer.recover()
        if recovered:
            err.print(recovered, markup=False)
        applied = provisioner.destroy()
    return _finish(_advised(applied, provisioner), provisioner.deployer.kind, as_json=as_json)


def _told_what_goes(loaded: Loaded, *, quiet: bool) -> bool:
    """List all that would be deleted, and ask; whether it may be.

    Raises:
        SpillwayError: the engine's state cannot be read.
        click.UsageError: nobody can be asked.
    """
    from spillway import compose
    from spillway.config.check import counted

    config = loaded.config
    if sys.stdin.isatty():  # else there is nobody to read the list
        resources = compose.standing_resources(loaded)
        show = err if quiet else out
        show.print(f"{counted(len(resources), 'resource')} of {config.name!r} in project {config.project!r}:")
        for resource in resources:
            show.print(f"  - {resource}", markup=False)
    return confirmed("Delete all of it? It cannot be brought back.", "Nothing was deleted.")


def _document(applied: Applied, engine: str) -> dict[str, Any]:
    """The result of an engine call as JSON: changes, outputs and refusals have the shape that they have everywhere."""
    changes = [
        {"operation": operation, "kind": "", "name": name, "details": []}
        for operation, name in applied.changes
    ]
    refused = [{"service": service, "sentence": sentence} for service, sentence in applied.refused]
    return {
        "engine": engine,
        **asdict(applied),
        "changes": changes,
        "outputs": dict(applied.outputs),
        "refused": refused,
    }


def _advised(applied: Applied, provisioner: Provisioner) -> Applied:
    """The result of an engine call that has no remedy of its own, with what to do next; `unknown` says in its sentence what happens next."""
    if applied.remedy or applied.outcome in _GOOD:
        return applied
    if applied.outcome is Outcome.REFUSED:
        return replace(applied, remedy=_REFUSED)
    with suppress(SpillwayError):
        if (unread := provisioner.unread) is not None:
            return replace(applied, remedy=unread.remedy)
    return replace(applied, remedy=_AGAIN)


def _finish(applied: Applied, engine: str, *, as_json: bool) -> int:
    """Print what became of an engine call and return its exit code."""
    if as_json:
        print_json(_document(applied, engine))
        return _code(applied)
    good = applied.outcome in _GOOD
    word = "done" if good else applied.outcome.value
    (out if good else err).print(f"[{'green' if good else 'bold red'}]{word}[/] ", end="")
    (out if good else err).print(applied.sentence, markup=False)
    if not good:
        if applied.remedy:
            err.print(f"      {applied.remedy}", markup=False)
        return _code(applied)
    names = [name.removeprefix("urls.") for name, _ in applied.outputs]
    width = max(map(len, names), default=0)
    for name, (_, value) in zip(names, applied.outputs, strict=True):
        # a path may hold what the console takes for markup
        out.print(f"  {name:<{width}}  {value}", markup=False)
    return _code(applied)


def _code(applied: Applied) -> Exit:
    """The exit code of an engine call."""
    if not applied.begun:
        return Exit.REFUSED if applied.lasting else Exit.UNAVAILABLE
    return _CODES[applied.outcome]
