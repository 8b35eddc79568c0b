"""Where the Pulumi CLI works: its folder, its settings, its environment, its stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi.automation import LocalWorkspace, Stack
from pulumi.automation._stack import StackInitMode, UpdateSummary

from spillway.adapters.engine.language import PROJECT, use_own_language_server
from spillway.adapters.engine.ownership import Ownership
from spillway.adapters.engine.pulumi_cli.command import Command
from spillway.adapters.engine.pulumi_cli.stack_recovery import OrphanedCreates
from spillway.adapters.files import write_atomically
from spillway.config.model import Config

_SETTINGS = f"name: {PROJECT}\nruntime: python\ndescription: Made by Spillway; do not edit.\n"
_KEEP = 20
"""Updates whose history stays, for somebody who looks with `pulumi stack history`."""
_FOREIGN = ("PULUMI_", "GOOGLE_", "CLOUDSDK_")
"""Settings of the caller's shell that must not leak into the engine of a sandbox."""


class LeanStack(Stack):
    """A stack whose `up` is one process: outputs and summary come from events, not from three more calls."""

    def outputs(self) -> dict[str, Any]:
        """None: they come from events."""
        return {}

    def info(self, show_secrets: bool = False) -> UpdateSummary:  # noqa: ARG002, FBT001, FBT002 the base's signature
        """A summary made here; nobody reads it."""
        now = datetime.now(tz=UTC)
        return UpdateSummary("update", now, "", {}, {}, "succeeded", end_time=now)


@dataclass(slots=True)
class Workspace:
    """Everything about one CLI and one stack."""

    executable: str
    """The `pulumi` program."""
    installed: Path
    """PULUMI_HOME where the plugins are installed."""
    config: Config
    folder: Path
    """Holds `work` (settings, salt), `home` and, without a configured backend, `state`."""
    endpoint: str | None
    """Root of the sandbox; None is Google Cloud."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of the CLI."""

    @property
    def work(self) -> Path:
        """The CLI's working folder; Pulumi keeps the stack's encryption salt there, so it must last."""
        return self.folder / "work"

    @property
    def home(self) -> Path:
        """The CLI's PULUMI_HOME: it writes logs and notes there, and where it was installed may be read-only."""
        return self.folder / "home"

    @property
    def state(self) -> Path | None:
        """The state's folder where it is on this machine."""
        backend = self.config.daemon.engine.backend
        if backend is None:
            return self.folder / "state"
        url = urlsplit(backend)
        return Path(url.path) if url.scheme == "file" else None

    @property
    def ownership(self) -> Ownership:
        """For which `name` the stack was built."""
        return Ownership(self.folder / f"{self.config.daemon.engine.stack}.name", self.config.name)

    @property
    def orphans(self) -> OrphanedCreates:
        """Creates that a dead CLI may have left on their way."""
        return OrphanedCreates(self.folder / "missed.json")

    @property
    def sandbox_role(self) -> str:
        """Who the engine is in the sandbox: the name is also its token."""
        return self.config.sandbox.role if self.config.sandbox is not None else "everything"

    @property
    def deadline(self) -> float:
        """Wall seconds for one call."""
        return self.config.daemon.engine.deadline

    def prepare(self) -> None:
        """Make the folders and the project's settings."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        self._lend_plugins()
        if self.state is not None:
            self.state.mkdir(parents=True, exist_ok=True)
        settings = self.work / "Pulumi.yaml"
        if not settings.exists() or settings.read_text(encoding="utf-8") != _SETTINGS:
            write_atomically(settings, _SETTINGS.encode())

    def _lend_plugins(self) -> None:
        """Let the plugins appear in our own home, which is where the CLI looks for them."""
        plugins = self.home / "plugins"
        installed = self.installed.absolute() / "plugins"
        if plugins.is_symlink() and plugins.readlink() == installed:
            return
        if plugins.is_symlink():
            plugins.unlink()
        if not plugins.exists():
            plugins.symlink_to(installed)

    def command(self) -> Command:
        """The CLI, in the caller's environment without what must not leak."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if self.endpoint is None or not name.startswith(_FOREIGN)
        }
        return Command(self.executable, {**inherited, **self._fixed()}, self.folder.absolute())

    def stack(self, command: Command) -> LeanStack:
        """Select the stack, or make it the first time."""
        use_own_language_server()
        local = LocalWorkspace(
            work_dir=str(self.work),
            pulumi_home=str(self.home),
            env_vars={**self._fixed(), **self._google(), **self.environment},
            pulumi_command=command,
        )
        return LeanStack(self.config.daemon.engine.stack, local, StackInitMode.CREATE_OR_SELECT)

    def _fixed(self) -> dict[str, str]:
        settings = self.config.daemon.engine
        environment = {
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            "PULUMI_LOG_ROTATION_MAX_AGE_DAYS": "2",
            "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "50",
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": settings.backend or f"file://{self.folder / 'state'}?metadata=skip",
        }
        if settings.passphrase_file is not None:
            environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = settings.passphrase_file
        else:
            environment["PULUMI_CONFIG_PASSPHRASE"] = ""
        return environment

    def _google(self) -> dict[str, str]:
        if self.endpoint is None:
            return {"GOOGLE_PROJECT": self.config.project}
        root = self.endpoint.rstrip("/")
        return {
            "GOOGLE_PROJECT": self.config.project,
            "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": f"{root}/compute/beta/",
            "GOOGLE_NETWORK_SERVICES_CUSTOM_ENDPOINT": f"{root}/v1/",
            "GOOGLE_CERTIFICATE_MANAGER_CUSTOM_ENDPOINT": f"{root}/v1/",
            "GOOGLE_OAUTH_ACCESS_TOKEN": self.sandbox_role,
            "PULUMI_GCP_SKIP_REGION_VALIDATION": "true",
        }


def prune(state: Path, stack: str, keep: int = _KEEP) -> int:
    """Delete all but the newest history and backup files of a stack; safe while no update runs. How many went.

    Nobody reads Pulumi's own history, and it grows by each update (pulumi.md 6).
    """
    gone = 0
    for folder, files_each in (("history", 2), ("backups", 1)):
        found = (state / ".pulumi" / folder / PROJECT / stack).glob("*")
        # Names carry the time in nanoseconds; a file and its sidecar go together.
        names = sorted(file for file in found if not file.name.endswith(".attrs"))
        for file in names[: max(0, len(names) - keep * files_each)]:
            for victim in (file, file.with_name(file.name + ".attrs")):
                with suppress(FileNotFoundError):
                    victim.unlink()
                    gone += 1
    return gone
