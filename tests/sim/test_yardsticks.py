"""What oracles are for: whoever sees less must not lose less. The known exceptions stand in docs/opponents.md.

`test_baselines` holds the same of brief stories; these are whole scenarios of the library with everybody.
"""

from __future__ import annotations

from functools import cache

import pytest
from tests.bench.library import FOLDER, chosen, line_of
from tests.bench.score import MINE, OPPONENTS, YARDSTICKS, Line
from tests.bench.wilderness import wild

from spillway.sim.backtest.jobs import Job, contenders, perform
from spillway.sim.setup import Setup


def case(name: str) -> Setup:
    """A scenario of the library, or a random one."""
    if name.startswith("wild-"):
        return wild(int(name.removeprefix("wild-")))
    (found,) = chosen([name], FOLDER)
    return found


@cache
def line(name: str) -> Line:
    """One scenario with everybody."""
    story = case(name)
    everybody = contenders((), (MINE, *OPPONENTS, *YARDSTICKS), oracles=False)
    jobs = [Job(setup=story, seed=story.scenario.seed, contender=who) for who in everybody]
    return line_of([perform(job).result for job in jobs])


@pytest.mark.long
@pytest.mark.parametrize("yardstick", YARDSTICKS)
@pytest.mark.parametrize("name", ["region-slow", "quota-429"])
def test_nobody_who_sees_less_loses_less(name: str, yardstick: str) -> None:
    assert line(name).beaten(yardstick) == ()
