"""The one way to an engine: `deployer` gives the `ports.Deployer` that fits what is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spillway.adapters.engine.choose import Choice, Kind, choose
from spillway.adapters.program.build import build
from spillway.config.model import Config
from spillway.core.overlay import Overlay
from spillway.ports import Deployer


def deployer(
    config: Config, state_dir: Path, *, kind: Kind | None = None, endpoint: str | None = None
) -> Deployer:
    """The engine for `config`, with its files under `state_dir`/engine.

    Args:
        config: What to build.
        state_dir: The daemon's folder.
        kind: Takes precedence over the configuration.
        endpoint: Root of the sandbox's REST server, such as `http://127.0.0.1:8480`, where it took a free port;
            the configured address where none is given. Not for `cloud: gcp`.

    Raises:
        PermanentError: the engine that is demanded is not installed.
    """
    choice = choose(config, kind)
    if config.cloud == "sandbox":
        endpoint = endpoint or f"http://{config.sandbox.http if config.sandbox else '127.0.0.1:8480'}"
    return _make(choice, config, state_dir / "engine", endpoint if config.cloud == "sandbox" else None)


def _make(choice: Choice, config: Config, folder: Path, endpoint: str | None) -> Deployer:
    def program(overlay: Overlay) -> Callable[[], None]:
        return build(config, overlay)

    settings = config.daemon.engine
    if choice.kind == "embedded":
        from spillway.adapters.engine.embedded.embedded_engine import Embedded

        return Embedded(
            program,
            endpoint=endpoint or "",
            folder=folder / "embedded",
            stack=settings.stack,
            name=config.name,
            deadline=settings.deadline,
            parallel=settings.parallel,
        )
    from spillway.adapters.engine.pulumi_cli.cli_engine import Cli
    from spillway.adapters.engine.pulumi_cli.workspace import Workspace

    workspace = Workspace(choice=choice, config=config, folder=folder / "pulumi", endpoint=endpoint)
    return Cli(program, workspace)
