"""Services on the same groups: each sees what the others send there, their moves in flight included."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.estimate.stretches import PERIOD, minute

from spillway.core.estimate.service import SharedBackends
from spillway.core.values.snapshot import Absence, BackendView, Missing, Seen, ServiceView, Snapshot
from spillway.core.values.state import ControllerMemory, ServiceMemory
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Service, Target

REGION = "europe-west4"


def service(name: str, group: str = "g") -> Service:
    backend = Backend(
        service=name,
        region=REGION,
        groups=(GroupKey(name=group, scope=f"{REGION}-a"),),
        target=Target(mode=BalancingMode.RATE, per_endpoint=10.0),
    )
    return Service(name=name, resource=name, policy="p", backends=(backend,))


def view(name: str, *rates: float) -> ServiceView:
    nothing = Missing(absence=Absence.NO_SERIES, detail="")
    minutes = tuple(minute(i + 1, rate, 1.0) for i, rate in enumerate(rates))
    traffic = Seen(value=minutes, age=210.0, evidence=1000) if rates else nothing
    backend = BackendView(region=REGION, observed=nothing, health=nothing, traffic=traffic)
    return ServiceView(service=name, backends=(backend,), policy=nothing, places=nothing, unassigned=nothing)


FLEET = Fleet(services=(service("eu"), service("pool"), service("apart", "other")))
SNAPSHOT = Snapshot(
    at=1000.0, lag=0.0, services=(view("eu", 50.0, 60.0), view("pool", 30.0, 20.0), view("apart", 9.0, 9.0))
)


def test_each_sees_what_the_others_send_to_its_groups() -> None:
    seen = SharedBackends(FLEET, SNAPSHOT, ControllerMemory())
    assert seen.load_from_peers("eu", REGION, PERIOD) == pytest.approx(20.0)
    assert seen.load_from_peers("pool", REGION, PERIOD) == pytest.approx(60.0)
    minutes = seen.minutes("pool", REGION)
    assert minutes is not None
    assert [m.total / PERIOD for _, m in sorted(minutes.items())] == pytest.approx([50.0, 60.0])


def test_who_stands_alone_has_no_neighbours() -> None:
    seen = SharedBackends(FLEET, SNAPSHOT, ControllerMemory())
    assert seen.minutes("apart", REGION) is None
    assert seen.load_from_peers("apart", REGION, PERIOD) == 0.0


def test_moves_in_flight_count_as_made() -> None:
    shedding = ServiceMemory(service="eu", expected_load=((REGION, 12.0),))
    seen = SharedBackends(FLEET, SNAPSHOT, ControllerMemory(services=(shedding,)))
    assert seen.load_from_peers("pool", REGION, PERIOD) == pytest.approx(12.0)
    assert seen.load_from_peers("eu", REGION, PERIOD) == pytest.approx(20.0), "its own are no neighbour's"


def test_who_is_steered_later_in_a_step_sees_what_was_decided_before() -> None:
    seen = SharedBackends(FLEET, SNAPSHOT, ControllerMemory())
    seen.expect(ServiceMemory(service="eu", expected_load=((REGION, 5.0),)))
    assert seen.load_from_peers("pool", REGION, PERIOD) == pytest.approx(5.0)


def test_without_a_snapshot_nothing_is_seen() -> None:
    seen = SharedBackends(FLEET, None, ControllerMemory())
    assert seen.minutes("eu", REGION) is None
    assert seen.load_from_peers("eu", REGION, PERIOD) == 0.0


def test_three_services_see_the_sum_of_the_other_two() -> None:
    fleet = replace(FLEET, services=(*FLEET.services, service("third")))
    snapshot = replace(SNAPSHOT, services=(*SNAPSHOT.services, view("third", 1.0, 7.0)))
    seen = SharedBackends(fleet, snapshot, ControllerMemory())
    assert seen.load_from_peers("eu", REGION, PERIOD) == pytest.approx(27.0)
    assert seen.load_from_peers("third", REGION, PERIOD) == pytest.approx(80.0)


def on(name: str, *groups: str, region: str = REGION) -> Service:
    """A service on groups of these names."""
    backend = replace(
        service(name).backends[0],
        region=region,
        groups=tuple(GroupKey(name=group, scope=f"{region}-a") for group in groups),
    )
    return Service(name=name, resource=name, policy="p", backends=(backend,))


def test_of_a_service_that_shares_one_of_two_groups_half_comes_here() -> None:
    fleet = Fleet(services=(on("chat", "a", "b"), on("embed", "b"), on("vision", "a", "c")))
    snapshot = replace(SNAPSHOT, services=(view("chat", 80.0), view("embed", 30.0), view("vision", 10.0)))
    seen = SharedBackends(fleet, snapshot, ControllerMemory())
    assert seen.load_from_peers("embed", REGION, PERIOD) == pytest.approx(40.0), "half of chat"
    assert seen.load_from_peers("chat", REGION, PERIOD) == pytest.approx(35.0), "all of embed, half of vision"
    assert seen.load_from_peers("vision", REGION, PERIOD) == pytest.approx(40.0), (
        "half of chat, none of embed"
    )
    minutes = seen.minutes("embed", REGION)
    assert minutes is not None
    (minute_,) = minutes.values()
    assert minute_.total / PERIOD == pytest.approx(40.0)
    whole = snapshot.services[0].backends[0].traffic
    assert isinstance(whole, Seen)
    assert minute_.latency is not None
    assert whole.value[0].latency is not None
    assert minute_.latency.percentile(95) == pytest.approx(whole.value[0].latency.percentile(95))
    assert minute_.contradiction is None


def test_a_move_in_flight_of_a_partial_peer_counts_by_its_share() -> None:
    fleet = Fleet(services=(on("chat", "a", "b"), on("embed", "b")))
    snapshot = replace(SNAPSHOT, services=(view("chat", 80.0), view("embed", 30.0)))
    shedding = ServiceMemory(service="chat", expected_load=((REGION, 10.0),))
    seen = SharedBackends(fleet, snapshot, ControllerMemory(services=(shedding,)))
    assert seen.load_from_peers("embed", REGION, PERIOD) == pytest.approx(5.0)


def test_groups_of_one_name_in_two_regions_are_two() -> None:
    fleet = Fleet(services=(on("chat", "a"), on("embed", "a", region="us-east4")))
    assert fleet.peers == {}
