"""The world: every request is somewhere, equal seeds give equal worlds, and the balancer's rules show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.random_faults import random_faults
from tests.sim.worlds import client, region, scenario, setup

from spillway.sim.accounting import Balance
from spillway.sim.baselines import BASELINES
from spillway.sim.control import BackendControl, RouteControl, ServiceControl
from spillway.sim.faults import Fault
from spillway.sim.scenario import Scenario
from spillway.sim.setup import Setup, build
from spillway.sim.world import World

REGIONS = ("europe-west4", "us-east4", "asia-northeast1")
MINUTE = 60.0


def pool(scalers: dict[str, float], **changes: Any) -> ServiceControl:
    backends = tuple(BackendControl(region=r, scaler=s) for r, s in scalers.items())
    return ServiceControl(service="pool", backends=backends, **changes)


def fault(kind: str, at: float, until: float, **changes: Any) -> Fault:
    return Fault(kind=kind, at=at, until=until, **changes)


def failed(world: World) -> dict[int, float]:
    return dict(world.report().failed_by_code)


def conserved(balance: Balance) -> bool:
    parts = (balance.answered, balance.failed, balance.waiting)
    return balance.error < 1e-9 and min(parts) >= -1e-9


@st.composite
def stories(draw: st.DrawFn) -> tuple[Setup, int, list[tuple[float, ServiceControl]]]:
    """A random scenario with random faults and random writes."""
    changes: dict[str, Any] = {
        "step": f"{draw(st.sampled_from([5, 10, 20, 30]))}s",
        "regions": {
            name: region(
                capacity_rps=draw(st.floats(1, 150)),
                target_rps=draw(st.floats(1, 150)),
                endpoints=draw(st.integers(3, 20)),
                zones=draw(st.integers(1, 3)),
                timeout=f"{draw(st.sampled_from([3, 30, 120]))}s",
            )
            for name in REGIONS
        },
        "clients": [
            client(f"c{i}", draw(st.floats(0, 200)), draw(st.floats(-60, 60)), draw(st.floats(-180, 180)))
            for i in range(draw(st.integers(1, 4)))
        ],
    }
    built = setup(**changes)
    seed = draw(st.integers(0, 2**31))
    faults = random_faults(seed, REGIONS, 600.0, draw(st.integers(0, 8)))
    moves = draw(
        st.lists(
            st.tuples(
                st.floats(0, 600),
                st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=3, max_size=3),
                st.booleans(),
            ),
            max_size=4,
        )
    )
    writes = [(at, pool(dict(zip(REGIONS, s, strict=True)), auto_drain=auto)) for at, s, auto in moves]
    return replace(built, faults=faults), seed, writes


@given(stories())
def test_every_request_is_answered_failed_or_waiting_at_every_step(
    story: tuple[Setup, int, list[tuple[float, ServiceControl]]],
) -> None:
    built, seed, writes = story
    world = World(built, seed)
    for at, control in writes:
        world.apply(control, at)
    while world.time < 600.0:
        world.advance(world.time + world.step)
        assert conserved(world.balance()), world.time
    assert world.balance().waiting == pytest.approx(float(world.waiting.sum()))


@given(stories(), st.lists(st.floats(1, 700), min_size=1, max_size=12))
def test_how_time_is_cut_changes_nothing(
    story: tuple[Setup, int, list[tuple[float, ServiceControl]]], cuts: list[float]
) -> None:
    built, seed, writes = story
    whole, cut = World(built, seed), World(built, seed)
    for at, control in writes:
        whole.apply(control, at)
        cut.apply(control, at)
    whole.advance(900.0)
    for length in cuts:
        cut.advance(min(900.0, cut.time + length))
    cut.advance(900.0)
    assert cut.trace_hash() == whole.trace_hash()
    assert cut.report() == whole.report()


def test_equal_seeds_give_equal_worlds_and_others_do_not() -> None:
    noisy = [client("paris", 60.0, demand={"shape": "steady", "rps": 60, "noise": 0.1})]
    hashes = []
    for seed in (1, 1, 2):
        world = World(setup(clients=noisy), seed)
        world.advance(600.0)
        hashes.append(world.trace_hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_fork_goes_the_same_way_and_leaves_its_world_alone() -> None:
    world = World(
        setup(faults=[{"kind": "slow", "region": "us-east4", "at": "5m", "for": "10m", "factor": 4}])
    )
    world.advance(600.0)
    before = world.trace_hash()
    ticket = world.apply(pool({"europe-west4": 1.0, "us-east4": 0.0, "asia-northeast1": 1.0}), 660.0)
    made, left = world.fork(), world.fork(without=(ticket,))
    made.advance(1200.0)
    left.advance(1200.0)
    assert world.trace_hash() == before
    assert made.bad_requests() < left.bad_requests() * 0.7
    world.advance(1200.0)
    assert world.bad_requests() == pytest.approx(made.bad_requests())
    assert made.samples is None
    grandchild = made.fork()
    grandchild.apply(ServiceControl(service="new", backends=()), 1200.0)
    grandchild.advance(1500.0)
    assert conserved(grandchild.balance())


def test_an_outage_fails_what_arrives_until_health_checks_notice() -> None:
    outage = [{"kind": "outage", "region": "europe-west4", "at": "10m", "for": "10m"}]
    google = World(setup(faults=outage), controls=BASELINES["google"]().initial(setup(), setup().controls))
    google.advance(900.0)
    assert failed(google)[503] == pytest.approx(60.0 * 10.0, rel=0.01)
    assert google.health("europe-west4") == ((0, 10),)
    assert google.drained("pool") == {"europe-west4"}
    static = World(setup(faults=outage), controls=BASELINES["static"]().initial(setup(), setup().controls))
    static.advance(1200.0)
    assert failed(static)[503] == pytest.approx(60.0 * 600.0, rel=0.01)


def test_a_slow_region_overflows_its_queue_though_all_checks_pass() -> None:
    world = World(
        setup(faults=[{"kind": "slow", "region": "europe-west4", "at": "1m", "for": "30m", "factor": 3}])
    )
    world.advance(1200.0)
    assert world.health("europe-west4") == ((10, 10),)
    assert world.state("europe-west4").capacity == pytest.approx(110.0 / 3)
    assert failed(world)[504] > 1000.0
    world.advance(3000.0)
    assert world.waiting[0] < 1.0


def test_errors_take_slots_and_fast_failures_do_not() -> None:
    world = World(
        setup(faults=[{"kind": "errors", "region": "europe-west4", "at": "0s", "for": "1h", "ratio": 0.25}])
    )
    world.advance(600.0)
    assert failed(world)[500] == pytest.approx(0.25 * 60 * 600, rel=0.01)
    kinds = {
        "kind": "fast-failures",
        "region": "europe-west4",
        "at": "0s",
        "for": "1h",
        "ratio": 0.5,
        "code": 429,
    }
    overloaded = World(setup(faults=[kinds], clients=[client("paris", 99.0)]))
    overloaded.advance(600.0)
    assert failed(overloaded)[429] == pytest.approx(0.5 * 99 * 600, rel=0.01)
    assert overloaded.waiting[0] < 0.01


def test_a_quota_answers_what_exceeds_it_with_429() -> None:
    world = World(
        setup(faults=[{"kind": "quota", "region": "europe-west4", "at": "0s", "for": "1h", "rps": 40}])
    )
    world.advance(600.0)
    assert failed(world)[429] == pytest.approx(20.0 * 600)
    assert world.balance().failed == pytest.approx(20.0 * 600)


def test_capacity_loss_fails_nothing_by_itself() -> None:
    lost = {"kind": "capacity-loss", "region": "europe-west4", "at": "0s", "for": "1h", "ratio": 0.3}
    world = World(setup(faults=[lost]))
    world.advance(600.0)
    assert world.state("europe-west4").capacity == pytest.approx(77.0)
    assert world.balance().failed < 1.0


def test_without_any_open_region_the_balancer_answers_502() -> None:
    world = World(setup())
    world.apply(pool(dict.fromkeys(REGIONS, 0.0)), 300.0)
    world.advance(600.0)
    assert failed(world)[502] == pytest.approx(150.0 * 300)


def test_a_region_that_is_no_member_gets_nothing() -> None:
    world = World(setup(), controls=[pool({"us-east4": 1.0, "asia-northeast1": 1.0})])
    world.advance(600.0)
    assert world.waiting[0] == 0.0
    assert world.report().max_over_mean_utilization < 2.0
    with pytest.raises(ValueError, match="no region mars-east1"):
        world.apply(pool({"mars-east1": 1.0}), 0.0)


def test_clients_without_an_address_send_nothing() -> None:
    world = World(setup(), controls=(), routes=())
    world.advance(300.0)
    assert world.balance().arrived == 0.0
    world.route([RouteControl(host="*", path="/*", service="web")], 300.0)
    world.advance(600.0)
    assert failed(world) == {502: pytest.approx(150.0 * 300)}
    backends = tuple(BackendControl(region=r, scaler=1.0) for r in REGIONS)
    world.apply(ServiceControl(service="web", backends=backends), 600.0)
    world.advance(900.0)
    assert world.balance().answered == pytest.approx(150.0 * 300, rel=0.01)


def services() -> dict[str, Any]:
    return {
        "pool": {},
        "europe": {"home": "europe-west4", "failover": ["us-east4"], "paths": ["/europe", "/europe/*"]},
    }


def test_services_share_the_true_capacity_of_a_region() -> None:
    clients = [client("paris", 95.0), client("pinned", 60.0, path="/europe/chat")]
    world = World(setup(services=services(), clients=clients))
    assert world.service_of() == ("pool", "europe")
    world.advance(900.0)
    assert (
        world.waiting[0] > 1000.0
    )  # each is under its ceiling of 100, together they pass the capacity of 110
    alone = World(setup(services=services(), clients=clients[:1]))
    alone.advance(900.0)
    assert alone.waiting[0] < 1.0


def test_in_flight_targets_become_rates_by_littles_law() -> None:
    built = setup()
    mean = built.regions[0].service_time.mean
    backends = (
        BackendControl(region="europe-west4", scaler=1.0, target_in_flight=30.0 * mean),
        BackendControl(region="us-east4", scaler=1.0, target_rate=500.0),
    )
    world = World(built, controls=[ServiceControl(service="pool", backends=backends)])
    world.advance(60.0)
    assert world.samples is not None
    served = world.samples.periods[0].counts[0].sum(axis=(0, 1))
    assert served[0] == pytest.approx(30.0 * 60, rel=0.01)


def test_a_fault_can_be_injected_while_the_world_runs() -> None:
    world = World(setup())
    world.advance(600.0)
    made = world.inject(fault("outage", 600.0, 660.0, region="us-east4"))
    assert made.at == 600.0
    world.advance(720.0)
    assert world.balance().failed > 100.0
    assert conserved(world.balance())


def test_a_fault_can_be_withdrawn() -> None:
    world = World(setup())
    made = world.inject(fault("capacity-loss", 0.0, 3600.0, region="us-east4", ratio=0.5))
    world.advance(600.0)
    assert world.state("us-east4").capacity == pytest.approx(55.0)
    world.withdraw(made)
    world.advance(660.0)
    assert world.state("us-east4").capacity == pytest.approx(110.0)


def test_shipped_scenarios_are_sound() -> None:
    yaml = pytest.importorskip("yaml")
    folder = Path(__file__).resolve().parents[2] / "config" / "scenarios"
    files = sorted(folder.glob("*.yaml"))
    assert {f.stem for f in files} >= {"demo", "quiet"}
    for file in files:
        made = Scenario.model_validate(yaml.safe_load(file.read_text()))
        assert made.description
        world = World(build(made, folder))
        world.advance(600.0)
        assert conserved(world.balance())


def test_memory_does_not_grow_with_the_run() -> None:
    world = World(build(scenario(step="60s"), Path()))
    world.advance(10 * 3600.0)
    assert world.samples is not None
    assert len(world.samples.periods) == 240
