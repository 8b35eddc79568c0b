"""The same run in processes whose sets have other orders: Python's hash seed must not show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = """
from pathlib import Path
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario_file import load_setup
print(Run(load_setup(Path("config/scenarios/demo.yaml")), Pilot()).go().trace_hash)
"""


def trace(hash_seed: str) -> str:
    """Hash of the demo's trace under Spillway, from a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT / "daemon")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_the_order_of_sets_does_not_show() -> None:
    assert trace("0") == trace("2") != ""
