"""Clients that ask again: every attempt is somewhere, and none comes back more often than it failed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sim.random_faults import random_faults
from tests.sim.worlds import client, region, setup

from spillway.sim.control import BackendControl, RouteControl, ServiceControl
from spillway.sim.retries import Retries
from spillway.sim.scenario import Client
from spillway.sim.setup import Setup
from spillway.sim.world import World

REGIONS = ("europe-west4", "us-east4", "asia-northeast1")


def asking(name: str, rps: float, attempts: int, backoff: str, longitude: float = 5.0) -> dict[str, object]:
    return client(name, rps, 50.0, longitude, retries={"attempts": attempts, "backoff": backoff})


def failing(ratio: float, **changes: object) -> list[dict[str, object]]:
    """A share of what Europe gets fails within milliseconds, so that sums are exact."""
    fault = {"kind": "fast-failures", "region": "europe-west4", "at": "0s", "for": "10m", "ratio": ratio}
    return [{**fault, **changes}]


@st.composite
def storms(draw: st.DrawFn) -> tuple[Setup, int]:
    """Random clients with random patience under random faults."""
    clients = [
        asking(
            f"c{i}",
            draw(st.floats(0, 150)),
            draw(st.integers(1, 4)),
            f"{draw(st.sampled_from([0, 5, 25, 90]))}s",
            draw(st.floats(-180, 180)),
        )
        for i in range(draw(st.integers(1, 3)))
    ]
    built = setup(clients=[*clients, client("patient", 30.0)], step=f"{draw(st.sampled_from([5, 10, 30]))}s")
    seed = draw(st.integers(0, 2**31))
    return replace(built, faults=random_faults(seed, REGIONS, 600.0, draw(st.integers(1, 6)))), seed


@settings(max_examples=12)
@given(storms(), st.lists(st.floats(1, 400), min_size=1, max_size=6))
def test_every_attempt_is_answered_failed_or_waiting(story: tuple[Setup, int], cuts: list[float]) -> None:
    built, seed = story
    whole, cut = World(built, seed), World(built, seed)
    while whole.time < 600.0:
        whole.advance(whole.time + whole.step)
        balance = whole.balance()
        assert balance.error < 1e-9, whole.time
        assert whole.report().retries <= 4 * balance.failed + 1e-6
    for length in cuts:
        cut.advance(min(600.0, cut.time + length))
    cut.advance(600.0)
    assert cut.trace_hash() == whole.trace_hash()
    assert cut.report() == whole.report()


def test_a_failure_comes_back_as_often_as_its_client_is_patient() -> None:
    once = World(setup(clients=[asking("paris", 40.0, 1, "10s")], faults=failing(1.0)))
    once.advance(1200.0)
    report = once.report()
    assert report.retries == pytest.approx(40.0 * 600, rel=1e-6)
    assert report.requests == pytest.approx(40.0 * 1200 + report.retries, rel=1e-6)
    thrice = World(setup(clients=[asking("paris", 20.0, 3, "10s")], faults=failing(1.0)))
    thrice.advance(1200.0)
    assert thrice.report().retries == pytest.approx(20.0 * (600 + 590 + 580), rel=1e-6)
    half = World(setup(clients=[asking("paris", 30.0, 2, "10s")], faults=failing(0.5)))
    half.advance(540.0)
    assert half.report().retries == pytest.approx((0.5 + 0.25) * 30.0 * 540, rel=0.03)


def test_a_retry_waits_for_its_backoff_and_may_be_answered() -> None:
    world = World(setup(clients=[asking("paris", 40.0, 1, "2m")], faults=failing(1.0, **{"for": "60s"})))
    world.advance(110.0)
    assert world.report().retries == 0.0
    world.advance(600.0)
    assert world.report().retries == pytest.approx(40.0 * 60)
    assert world.balance().failed == pytest.approx(40.0 * 60)
    assert world.balance().answered == pytest.approx(40.0 * 600, rel=0.01)


def test_retries_of_what_found_no_backend_come_back_and_those_without_an_address_do_not() -> None:
    closed = ServiceControl(service="pool", backends=(BackendControl(region="us-east4", scaler=0.0),))
    world = World(setup(clients=[asking("paris", 40.0, 1, "30s")]), controls=[closed])
    world.advance(300.0)
    assert world.report().retries == pytest.approx(40.0 * 270)
    world.route([RouteControl(host="other.example", path="/*", service="pool")], 300.0)
    world.advance(600.0)
    assert world.report().retries == pytest.approx(40.0 * 270)
    assert world.balance().error < 1e-9


def test_a_fork_takes_the_retries_along_and_leaves_the_others_alone() -> None:
    world = World(setup(clients=[asking("paris", 60.0, 2, "60s")], faults=failing(0.8)))
    world.advance(300.0)
    before = world.report().retries
    twin = world.fork()
    twin.advance(900.0)
    assert world.report().retries == before
    world.advance(900.0)
    assert world.report().retries > before
    assert twin.balance().arrived == pytest.approx(world.balance().arrived, rel=1e-12)


def test_a_storm_is_worse_than_the_fault_alone() -> None:
    slow = [{"kind": "slow", "region": "europe-west4", "at": "1m", "for": "30m", "factor": 2.2}]
    alone = {"europe-west4": region(target_rps=1000)}
    calm = World(setup(regions=alone, clients=[client("paris", 60.0)], faults=slow))
    storm = World(setup(regions=alone, clients=[asking("paris", 60.0, 3, "10s")], faults=slow))
    calm.advance(1800.0)
    storm.advance(1800.0)
    assert storm.bad_requests() > 1.5 * calm.bad_requests()
    assert storm.balance().answered < storm.state("europe-west4").capacity * 1800.0


def test_nobody_asks_again_unless_the_scenario_says_so() -> None:
    patient = [Client.model_validate(client("paris", 60.0))]
    assert Retries.of(patient, 10.0) is None
    mixed = [Client.model_validate(asking("a", 1.0, 2, "15s")), *patient]
    made = Retries.of(mixed, 10.0)
    assert made is not None
    assert made.foreknown == 2
    assert np.all(made.rates(0, 2) == 0.0)
    for wrong in ({"attempts": 0}, {"attempts": 11}, {"backoff": "5s"}, {"attempts": 1, "backoff": "2h"}):
        with pytest.raises(ValidationError):
            Client.model_validate(client("paris", 1.0, retries=wrong))
