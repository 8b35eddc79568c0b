"""The oracle whose truth is as late as the metrics: `oracle-delayed` where they are punctual, and blind as long as they are."""

from __future__ import annotations

import pytest
from tests.bench.eyes import LateOracle
from tests.bench.library import FOLDER

from spillway.sim.baselines.oracle import DelayedOracle, Oracle
from spillway.sim.scenario_file import load_setup
from spillway.sim.world import World


def test_its_truth_is_as_old_as_the_metrics() -> None:
    world = World(load_setup(FOLDER / "metrics-late.yaml"))
    (late,) = [f for f in world.faults if f.kind == "metrics-late"]
    plain = DelayedOracle().age(world)
    assert (Oracle().age(world), plain) == (0.0, 270.0)
    assert LateOracle().age(world) == plain
    world.advance(late.at + world.step)
    assert DelayedOracle().age(world) == plain
    assert LateOracle().age(world) == pytest.approx(plain + late.delay)
    world.advance(late.until + world.step)
    assert LateOracle().age(world) == plain
