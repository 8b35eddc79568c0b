"""`spillway init`: the first configuration of a load balancer, from a few answers or from flags alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from spillway.cli.console import err, out, print_json
from spillway.cli.init_groups import (
    CHOOSE,
    FAMILIES,
    chosen,
    matching,
    named_groups,
    one_family,
    projects_in,
    refuse_mixture,
    table,
)
from spillway.cli.options import json_option
from spillway.config.backends import STEERABLE, GroupKind
from spillway.config.check import counted, render_problems
from spillway.config.fields import parse_duration
from spillway.config.starter import (
    MARK,
    UNMEASURED_RATE,
    Starter,
    StarterGroup,
    StarterSandbox,
    by_region,
    render,
    unmeasured,
)
from spillway.errors import ConfigError, PermanentError
from spillway.exits import Exit

if TYPE_CHECKING:
    from spillway.config.load import Loaded

T = TypeVar("T")

_HTTP, _GRPC = "127.0.0.1:8480", "127.0.0.1:8481"
"""Where a sandbox listens by itself."""
_STATE_DIR = "/var/lib/spillway"
_LATENCY = "4s"
_HEALTH = "/healthz"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What the flags say."""

    project: str | None
    from_project: bool
    regions: tuple[str, ...]
    match: tuple[str, ...]
    kind: str | None
    name: str
    target: float | None
    latency: str | None
    health_path: str | None
    domain: str | None
    state: str | None
    state_dir: str | None
    sandbox: bool
    http: str
    grpc: str
    asks: bool
    """True where a person answers what the flags leave open."""


