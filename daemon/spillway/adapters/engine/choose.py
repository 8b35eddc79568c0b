"""Which engine runs: the best that is installed, or the one that the configuration demands; and the making of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spillway.adapters.drift.guarded import GuardedDeployer, Surveyor
from spillway.adapters.drift.last_wanted import LastWanted
from spillway.adapters.drift.reader import PartReader
from spillway.adapters.engine.pulumi_cli.installation import (
    find_cli,
    has_plugin,
    plugin_folder,
    plugin_version,
    pulumi_home,
)
from spillway.adapters.engine.recovery import Recoveries
from spillway.adapters.google_http import Session, google_session, sandbox_session
from spillway.config.model import Config
from spillway.core.values.overlay import Overlay
from spillway.errors import TemporaryError
from spillway.ports import Deployer

EngineKind = Literal["cli+plugin", "embedded"]

_PARALLEL_READS = 16
"""Parts that are read at the same time."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An engine and why it was taken."""

    kind: EngineKind
    why: str
    command: str | None = None
    """The `pulumi` executable, for the engine that needs it."""
    home: Path | None = None
    """PULUMI_HOME, where the plugin is."""


def choose(config: Config, kind: EngineKind | None = None) -> Choice:
    """The engine for this configuration; `kind` overrides what it says.

    Raises:
        TemporaryError: what is demanded is not installed, or not allowed for this cloud.
    """
    wanted = kind or config.daemon.engine.kind
    home = pulumi_home()
    command = find_cli(home)
    best: EngineKind = "cli+plugin" if command is not None and has_plugin(home) else "embedded"
    if wanted == "auto":
        wanted, why = best, _why(command, best)
    else:
        why = "the configuration asks for it" if kind is None else "it was asked for"
    if config.cloud == "gcp" and wanted != "cli+plugin":
        raise TemporaryError(
            f"cloud: gcp needs the Pulumi CLI and the gcp plugin {plugin_version()}; {_missing(command, home)}",
            remedy="Run `spillway setup`, or set `cloud: sandbox` to rehearse without them.",
        )
    if wanted == "embedded":
        return Choice(kind=wanted, why=why)
    if best != "cli+plugin":
        raise TemporaryError(
            f"the engine {wanted} is not installed: {_missing(command, home)}",
            remedy="Run `spillway setup`, or set `daemon.engine.kind: auto`.",
        )
    return Choice(kind=wanted, why=why, command=command, home=home)


def _why(command: str | None, best: EngineKind) -> str:
    """Why `auto` takes this engine."""
    if best == "cli+plugin":
        return "the Pulumi CLI and its gcp plugin are installed"
    found = "no Pulumi CLI" if command is None else "a Pulumi CLI but no gcp plugin"
    return f"there is {found}, so Pulumi's runtime and a stand-in provider run inside Spillway"


def _missing(command: str | None, home: Path) -> str:
    parts = []
    if command is None:
        parts.append("no `pulumi` on PATH")
    if not has_plugin(home):
        parts.append(f"no plugin in {plugin_folder(home)}")
    return " and ".join(parts) or "both are installed, and the configuration asks for less"


def deployer(
    config: Config,
    state_dir: Path,
    *,
    kind: EngineKind | None = None,
    endpoint: str | None = None,
    recoveries: Recoveries | None = None,
    decides: bool = True,
    now: Callable[[], float] = time.time,
) -> GuardedDeployer:
    """The engine for `config`, with its files under `state_dir`/engine.

    Args:
        config: What to build.
        state_dir: The daemon's folder.
        kind: Takes precedence over the configuration.
        endpoint: Root of the sandbox's REST server, such as `http://127.0.0.1:8480`, where it took a free port;
            the configured address where none is given. Not for `cloud: gcp`.
        recoveries: Told what is put right after crashes.
        decides: A build is a person's word, and writes back what has drifted. False for the daemon, which asks its policy.
        now: UTC seconds of the world.

    Raises:
        TemporaryError: the engine that is demanded is not installed.
    """
    choice = choose(config, kind)
    _log.info("The engine is %s: %s.", choice.kind, choice.why)
    if config.cloud == "sandbox":
        endpoint = endpoint or f"http://{config.sandbox.http if config.sandbox else '127.0.0.1:8480'}"
    endpoint = endpoint if config.cloud == "sandbox" else None
    surveyor = surveyor_of(config, state_dir / "engine", endpoint, decides=decides, now=now)
    engine = _make(
        choice, config, state_dir / "engine", endpoint, surveyor.program, recoveries or Recoveries()
    )
    return GuardedDeployer(engine, surveyor)


def surveyor_of(
    config: Config, folder: Path, endpoint: str | None, *, decides: bool, now: Callable[[], float]
) -> Surveyor:
    """What looks at the parts of `config`, with its file in `folder`; `endpoint` is the root of a sandbox, None is Google."""
    settings = config.daemon.observe
    parallel = min(_PARALLEL_READS, settings.health_parallel)
    role = config.sandbox.role if config.sandbox is not None else "everything"

    def session() -> Session:
        return google_session(parallel) if endpoint is None else sandbox_session(parallel, role)

    roots = (
        {}
        if endpoint is None
        else {
            "compute": f"{endpoint}/compute/beta",
            "network_services": f"{endpoint}/v1",
            "certificate_manager": f"{endpoint}/v1",
        }
    )
    reader = PartReader(session, deadline=settings.drift_deadline, parallel=parallel, **roots)
    last = LastWanted(folder / "wanted" / f"{config.daemon.engine.stack}.json")
    return Surveyor(config, reader, last, decides=decides, now=now)


def _make(
    choice: Choice,
    config: Config,
    folder: Path,
    endpoint: str | None,
    program: Callable[[Overlay], Callable[[], None]],
    recoveries: Recoveries,
) -> Deployer:
    settings = config.daemon.engine
    if choice.command is None or choice.home is None:
        from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine

        return EmbeddedEngine(
            program,
            endpoint=endpoint or "",
            folder=folder / "embedded",
            stack=settings.stack,
            name=config.name,
            deadline=settings.deadline,
            parallel=settings.parallel,
            recoveries=recoveries,
            role=config.sandbox.role if config.sandbox is not None else "everything",
        )
    from spillway.adapters.engine.pulumi_cli.cli_engine import CliEngine
    from spillway.adapters.engine.pulumi_cli.workspace import Workspace

    workspace = Workspace(
        executable=choice.command,
        installed=choice.home,
        config=config,
        folder=folder / "pulumi",
        endpoint=endpoint,
    )
    return CliEngine(program, workspace, recoveries)
