"""The Pulumi CLI and its gcp plugin on this machine: where they are, and getting them or saying how to put them in place."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

DEADLINE = 900.0
"""Seconds for each of the two downloads; the plugin has some 250 MB unpacked."""
INSTALLER = (
    sys.executable,
    "-c",
    "import sys; from pulumi.automation import PulumiCommand; PulumiCommand.install(root=sys.argv[1])",
)
"""Fetches the CLI that belongs to the SDK into the folder given as argument. A process of its own, as Pulumi's
installer runs a script that downloads and has no deadline."""
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_PLUGIN_MACHINES = {"x64": "amd64", "arm64": "arm64"}


_WARNING = "warning: "
"""Begins the line of each try in which the CLI says why; its last line only counts the tries."""


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


@dataclass(slots=True)
class Installation:
    """What `install_missing` found and did."""

    ok: bool = True
    """True if CLI and plugin are there."""
    lines: list[str] = field(default_factory=list)
    """For people, in order."""
    cli: str | None = None
    plugin: str | None = None


def install_missing(
    home: Path | None = None, *, installer: Sequence[str] = INSTALLER, deadline: float = DEADLINE
) -> Installation:
    """Fetch what is missing into `home` ($PULUMI_HOME or ~/.pulumi); never raises for what the network does.

    Args:
        home: folder for the CLI and its plugins.
        installer: command that puts the CLI into the folder named by its last argument, as `bin/pulumi`.
        deadline: seconds for each download.
    """
    folder = home or pulumi_home()
    result = Installation()
    result.cli = find_cli(folder) or _fetch_cli(folder, installer, deadline, result)
    if result.cli is None:
        result.lines += _cli_by_hand(folder)
    else:
        result.lines.append(f"Pulumi CLI: {result.cli}")
    if not has_plugin(folder) and result.cli is not None:
        _fetch_plugin(result.cli, folder, deadline, result)
    if has_plugin(folder):
        _let_others_run(plugin_folder(folder))
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


def _fetch_cli(home: Path, installer: Sequence[str], deadline: float, result: Installation) -> str | None:
    root = home / "versions" / cli_version()
    try:
        _run([*installer, str(root)], home, deadline)
    except (OSError, subprocess.SubprocessError) as error:
        result.lines.append(f"The Pulumi CLI could not be fetched: {_short(error)}")
        if shutil.which("curl") is None:
            result.lines.append(
                "Pulumi's installer needs `curl`, and there is none on PATH: install it, and try again."
            )
        return None
    found = find_cli(home)
    if found is None:
        result.lines.append(f"The Pulumi CLI could not be fetched: its installer put none into {root}/bin.")
    return found


def _fetch_plugin(command: str, home: Path, deadline: float, result: Installation) -> None:
    try:
        _run(
            [command, "plugin", "install", "resource", "gcp", f"v{plugin_version()}", "--non-interactive"],
            home,
            deadline,
        )
    except (OSError, subprocess.SubprocessError) as error:
        result.lines.append(f"The gcp plugin could not be fetched: {_short(error)}")


def _let_others_run(plugin: Path) -> None:
    """Let every user read the plugin and the folder of all plugins: the CLI keeps both for whoever fetched it.

    The daemon has a user of its own, in the image as under systemd, and `setup` runs as root. Others' files stay as they are.
    """
    for path in (plugin.parent, plugin, *plugin.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        runs = mode & stat.S_IXUSR
        readable = mode | stat.S_IRGRP | stat.S_IROTH | (runs >> 3) | (runs >> 6)
        if readable != mode:
            with suppress(PermissionError):
                path.chmod(stat.S_IMODE(readable))


def _run(command: Sequence[str], home: Path, deadline: float) -> None:
    """Run it with all that it starts in a process group of its own, which ends with it or with the deadline."""
    environment = {**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=deadline)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output=said)


def _short(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {error.timeout:g} s"
    output = error.output if isinstance(error, subprocess.CalledProcessError) else str(error).encode()
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    reasons = [line.removeprefix(_WARNING) for line in lines if line.startswith(_WARNING)]
    return (reasons or lines or [type(error).__name__])[-1][:200]


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
    wanted = plugin_version()
    archive = f"pulumi-resource-gcp-v{wanted}-{system}-{_PLUGIN_MACHINES.get(machine, machine)}.tar.gz"
    return [
        "To put the gcp plugin in place by hand (the version must be exactly this one):",
        "  1. On a machine with access, download",
        f"     https://github.com/pulumi/pulumi-gcp/releases/download/v{wanted}/{archive}",
        f"  2. Here: mkdir -p {plugin_folder(home)}",
        f"           tar -xzf {archive} -C {plugin_folder(home)}",
    ]


def _platform() -> tuple[str, str]:
    machine = platform.machine().lower()
    return platform.system().lower(), _MACHINES.get(machine, machine)