@click.command(short_help="Write the first configuration of a load balancer.")
@click.option("--project", default=None, help="ID of the project that has the groups.")
@click.option("--from-project", is_flag=True, help="Read the groups from the project; changes nothing there.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION=GROUP[,GROUP]",
    help="Groups of a region: URLs, or ZONE/NAME of zonal network endpoint groups. May be given several times.",
)
@click.option(
    "--match",
    multiple=True,
    metavar="PATTERN",
    help="Of the project's groups take those with such a name, as in 'chat-*'.",
)
@click.option(
    "--kind", type=click.Choice(list(FAMILIES)), default=None, help="Of the project's groups take this kind."
)
@click.option("--name", default="spillway", show_default=True, help="Prefix of all that Spillway makes.")
@click.option(
    "--target",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Measured requests/s that one endpoint or instance takes.  [default: a guess, marked in the file]",
)
@click.option(
    "--latency", default=None, help=f"Time in which 95 % of answers must come.  [default: {_LATENCY}]"
)
@click.option(
    "--health-path", default=None, help=f"Path that says an endpoint can serve.  [default: {_HEALTH}]"
)
@click.option("--domain", default=None, help="Serve HTTPS under this name.  [default: plain HTTP]")
@click.option(
    "--state",
    default=None,
    help="Where Pulumi keeps its state, such as gs://BUCKET/PATH.  [default: below --state-dir]",
)
@click.option("--state-dir", default=None, help=f"The daemon's folder.  [default: {_STATE_DIR}]")
@click.option("--sandbox", is_flag=True, help="For the simulated cloud of `spillway sandbox`, to try it.")
@click.option("--http", default=_HTTP, show_default=True, help="Address of the sandbox's Compute.")
@click.option("--grpc", default=_GRPC, show_default=True, help="Address of the sandbox's Cloud Monitoring.")
@click.option(
    "--out",
    "path",
    type=click.Path(path_type=Path),
    default=Path("spillway.yaml"),
    show_default=True,
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--yes", is_flag=True, help="Ask nothing; take the default of what no flag says.")
@json_option
def init(path: Path, force: bool, yes: bool, as_json: bool, **flags: object) -> int:
    """Write a short configuration that can be used, in mode `observe`, with a comment on every line that matters.

    Asks for project, regions and groups, or reads the groups from the project (--from-project). What a flag says is
    not asked; without a terminal, or with --yes, nothing is. The result is checked before it is written, and a file
    that is there stays as it is. Nothing in the cloud changes.

    \b
      spillway init
      spillway init --project my-project-123 --from-project --match 'chat-*' --yes
      spillway init --project my-project-123 --region us-east4=us-east4-a/chat --target 12 --yes
      spillway init --sandbox --yes
    """  # noqa: D301 click wants the backspace itself, which keeps the lines below it as they are
    from spillway.compose.starting import refuse_existing, write_checked

    given = _Given(**flags, asks=not yes and sys.stdin.isatty())  # type: ignore[arg-type]  # click's names are the fields
    refuse_existing(path, force=force)
    starter, notes = _starter(given, path)
    try:
        loaded = write_checked(path, render(starter), force=force)
    except ConfigError:
        err.print("Nothing was written: these answers make no configuration that can be used.")
        raise
    guesses = unmeasured(starter)
    if as_json:
        print_json(
            {
                "ok": True,
                "path": str(path),
                "cloud": loaded.config.cloud,
                "project": loaded.config.project,
                "regions": {
                    region: [group.url or group.name for group in groups]
                    for region, groups in by_region(starter.groups).items()
                },
                "unmeasured": list(guesses),
                "warnings": [
                    {"line": w.line, "path": w.path, "message": w.message, "remedy": w.remedy}
                    for w in loaded.warnings
                ],
                "notes": notes,
                "next": [command for command, _ in _next(path, starter)],
            }
        )
        return Exit.OK
    _tell(path, starter, loaded, notes)
    return Exit.OK


def _tell(path: Path, starter: Starter, loaded: Loaded, notes: list[str]) -> None:
    """What was written, what is wrong with it, what comes next."""
    if loaded.warnings:
        err.print(render_problems(loaded.warnings, noun="warning"), markup=False)
    guesses = unmeasured(starter)
    if guesses:
        err.print(
            f"[yellow]warning[/] nobody has measured what {'an endpoint' if 'endpoint' in guesses[0] else 'an instance'}"
            f" takes: {UNMEASURED_RATE:g} requests/s is a guess. Measure it, and correct {counted(len(guesses), 'line')}"
            f' with "{MARK}".'
        )
    for note in notes:
        err.print(f"note: {note}", markup=False)
    regions = len(by_region(starter.groups))
    out.print(
        f"[green]done[/] {path}: {counted(len(starter.groups), 'group')} in {counted(regions, 'region')} of"
        f" {starter.project}, mode observe. Nothing was changed anywhere else.",
    )
    out.print("Next:")
    steps = _next(path, starter)
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        out.print(f"  {command:<{width}}  {what}", markup=False)


def _next(path: Path, starter: Starter) -> list[tuple[str, str]]:
    """Commands that follow, with what each is for."""
    steps = [
        ("check", "every mistake at once, after you have changed the file"),
        ("doctor", "what is missing, here and in the project"),
        ("plan", "what would be built; changes nothing"),
        ("up", "build it"),
        ("run", "the daemon; in mode observe it moves nothing"),
    ]
    if starter.sandbox is not None:
        steps.insert(1, ("sandbox", "the simulated cloud; leave it running, and go on in another terminal"))
    return [(f"spillway {command} -c {path}", what) for command, what in steps]


def _starter(given: _Given, path: Path) -> tuple[Starter, list[str]]:
    """Everything that the file is made of, and what is to be said beside it."""
    if not given.sandbox and (given.http, given.grpc) != (_HTTP, _GRPC):
        raise click.UsageError("--http and --grpc are addresses of a sandbox. Add --sandbox.")
    project = _project(given)
    groups, notes = _groups(given, project)
    refuse_mixture(groups, "Name groups of one kind." if given.regions else CHOOSE)
    starter = Starter(
        project=project,
        name=given.name,
        groups=tuple(groups),
        rate=given.target,
        latency=_duration(given.latency or _LATENCY),
        health_path=given.health_path or _HEALTH,
        domain=given.domain,
        state_dir=given.state_dir or _STATE_DIR,
        backend=given.state,
    )
    if given.sandbox:
        starter = _simulated(given, starter, path)
    elif given.asks:
        starter = _asked(given, starter)
    return starter, notes


def _simulated(given: _Given, starter: Starter, path: Path) -> Starter:
    """The same to try: what an endpoint takes is known there, and no folder of the system is needed."""
    from spillway.compose.starting import SANDBOX_SCENARIO
    from spillway.resources import config_file

    scenario = str(config_file(SANDBOX_SCENARIO))
    return replace(
        starter,
        sandbox=StarterSandbox(scenario=scenario, http=given.http, grpc=given.grpc),
        state_dir=given.state_dir or str(path.absolute().parent / f"{path.stem}-state"),
        rate=given.target or UNMEASURED_RATE,
    )


def _asked(given: _Given, starter: Starter) -> Starter:
    """The same with a person's answers to what no flag says; each answer is checked at once.

    Raises:
        ConfigError: what the flags say cannot be used, whatever the answers.
    """
    from spillway.compose.starting import checked

    checked(render(starter))
    probed = any(group.kind in STEERABLE for group in starter.groups)
    if given.target is None and probed:
        question = "Requests/s that one endpoint or instance takes, as measured (empty: not measured yet)"
        starter = _ask(question, "", lambda text: _usable(replace(starter, rate=_rate(text))))
    if given.latency is None:
        question = "Time in which 95 % of answers must come"
        starter = _ask(question, _LATENCY, lambda text: _usable(replace(starter, latency=_duration(text))))
    if given.health_path is None and probed:
        question = "Path that says an endpoint can serve"
        starter = _ask(question, _HEALTH, lambda text: _usable(replace(starter, health_path=text)))
    if given.domain is None:
        question = "Name for HTTPS, such as api.example.com (empty: plain HTTP)"
        starter = _ask(question, "", lambda text: _usable(replace(starter, domain=text or None)))
    if given.state is None:
        question = "Where Pulumi keeps its state, such as gs://BUCKET/PATH (empty: on this machine)"
        starter = _ask(question, "", lambda text: _usable(replace(starter, backend=text or None)))
    return starter


def _usable(starter: Starter) -> Starter:
    """The same, if `check` takes it.

    Raises:
        click.UsageError: it does not.
    """
    from spillway.compose.starting import checked

    try:
        checked(render(starter))
    except ConfigError as error:
        told = (f"{problem.message} {problem.remedy}".rstrip() for problem in error.problems)
        raise click.UsageError(" ".join(told)) from None
    return starter


def _project_id(text: str) -> str:
    """A project as a person types it, tried in a configuration in which all else is right."""
    group = StarterGroup(region="us-east4", zone="us-east4-a", name="a", kind=GroupKind.NEG)
    starter = Starter(
        project=text,
        name="spillway",
        groups=(group,),
        rate=None,
        latency=_duration(_LATENCY),
        health_path=_HEALTH,
        domain=None,
        state_dir=_STATE_DIR,
        backend=None,
    )
    return _usable(starter).project


def _project(given: _Given) -> str:
    """The project: as given, else that of the groups' URLs, else the sandbox's own, else asked."""
    from spillway.compose.starting import SANDBOX_PROJECT

    if given.project is not None:
        return given.project
    named = projects_in(given.regions)
    if len(named) == 1:
        return named[0]
    if given.sandbox:
        return SANDBOX_PROJECT
    if not given.asks:
        raise click.UsageError("It is not known which project is meant. Give --project PROJECT.")
    return _ask("ID of the project", None, _project_id)


def _groups(given: _Given, project: str) -> tuple[list[StarterGroup], list[str]]:
    """The groups, and notes about them."""
    from spillway.compose.starting import simulated_groups

    if given.regions:
        if given.from_project or given.match or given.kind:
            raise click.UsageError(
                "--region names the groups, so --from-project, --match and --kind choose none."
            )
        return list(named_groups(given.regions, project)), []
    if given.from_project:
        return _from_project(given, project)
    if given.sandbox:
        return matching(simulated_groups(), given.match, given.kind), []
    if not given.asks:
        raise click.UsageError(
            "There are no groups to serve. Give --region REGION=GROUP for each region, or --from-project."
        )
    if click.confirm(f"Read the groups from {project}?", default=True, err=True):
        return _from_project(given, project)
    return _typed(project), []


def _from_project(given: _Given, project: str) -> tuple[list[StarterGroup], list[str]]:
    """The groups of the project that are meant."""
    from spillway.compose.starting import inventory

    found = inventory(project, given.http if given.sandbox else None)
    if not found.groups:
        raise PermanentError(
            f"the project {project} has no instance group and no network endpoint group that could be served",
            remedy="Make them first, or name groups of another kind with --region REGION=URL.",
        )
    notes = []
    if found.left_out:
        notes.append(
            f"{counted(found.left_out, 'group')} of other kinds left out (internet, Private Service Connect, other load balancers)."
        )
    if found.url_maps:
        listed = ", ".join(found.url_maps[:5])
        notes.append(
            f"{project} has load balancers already ({listed}): `spillway adopt NAME` takes one over as it is."
        )
    groups = matching(found.groups, given.match, given.kind)
    if given.asks:
        for line in table(groups):
            err.print(line, markup=False)
        groups = _ask(
            "Which of them (all, numbers such as 1-3 5, names, patterns such as chat-*)",
            "all" if one_family(groups) else None,
            lambda answer: chosen(groups, answer),
        )
    return groups, notes


def _typed(project: str) -> list[StarterGroup]:
    """Groups that a person names, one region after the other, until an answer is empty."""
    found: list[StarterGroup] = []
    while True:
        question = (
            "Next region and its groups (empty: that was all)"
            if found
            else "A region and its groups, REGION=GROUP[,GROUP]"
        )
        added = _ask(
            question, "" if found else None, lambda text: named_groups([text], project) if text else ()
        )
        if not added:
            return found
        found += added


def _ask(question: str, default: str | None, read: Callable[[str], T]) -> T:
    """Ask a person, again and again until the answer can be used; the question goes to standard error.

    Raises:
        click.Abort: Ctrl-C, or the end of input.
    """
    answer: T = click.prompt(question, default=default, value_proc=read, show_default=bool(default), err=True)
    return answer


def _rate(text: str) -> float | None:
    """A measured target; None for an empty answer."""
    if not text.strip():
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise click.UsageError(f"{text!r} is no number above 0.")
    return rate


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no time: {error}") from None
