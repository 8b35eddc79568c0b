"""What controllers are shown: values of this moment, nothing that leads to the truth, and a clock that may be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError
from tests.sim.worlds import setup

from spillway.sim.blur import Blurred
from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.demand import Demand, Source
from spillway.sim.faults import Fault, Schedule
from spillway.sim.monitoring import MonitoringView
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.samples import Period, SampleStore
from spillway.sim.scenario import Client, Scenario
from spillway.sim.setup import Setup
from spillway.sim.world import World

TRUTH = (World, SampleStore, Period, MonitoringView, Blurred, Schedule, Fault, Demand, Source, Client)

FAULTS = [
    {"kind": "slow", "region": "us-east4", "at": "5m", "for": "20m", "factor": 4},
    {"kind": "clock-step", "at": "20m", "for": "10m", "by": "-15m"},
]


class Spy:
    """Keeps everything that it is given."""

    name = "spy"
    interval = 60.0

    def __init__(self) -> None:
        self.setup: Setup | None = None
        self.sights: list[Sight] = []

    def initial(self, given: Setup, controls: tuple[ServiceControl, ...]) -> tuple[ServiceControl, ...]:
        self.setup = given
        return controls

    def tick(self, sight: Sight) -> None:
        self.sights.append(sight)


def reachable(start: object) -> Iterator[object]:
    """All that attributes, items, closures and bound methods lead to; types and modules apart."""
    seen: dict[int, object] = {}
    ahead = [start]
    while ahead:
        thing = ahead.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | str | bytes | int | float | Enum):
            continue
        seen[id(thing)] = thing
        yield thing
        ahead += _next(thing)


def _next(thing: object) -> list[object]:
    if isinstance(thing, Mapping):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, np.ndarray):
        return [thing.base]
    if isinstance(thing, FunctionType):
        return [cell.cell_contents for cell in thing.__closure__ or ()]
    if isinstance(thing, MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, BuiltinFunctionType):
        return []
    names = [n for n in dir(thing) if not (n.startswith("__") and n.endswith("__"))]
    if isinstance(thing, BaseModel):
        names = list(type(thing).model_fields)
    return [getattr(thing, name, None) for name in names]


def watched(**changes: object) -> Spy:
    spy = Spy()
    Run(setup(duration="40m", faults=FAULTS, **changes), spy).go()
    return spy


def test_a_sight_leads_to_nothing_that_is_true() -> None:
    spy = watched()
    assert len(spy.sights) == 40
    for sight in spy.sights[10::13]:
        found = list(reachable(sight))
        assert len(found) > 100
        assert not [type(thing) for thing in found if isinstance(thing, TRUTH)]


def test_the_walk_would_find_the_truth() -> None:
    world = World(setup())
    world.advance(300.0)
    assert world.samples is not None
    leaking = (lambda: world, MonitoringView(world.samples).counts, {"a": [world.advance]})
    for leak in leaking:
        assert any(isinstance(thing, TRUTH) for thing in reachable(leak))


def test_the_setup_that_controllers_get_holds_no_truth() -> None:
    spy = watched()
    assert spy.setup is not None
    assert not [type(thing) for thing in reachable(spy.setup) if isinstance(thing, TRUTH)]
    assert [(p.target, p.capacity) for p in spy.setup.regions] == [(100, 100), (100, 100), (80, 80)]
    assert [r.capacity_rps for r in spy.setup.scenario.regions.values()] == [100, 100, 80]
    assert (*spy.setup.scenario.faults, *spy.setup.scenario.clients) == ()


def test_what_is_shown_is_what_monitoring_shows() -> None:
    built = setup(duration="40m", faults=FAULTS)
    spy = Spy()
    Run(built, spy).go()
    world = World(built)
    assert world.samples is not None
    view = MonitoringView(world.samples)
    world.advance(900.0)
    now = world.epoch + 900.0
    sight = spy.sights[15]
    assert sight.now == now
    for service in (None, "pool", "none"):
        for start in (now - 5000.0, now - 300.0):
            assert sight.monitoring.counts(start, now, now, service=service) == view.counts(
                start, now, now, service=service
            )
            assert sight.monitoring.latencies(start, now, now, service=service) == view.latencies(
                start, now, now, service=service
            )
    assert len(sight.monitoring.counts(0.0, now, now)) > 30


def test_a_clock_step_moves_the_controllers_clock_and_nothing_else() -> None:
    spy, plain = watched(), Spy()
    Run(setup(duration="40m", faults=FAULTS[:1]), plain).go()
    ahead = [a.now - b.now for a, b in zip(spy.sights, plain.sights, strict=True)]
    assert ahead == [0.0] * 20 + [-900.0] * 10 + [0.0] * 10
    assert [s.date for s in spy.sights] == [s.now for s in plain.sights]
    assert [s.monitoring for s in spy.sights] == [s.monitoring for s in plain.sights]
    assert [s.health for s in spy.sights] == [s.health for s in plain.sights]


def test_clock_steps_add_up_and_take_a_sign() -> None:
    built = setup(
        faults=[
            {"kind": "clock-step", "at": "10m", "by": "90s"},
            {"kind": "clock-step", "at": "20m", "for": "5m", "by": "-1h"},
        ]
    )
    schedule = Schedule(built.faults)
    assert [schedule.clock(60.0 * m) for m in (9, 10, 21, 25)] == [0.0, 90.0, -3510.0, 90.0]
    for wrong in (40, "soon", "--5m", None):
        with pytest.raises(ValidationError):
            Scenario.model_validate(
                {**setup().scenario.model_dump(), "faults": [{"kind": "clock-step", "by": wrong}]}
            )


@pytest.mark.parametrize("by", ["-2h", "2h"])
def test_the_pilot_goes_by_the_clouds_clock(by: str) -> None:
    slow = {"kind": "slow", "region": "us-east4", "at": "12m", "for": "20m", "factor": 4}
    steps = {"kind": "clock-step", "at": "10m", "for": "15m", "by": by}
    right = Run(setup(duration="40m", faults=[slow]), Pilot()).go()
    wrong = Run(setup(duration="40m", faults=[slow, steps]), Pilot()).go()
    assert right.writes > 0
    assert (wrong.report, wrong.writes) == (right.report, right.writes)
