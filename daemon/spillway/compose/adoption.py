"""Taking over a load balancer that stands, and letting go of it: the configuration file, the engine's state, nothing in the cloud.

1. Read what stands and say it as a configuration; refuse with all reasons where that cannot be done.
2. Write the file, which must be new, and load it as any other.
3. Compare what the program would declare with what stands, field by field; refuse where one differs.
4. Import: the engine reads each resource into its state. It is asked for a plan before and after.

Whatever fails takes the file and the state back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.compose.changes import digest_of, session_of
from spillway.compose.clouds import closer, deployer_of
from spillway.compose.tools import keeper_of
from spillway.config import load
from spillway.config.load import Loaded
from spillway.config.source import read
from spillway.errors import ConfigError, PermanentError, Problem, TemporaryError
from spillway.ports import Applied, PreviewedChange

if TYPE_CHECKING:
    from spillway.adapters.adopt.reading import CloudReader
    from spillway.adapters.adopt.refusals import Refusals
    from spillway.adapters.drift.guarded import GuardedDeployer

_DEADLINE = 60.0
"""Wall seconds for each list that is read."""
_PARALLEL = 16
"""Reads at the same time."""
_BASE = frozenset({"cloud", "project", "name", "daemon", "sandbox", "policies"})
"""Sections that a base may give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What was taken over."""

    path: Path
    project: str
    name: str
    """Name of the URL map."""
    resources: tuple[str, ...]
    """Kind and name of each."""
    engine: str
    warnings: tuple[Problem, ...] = ()
    """What `check` says of the new configuration."""
    notes: tuple[str, ...] = ()
    """What is referred to and not imported, and why, in sentences."""


def adopt(name: str, *, project: str | None, path: Path, base: Path | None) -> Adopted:
    """Take over the load balancer that `name` belongs to, and write its configuration to `path`.

    Args:
        name: of a global forwarding rule or a URL map.
        project: its project; that of the base where none is given.
        path: the file to write; it must not exist.
        base: a file with sections that the new one begins with: cloud, project, daemon, sandbox, policies.

    Raises:
        RefusedError: it cannot be taken over; the error has all reasons.
        SpillwayError: it could not be read, or the file or the state could not be written.
    """
    from spillway.adapters.adopt.document import document, text
    from spillway.adapters.adopt.frontends import left_alone
    from spillway.adapters.adopt.layout import find_layout
    from spillway.adapters.adopt.refusals import Refusals

    given = _base(base)
    wanted = project or given.get("project")
    if not wanted:
        raise PermanentError("it is not known in which project to look", remedy="Give --project PROJECT.")
    given["project"] = wanted
    if path.exists():
        raise PermanentError(
            f"{path} is there already", remedy="Name a file that does not exist, with --config."
        )
    refusals = Refusals()
    reader = reader_of(given)
    try:
        layout = find_layout(reader, name, refusals)
    finally:
        reader.close()
    refusals.stop()
    data = document(layout, given, refusals)
    refusals.stop()
    main = str(layout.url_map["name"])
    notes = left_alone(layout)
    write_new(path, text(data, main, notes))
    try:
        return replace(_taken_over(path, main), notes=notes)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def unadopt(loaded: Loaded) -> tuple[str, ...]:
    """Forget all that the stack of a configuration holds, and leave it in place; kind and name of each.

    Raises:
        SpillwayError: a daemon runs on the same state folder, or the state cannot be read or written.
    """
    from spillway.adapters.drift.guarded import GuardedDeployer
    from spillway.adapters.file_lock import FileLease

    with FileLease(Path(loaded.config.daemon.state_dir)):
        deployer = deployer_of(loaded.config)
        try:
            if not isinstance(deployer, GuardedDeployer):
                raise PermanentError("this engine tells nothing of its state")
            let_go = deployer.forget()
        finally:
            closer(deployer)()
        _remember(loaded, "")
    return let_go


def _taken_over(path: Path, name: str) -> Adopted:
    """Load the file, compare, import."""
    from spillway.adapters.adopt.refusals import Refusals
    from spillway.adapters.drift.guarded import GuardedDeployer
    from spillway.adapters.file_lock import FileLease

    refusals = Refusals()
    try:
        loaded = load.load(path)
    except ConfigError as error:
        for problem in error.problems:
            refusals.add(_place(problem), "", problem.message, problem.remedy)
        refusals.stop()
        raise
    with FileLease(Path(loaded.config.daemon.state_dir)):
        deployer = deployer_of(loaded.config)
        try:
            if not isinstance(deployer, GuardedDeployer):
                raise PermanentError("this engine cannot take anything over")
            resources = _imported(loaded, deployer, refusals)
        finally:
            closer(deployer)()
        _remember(loaded, digest_of(loaded, deployer.kind, session_of(loaded.config)))
    return Adopted(
        path=path,
        project=loaded.config.project,
        name=name,
        resources=resources,
        engine=deployer.kind,
        warnings=loaded.warnings,
    )


def _imported(loaded: Loaded, deployer: GuardedDeployer, refusals: Refusals) -> tuple[str, ...]:
    """Compare, and import; kind and name of each resource.

    Raises:
        RefusedError: something stands otherwise than the configuration says.
        SpillwayError: the stack is not empty, or the import did not end well; the state is empty then.
    """
    from spillway.adapters.adopt.verify import verify

    settings, start = loaded.config.daemon, load.starting_overlay(loaded.config)
    if held := deployer.resources():
        raise PermanentError(
            f"the stack {settings.engine.stack} in {settings.state_dir} holds {len(held)} resources already, such as {held[0]}",
            remedy="Give each load balancer its own daemon.state_dir or daemon.engine.stack in the file of --base.",
        )
    verify(deployer.survey(start), refusals)
    refusals.stop()
    _only_imports("would", deployer.preview(start).changes)
    try:
        _check(deployer.build(start))
        _nothing_left(deployer.preview(start).changes)
        return deployer.resources()
    except BaseException:
        deployer.forget()
        raise


def _only_imports(verb: str, changes: tuple[PreviewedChange, ...]) -> None:
    """Do nothing if all changes are imports.

    Raises:
        PermanentError: one is not.
    """
    for change in changes:
        if change.operation != "import":
            raise _defect(f"the engine {verb}", change)


def _nothing_left(changes: tuple[PreviewedChange, ...]) -> None:
    """Do nothing if a plan is empty.

    Raises:
        PermanentError: it is not.
    """
    for change in changes:
        raise _defect("after the import the engine would", change)


def _defect(words: str, change: PreviewedChange) -> PermanentError:
    details = f": {'; '.join(change.details)}" if change.details else ""
    return PermanentError(
        f"{words} {change.operation} the {change.kind} {change.name}{details}, so nothing is taken over",
        remedy="This is a defect of `spillway adopt`: report it with what stands.",
    )


def _check(applied: Applied) -> None:
    """Do nothing if an import did nothing but import.

    Raises:
        TemporaryError: it did not end well.
    """
    from spillway.control.writer import GOOD

    if applied.outcome not in GOOD or any(operation != "import" for operation, _ in applied.changes):
        raise TemporaryError(f"nothing was taken over: {applied.sentence}", remedy=applied.remedy)


def _remember(loaded: Loaded, digest: str) -> None:
    """What a daemon that has run here takes for the last build."""
    keeper = keeper_of(Path(loaded.config.daemon.state_dir))
    kept, _ = keeper.look()
    if kept is not None and kept.overlay is not None and kept.provisioned != digest:
        keeper.save(replace(kept, provisioned=digest))


def _place(problem: Problem) -> str:
    return f"configuration {problem.path}" if problem.path else "configuration"


def _base(path: Path | None) -> dict[str, Any]:
    """The sections of a base; names of files in it become absolute.

    Raises:
        ConfigError: it cannot be read.
        PermanentError: it has other sections.
    """
    if path is None:
        return {}
    source = read(path)
    if source.problems:
        raise ConfigError(source.problems)
    data: dict[str, Any] = dict(source.data or {})
    others = sorted(set(data) - _BASE)
    if others:
        raise PermanentError(
            f"the base {path} has {', '.join(others)}, which `adopt` writes itself",
            remedy=f"Keep {', '.join(sorted(_BASE))} in it.",
        )
    folder = path.parent.absolute()
    sandbox, daemon = dict(data.get("sandbox") or {}), dict(data.get("daemon") or {})
    engine = dict(daemon.get("engine") or {})
    if "scenario" in sandbox:
        data["sandbox"] = {**sandbox, "scenario": str(folder / str(sandbox["scenario"]))}
    if "passphrase_file" in engine:
        engine["passphrase_file"] = str(folder / str(engine["passphrase_file"]))
        data["daemon"] = {**daemon, "engine": engine}
    return data


def reader_of(given: Mapping[str, Any]) -> CloudReader:
    """What reads the cloud that the sections `cloud`, `project` and `sandbox` name; Google where they name none."""
    from spillway.adapters.adopt.reading import CloudReader
    from spillway.adapters.google_http import google_session, sandbox_session
    from spillway.config.model import SandboxConfig

    project = str(given["project"])
    if given.get("cloud", "gcp") != "sandbox":
        return CloudReader(lambda: google_session(_PARALLEL), project, deadline=_DEADLINE, parallel=_PARALLEL)
    sandbox = SandboxConfig.model_validate({"scenario": "", **(given.get("sandbox") or {})})
    return CloudReader(
        lambda: sandbox_session(_PARALLEL, sandbox.role),
        project,
        deadline=_DEADLINE,
        parallel=_PARALLEL,
        compute=f"http://{sandbox.http}/compute/beta",
        network_services=f"http://{sandbox.http}/v1",
    )


def write_new(path: Path, content: str, option: str = "--config") -> None:
    """Write a file that is not there; `option` is the one that named it.

    Raises:
        PermanentError: it is there, or the disk does not take it.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise PermanentError(
            f"{path} is there already", remedy=f"Name a file that does not exist, with {option}."
        ) from None
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be written: {error.strerror}", remedy=f"Name another file with {option}."
        ) from error
