"""What becomes more inside a region is demand that no answer shows yet, and what becomes less was demand before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.library import FOLDER, chosen
from tests.core.estimate.stretches import CALM, PERIOD, SETTING, learned, minute

from spillway.core.estimate.latency import CONNECTED
from spillway.core.estimate.update import learn
from spillway.core.values.state import Estimate
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run


@given(arriving=st.floats(165.0, 240.0), count=st.integers(3, 5))
def test_arrivals_are_answers_and_what_became_more_inside(arriving: float, count: int) -> None:
    """A queue without time-outs, minute by minute: 160 of so many requests/s are answered, first come, first served.

    In a second the queue gets on by 160 requests, which came in 160 / `arriving` seconds: those answered have waited the rest longer.
    """
    waits = [1.0 + (k + 0.5) * PERIOD * (1.0 - 160.0 / arriving) for k in range(count)]
    found = learned(CALM, *((1, 160.0, wait) for wait in waits))
    assert 160.0 * (1.0 + found.arrivals.filling) == pytest.approx(arriving, rel=0.15)


def test_demand_that_does_not_change_while_a_region_fills_is_told() -> None:
    """Of 160 requests/s as before, 60 are answered while the others wait, and after half a minute the rest fails by its time-out."""
    full = learned((15, 160.0, 1.0), start=Estimate())
    for number, row in enumerate([(60.0, 16.0, 0.0), (60.0, 28.0, 70.0), (60.0, 29.0, 100.0)]):
        rate, mean, failed = row
        full = learn(full, (minute(16 + number, rate, mean, errors=failed),), SETTING)
        if number:
            assert (rate + failed) * (1.0 + full.arrivals.filling) == pytest.approx(160.0, rel=0.2)


def test_a_queue_that_is_worked_off_was_demand_before() -> None:
    full = learned(CALM, (3, 160.0, 11.0))
    found = learn(full, (minute(19, 160.0, 5.0),), SETTING)
    assert -0.12 < found.arrivals.filling < -0.05


def test_a_calm_region_hides_nothing() -> None:
    assert learned(CALM).arrivals.filling == 0.0
    assert learned(CALM, (1, 80.0, 1.02)).arrivals.filling == pytest.approx(0.0, abs=2e-3)


def test_a_latency_of_nothing_is_borne() -> None:
    found = learn(learned(CALM), (minute(16, 80.0, 1.0, quick=1.0),), SETTING)
    assert found.arrivals.filling == pytest.approx(-75.0 / PERIOD / 80.0, rel=0.01)


def test_never_more_than_as_much_again() -> None:
    assert learned(CALM, (1, 60.0, 200.0)).arrivals.filling == 1.0
    assert learned((1, 60.0, 200.0), (1, 60.0, 1.0)).arrivals.filling == -1.0


def test_after_a_hole_and_without_latencies_nothing_is_known() -> None:
    full = learned(CALM, (1, 160.0, 11.0))
    late = learn(full, (minute(16 + int(CONNECTED / PERIOD) + 1, 160.0, 21.0),), SETTING)
    assert late.arrivals.filling == 0.0
    blind = learn(full, (replace(minute(17, 160.0, 21.0), latency=None),), SETTING)
    assert (blind.arrivals.filling, blind.arrivals.in_work) == (0.0, None)
    assert learn(blind, (minute(18, 160.0, 31.0),), SETTING).arrivals.filling == 0.0
    assert learn(Estimate(), (minute(1, 160.0, 31.0),), SETTING).arrivals.filling == 0.0


def told(scenario: str, *, after: float = 0.0) -> list[float]:
    """How far the demand of the newest minute is off, minute by minute, once trouble has shown itself."""
    (setup,) = chosen([scenario], FOLDER)
    pilot = Pilot()
    arrived: dict[int, float] = {0: 0.0}
    errors: list[float] = []
    run = Run(setup, pilot)

    def watch(_: object) -> None:
        world = run.world
        arrived[round(world.time)] = world.balance().arrived
        if not pilot._memory.services or world.time < after:
            return
        (service,) = pilot._memory.services
        end = round(service.origins_at - world.epoch)
        if end - 60 in arrived and end in arrived:
            truth = (arrived[end] - arrived[end - 60]) / PERIOD
            errors.append(sum(o.level for o in service.origins) / truth - 1.0)

    run.go(watch, stride=60.0)
    return errors


def test_demand_is_told_while_every_region_is_over_its_head() -> None:
    """All regions of the library's shortage queue for an hour, fill, are relieved and drain; time-outs included."""
    errors = told("all-regions-short", after=2400.0)
    assert len(errors) > 60
    assert (sum(e * e for e in errors) / len(errors)) ** 0.5 < 0.08
    assert abs(sum(errors)) / len(errors) < 0.02


def test_a_region_that_was_dead_in_a_minute_had_no_demand_then() -> None:
    """When its health checks pass again, its minutes are those of the outage for five minutes more."""
    assert max(told("region-dead", after=600.0)) < 0.1
