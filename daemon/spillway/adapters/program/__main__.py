"""Entry for plain `pulumi preview` and `pulumi up`; see Pulumi.yaml at the top of the project."""

from __future__ import annotations

from pathlib import Path

import pulumi

from spillway.adapters.program.build import build
from spillway.adapters.program.standing import standing_overlay
from spillway.config.load import load
from spillway.errors import SpillwayError


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


main()
