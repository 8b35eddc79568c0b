"""Which engine runs: the best that is installed, or the one that the configuration demands."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from spillway.config.model import Config
from spillway.errors import TemporaryError

Kind = Literal["cli+plugin", "cli+standin", "embedded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An engine and why it was taken."""

    kind: Kind
    why: str
    command: str | None = None
    """The `pulumi` executable, for both forms that need it."""
    home: Path | None = None
    """PULUMI_HOME, where the plugin is."""


def pulumi_home() -> Path:
    """Pulumi's own folder: $PULUMI_HOME, else ~/.pulumi."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def cli_version() -> str:
    """Version of the CLI that belongs to the installed SDK."""
    return version("pulumi")


def plugin_version() -> str:
    """Version of the provider plugin: the SDK asks for exactly its own."""
    return version("pulumi_gcp")


def find_cli(home: Path) -> str | None:
    """The `pulumi` executable: on PATH, or where `spillway setup` puts it."""
    installed = home / "versions" / cli_version() / "bin" / "pulumi"
    return shutil.which("pulumi") or (str(installed) if os.access(installed, os.X_OK) else None)


def plugin_folder(home: Path) -> Path:
    """Where the CLI looks for the plugin."""
    return home / "plugins" / f"resource-gcp-v{plugin_version()}"


def has_plugin(home: Path) -> bool:
    """True if exactly the wanted version is there and whole (an unfinished download leaves a `.partial` beside it)."""
    folder = plugin_folder(home)
    partial = folder.with_name(folder.name + ".partial")
    return os.access(folder / "pulumi-resource-gcp", os.X_OK) and not partial.exists()


def choose(config: Config, kind: Kind | None = None) -> Choice:
    """The engine for this configuration; `kind` overrides what it says.

    Raises:
        TemporaryError: what is demanded is not installed, or not allowed for this cloud.
    """
    wanted = kind or config.daemon.engine.kind
    home = pulumi_home()
    command = find_cli(home)
    best = _best(command, plugin=has_plugin(home))
    if wanted == "auto":
        wanted = best
        why = _WHY[best]
    else:
        why = "the configuration asks for it" if kind is None else "it was asked for"
    if config.cloud == "gcp" and wanted != "cli+plugin":
        raise TemporaryError(
            f"cloud: gcp needs the Pulumi CLI and the gcp plugin {plugin_version()}; {_missing(command, home)}",
            remedy="Run `spillway setup`, or set `cloud: sandbox` to rehearse without them.",
        )
    if _RANK[wanted] > _RANK[best]:
        raise TemporaryError(
            f"the engine {wanted} is not installed: {_missing(command, home)}",
            remedy="Run `spillway setup`, or set `daemon.engine.kind: auto`.",
        )
    if wanted == "embedded":
        return Choice(kind=wanted, why=why)
    return Choice(kind=wanted, why=why, command=command, home=home)


_RANK: dict[Kind, int] = {"embedded": 0, "cli+standin": 1, "cli+plugin": 2}
_WHY: dict[Kind, str] = {
    "cli+plugin": "the Pulumi CLI and its gcp plugin are installed",
    "cli+standin": "there is a Pulumi CLI but no gcp plugin, so a stand-in takes the plugin's place",
    "embedded": "there is no Pulumi CLI, so Pulumi's runtime and a stand-in provider run inside Spillway",
}


def _best(command: str | None, *, plugin: bool) -> Kind:
    if command is None:
        return "embedded"
    return "cli+plugin" if plugin else "cli+standin"


def _missing(command: str | None, home: Path) -> str:
    parts = []
    if command is None:
        parts.append("no `pulumi` on PATH")
    if not has_plugin(home):
        parts.append(f"no plugin in {plugin_folder(home)}")
    return " and ".join(parts) or "both are installed, and the configuration asks for less"
