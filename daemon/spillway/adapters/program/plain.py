"""The program under plain `pulumi preview` and `pulumi up`, without the daemon; see Pulumi.yaml at the top of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
from pydantic import TypeAdapter, ValidationError

from spillway.adapters.program.build import build
from spillway.config.fleet import starting_overlay
from spillway.config.load import load
from spillway.config.model import Config
from spillway.control.memory import fit
from spillway.core.values.overlay import Overlay
from spillway.errors import PermanentError, SpillwayError


def standing_overlay(config: Config, file: Path | None = None) -> Overlay:
    """The overlay of `file`, fitted to the configuration; the starting one where there is no file.

    Args:
        config: The configuration that it must fit.
        file: JSON of an overlay, or a document with one under `overlay`, as the daemon's state.json is.

    Raises:
        PermanentError: the file cannot be read or holds no overlay.
    """
    starting = starting_overlay(config)
    if file is None:
        return starting
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(document, dict) and "services" not in document:
            document = document.get("overlay")
        return fit(starting, TypeAdapter(Overlay).validate_python(document))
    except (OSError, ValueError, ValidationError) as error:
        raise PermanentError(
            f"{file} holds no overlay: {error}",
            remedy="Name the daemon's state.json, or leave spillway:overlay out to start as the configuration says.",
        ) from error


def main() -> None:
    """Declare the load balancer of the stack's configuration."""
    settings = pulumi.Config("spillway")
    root = Path(pulumi.get_root_directory())
    overlay = settings.get("overlay")
    try:
        config = load(root / settings.require("config")).config
        build(config, standing_overlay(config, root / overlay if overlay else None))()
    except SpillwayError as error:
        raise pulumi.RunError(f"{error} {error.remedy}".strip()) from error
