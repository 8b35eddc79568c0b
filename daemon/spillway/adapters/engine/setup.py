"""Getting the Pulumi CLI and its gcp plugin, or saying exactly how to put them in place by hand."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from spillway.adapters.engine.choose import (
    cli_version,
    find_cli,
    has_plugin,
    plugin_folder,
    plugin_version,
    pulumi_home,
)

_PLUGIN_DEADLINE = 900.0
"""Seconds for the download of the plugin, some 250 MB unpacked."""
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_PLUGIN_MACHINES = {"x64": "amd64", "arm64": "arm64"}


@dataclass(slots=True)
class Setup:
    """What `setup` found and did."""

    ok: bool = True
    """True if CLI and plugin are there."""
    lines: list[str] = field(default_factory=list)
    """For people, in order."""
    cli: str | None = None
    plugin: str | None = None


def setup(home: Path | None = None) -> Setup:
    """Fetch what is missing into `home` ($PULUMI_HOME or ~/.pulumi); never raises for what the network does."""
    folder = home or pulumi_home()
    result = Setup()
    result.cli = find_cli(folder) or _fetch_cli(folder, result)
    if result.cli is None:
        result.lines += _cli_by_hand(folder)
    else:
        result.lines.append(f"Pulumi CLI: {result.cli}")
    if not has_plugin(folder) and result.cli is not None:
        _fetch_plugin(result.cli, folder, result)
    if has_plugin(folder):
        result.plugin = str(plugin_folder(folder))
        result.lines.append(f"gcp plugin {plugin_version()}: {result.plugin}")
    else:
        result.lines += _plugin_by_hand(folder)
    result.ok = result.cli is not None and result.plugin is not None
    if result.ok and folder != pulumi_home():
        result.lines.append(f"Set PULUMI_HOME={folder} for Spillway, so that it finds them.")
    if not result.ok:
        result.lines.append(
            "Until then `cloud: sandbox` works with the engine inside Spillway; `cloud: gcp` does not."
        )
    return result


def _fetch_cli(home: Path, result: Setup) -> str | None:
    from pulumi.automation import PulumiCommand

    root = home / "versions" / cli_version()
    try:
        PulumiCommand.install(root=str(root))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        result.lines.append(f"The Pulumi CLI could not be fetched: {_short(error)}")
        return None
    return str(root / "bin" / "pulumi")


def _fetch_plugin(command: str, home: Path, result: Setup) -> None:
    try:
        subprocess.run(
            [command, "plugin", "install", "resource", "gcp", f"v{plugin_version()}", "--non-interactive"],
            env={**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            check=True,
            capture_output=True,
            text=True,
            timeout=_PLUGIN_DEADLINE,
        )
    except (OSError, subprocess.SubprocessError) as error:
        result.lines.append(f"The gcp plugin could not be fetched: {_short(error)}")


def _short(error: Exception) -> str:
    output = getattr(error, "stderr", None) or getattr(error, "output", None) or str(error)
    text = output.decode(errors="replace") if isinstance(output, bytes) else str(output)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


def _cli_by_hand(home: Path) -> list[str]:
    system, machine = _platform()
    archive = f"pulumi-v{cli_version()}-{system}-{machine}.tar.gz"
    return [
        "To put the Pulumi CLI in place by hand:",
        f"  1. On a machine with access, download https://get.pulumi.com/releases/sdk/{archive}",
        f"  2. Here: mkdir -p {home}/versions/{cli_version()}/bin",
        f"           tar -xzf {archive} --strip-components=1 -C {home}/versions/{cli_version()}/bin",
    ]


def _plugin_by_hand(home: Path) -> list[str]:
    system, machine = _platform()
    version = plugin_version()
    archive = f"pulumi-resource-gcp-v{version}-{system}-{_PLUGIN_MACHINES.get(machine, machine)}.tar.gz"
    return [
        "To put the gcp plugin in place by hand (the version must be exactly this one):",
        "  1. On a machine with access, download",
        f"     https://github.com/pulumi/pulumi-gcp/releases/download/v{version}/{archive}",
        f"  2. Here: mkdir -p {plugin_folder(home)}",
        f"           tar -xzf {archive} -C {plugin_folder(home)}",
    ]


def _platform() -> tuple[str, str]:
    machine = platform.machine().lower()
    return platform.system().lower(), _MACHINES.get(machine, machine)
