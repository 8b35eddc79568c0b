"""The same hours without a daemon, in virtual time: what the demo compares itself with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spillway.config import load
from spillway.errors import SpillwayError
from spillway.sim.baselines.google import Google
from spillway.sim.baselines.static import Static
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_setup


def run_opponents(config: Path) -> dict[str, dict[str, Any]]:
    """Run the scenario of a configuration with nobody and with Google's automatics; results by name.

    Raises:
        SpillwayError: the configuration names no scenario.
    """
    sandbox = load.load(config).config.sandbox
    if sandbox is None:
        raise SpillwayError(f"{config} has no section `sandbox`.", remedy="A demo needs `cloud: sandbox`.")
    built = load_setup(Path(sandbox.scenario))
    return {controller.name: Run(built, controller).go().to_json() for controller in (Static(), Google())}
