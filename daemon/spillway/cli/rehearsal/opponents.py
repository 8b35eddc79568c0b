"""The same hours without a daemon, in virtual time: what the demo compares itself with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spillway.config import load
from spillway.sandbox.stand import load_scenario
from spillway.sim.run import baseline_run
