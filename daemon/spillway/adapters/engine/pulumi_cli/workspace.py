"""Where the Pulumi CLI works: its folder, its settings, its environment, its stack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi.automation import LocalWorkspace, Stack
from pulumi.automation._stack import StackInitMode, UpdateSummary

from spillway.adapters.engine.choose import Choice
from spillway.adapters.engine.embedded.run import PROJECT
from spillway.adapters.engine.language import take_place
from spillway.adapters.engine.ownership import Owner
from spillway.adapters.engine.pulumi_cli.command import Command
from spillway.adapters.engine.pulumi_cli.missed import Missed
from spillway.config.model import Config

_SETTINGS = f"name: {PROJECT}\nruntime: python\ndescription: Made by Spillway; do not edit.\n"
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

    choice: Choice
    config: Config
    folder: Path
    """Holds `work` (settings, salt), `home` and, without a configured backend, `state`."""
    endpoint: str | None
    """Root of the sandbox; None is Google Cloud."""

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
    def owner(self) -> Owner:
        """For which `name` the stack was built."""
        return Owner(self.folder / f"{self.config.daemon.engine.stack}.name", self.config.name)

    @property
    def missed(self) -> Missed:
        """Creates that a dead CLI may have left on their way."""
        return Missed(self.folder / "missed.json")

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
            settings.write_text(_SETTINGS, encoding="utf-8")

    def _lend_plugins(self) -> None:
        """Let the plugins appear in our own home, which is where the CLI looks for them."""
        plugins = self.home / "plugins"
        installed = self.choice.home.absolute() / "plugins" if self.choice.home else None
        if plugins.is_symlink() and installed is not None and plugins.readlink() == installed:
            return
        if plugins.is_symlink():
            plugins.unlink()
        if installed is not None and not plugins.exists():
            plugins.symlink_to(installed)

    def command(self) -> Command:
        """The CLI, in the caller's environment without what must not leak."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if self.endpoint is None or not name.startswith(_FOREIGN)
        }
        assert self.choice.command is not None  # noqa: S101 both forms with a CLI have one
        return Command(self.choice.command, {**inherited, **self._fixed()})

    def stack(self, command: Command, *, provider_port: int | None) -> LeanStack:
        """Select the stack, or make it the first time."""
        take_place()
        environment = {**self._fixed(), **self._google()}
        if provider_port is not None:
            environment["PULUMI_DEBUG_PROVIDERS"] = f"gcp:{provider_port}"
        local = LocalWorkspace(
            work_dir=str(self.work),
            pulumi_home=str(self.home),
            env_vars=environment,
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
            "GOOGLE_OAUTH_ACCESS_TOKEN": "sandbox",
            "PULUMI_GCP_SKIP_REGION_VALIDATION": "true",
        }
