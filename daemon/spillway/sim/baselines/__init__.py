"""Opponents and yardsticks, one module each. `BASELINES` names them as `spillway backtest --baseline` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spillway.sim.baselines.aimd import Aimd
from spillway.sim.baselines.google import Google
from spillway.sim.baselines.oracle import DelayedOracle, Oracle
from spillway.sim.baselines.pid import Pid
from spillway.sim.baselines.static import Static
from spillway.sim.baselines.threshold import Threshold
from spillway.sim.controller import Controller

BASELINES: Mapping[str, Callable[[], Controller]] = {
    "static": Static,
    "google": Google,
    "threshold": Threshold,
    "aimd": Aimd,
    "pid": Pid,
    "oracle-delayed": DelayedOracle,
    "oracle": Oracle,
}
"""Name -> maker of a fresh one; a controller has a memory and steers one run."""
