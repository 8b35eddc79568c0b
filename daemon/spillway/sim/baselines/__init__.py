"""Opponents and yardsticks, one module each. `BASELINES` names them as `spillway backtest --baseline` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spillway.sim.baselines.google import Google
from spillway.sim.baselines.static import Static
from spillway.sim.controller import Controller

BASELINES: Mapping[str, Callable[[], Controller]] = {"static": Static, "google": Google}
"""Name -> maker of a fresh one; a controller has a memory and steers one run."""
