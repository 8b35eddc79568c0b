"""The beginning of a load balancer: which groups there are, a configuration that serves with them, its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.compose.adoption import reader_of, write_new
from spillway.config import load
from spillway.config.backends import GroupKind
from spillway.config.load import Loaded
from spillway.config.starter import StarterGroup
from spillway.errors import PermanentError, TemporaryError

if TYPE_CHECKING:
    from spillway.adapters.inventory import Inventory

SANDBOX_PROJECT = "sandbox"
"""Project of the groups that a sandbox without a configuration has."""
SANDBOX_SCENARIO = "scenarios/demo.yaml"
"""The world behind such a sandbox, below `config`."""


def inventory(project: str, sandbox: str | None) -> Inventory:
    """The groups of a project, at Google or at the sandbox that listens on the address `sandbox`.

    Raises:
        SpillwayError: they could not be read.
    """
    from spillway.adapters.inventory import take_inventory

    given: dict[str, Any] = {"project": project}
    if sandbox is not None:
        given |= {"cloud": "sandbox", "sandbox": {"http": sandbox}}
    reader = reader_of(given)
    try:
        return take_inventory(reader)
    except TemporaryError as error:
        if sandbox is not None and not error.remedy:
            error.remedy = f"Start one with `spillway sandbox`, or correct the address {sandbox} with --http."
        raise
    finally:
        reader.close()


def simulated_groups() -> tuple[StarterGroup, ...]:
    """The groups that a sandbox without a configuration has: one in each zone of its world.

    Raises:
        SpillwayError: the scenario did not come with this installation.
    """
    from spillway.resources import config_file
    from spillway.sandbox.stand import default_groups
    from spillway.sim.scenario_file import load_setup
    from spillway.sim.world import World

    world = World(load_setup(config_file(SANDBOX_SCENARIO)), controls=(), routes=())
    return tuple(
        StarterGroup(
            region=seed.zone.rpartition("-")[0],
            zone=seed.zone,
            name=seed.name,
            kind=GroupKind.NEG,
            size=seed.endpoints,
        )
        for seed in default_groups(world)
    )


def refuse_existing(path: Path, *, force: bool) -> None:
    """Do nothing where a file may be written.

    Raises:
        PermanentError: it is there, and nobody said that it may go.
    """
    if path.exists() and (not force or path.is_dir()):
        raise PermanentError(
            f"{path} is there already",
            remedy="Name another file with --out."
            if path.is_dir()
            else "Name another file with --out, or replace it with --force.",
        )


def checked(text: str) -> Loaded:
    """A configuration that stands in no file.

    Raises:
        ConfigError: with every mistake in it.
    """
    return load.load_text(Path("spillway.yaml"), text)


def write_checked(path: Path, text: str, *, force: bool) -> Loaded:
    """Check a configuration, and write it where it has no mistake.

    Raises:
        ConfigError: it has; nothing was written.
        PermanentError: the file is there, or the disk does not take it.
    """
    from spillway.adapters.files import write_atomically

    loaded = load.load_text(path, text)
    if not force:
        write_new(path, text, "--out")
        return loaded
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be written: {error.strerror}", remedy="Name another file with --out."
        ) from error
    return loaded
