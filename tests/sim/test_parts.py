"""Routes that part requests among services, copy them, or lead nowhere."""

from __future__ import annotations

import pytest
from tests.sim.worlds import client, setup

from spillway.sim.control import BackendControl, RouteControl, ServiceControl
from spillway.sim.matching import path_matches
from spillway.sim.monitoring import MonitoringView
from spillway.sim.world import World

REGIONS = ("europe-west4", "us-east4", "asia-northeast1")


def service(name: str, *regions: str) -> ServiceControl:
    backends = tuple(BackendControl(region=region, scaler=1.0) for region in regions)
    return ServiceControl(service=name, backends=backends)


def world(*routes: RouteControl, **changes: object) -> World:
    built = setup(clients=[client("paris", 60.0, 48.9, 2.4)], **changes)
    controls = [service("pool", *REGIONS), service("canary", "us-east4"), service("shadow", "us-east4")]
    return World(built, controls=controls, routes=routes)


def by_service(made: World) -> dict[str, float]:
    """Requests that reached the balancer in the samples, by service."""
    assert made.samples is not None
    view, end = MonitoringView(made.samples), made.epoch + made.time
    found: dict[str, float] = {}
    for sample in view.counts(made.epoch, end, end + 3600):
        found[sample.service] = found.get(sample.service, 0.0) + sample.count
    return found


EVERYTHING = RouteControl(host="*", path="/*", service="pool")


def test_weights_part_the_requests() -> None:
    made = world(RouteControl(host="*", path="/*", service="pool", others=(("canary", 0.25),)))
    made.advance(600.0)
    counts = by_service(made)
    assert counts["canary"] / (counts["pool"] + counts["canary"]) == pytest.approx(0.25, abs=0.01)
    assert made.balance().arrived == pytest.approx(60.0 * 600, rel=1e-6)
    assert made.service_of() == ("pool",)


def test_copies_load_their_service_and_reach_no_client() -> None:
    made = world(RouteControl(host="*", path="/*", service="pool", mirror=("shadow", 0.5)))
    made.advance(600.0)
    counts = by_service(made)
    assert counts["shadow"] / counts["pool"] == pytest.approx(0.5, abs=0.01)
    assert made.demand().tolist() == [pytest.approx(60.0, rel=0.2)]
    plain = world(EVERYTHING)
    plain.advance(600.0)
    assert made.report().latency_ms == plain.report().latency_ms, "clients see none of the copies"


def test_the_balancer_s_own_answers_are_no_load() -> None:
    made = world(RouteControl(host="*", path="/*", service=""), EVERYTHING)
    made.advance(300.0)
    assert made.balance().arrived == 0.0


def test_a_route_that_parts_requests_may_come_later_and_go_again() -> None:
    """A world that has grown goes on as one that has not: what waits, what was counted and what comes again."""
    made, plain = (world(EVERYTHING) for _ in range(2))
    made.route([RouteControl(host="*", path="/*", service="pool", others=(("canary", 0.5),))], 300.0)
    made.route([EVERYTHING], 600.0)
    for each in (made, plain):
        each.advance(1200.0)
        balance = each.balance()
        assert balance.arrived == pytest.approx(balance.answered + balance.failed + balance.waiting)
    assert made.balance().arrived == pytest.approx(plain.balance().arrived)
    fork = made.fork()
    fork.advance(1500.0)
    assert fork.balance().arrived == pytest.approx(60.0 * 1500, rel=1e-6)


def test_clients_ask_again_for_their_own_failures_alone() -> None:
    retrying = client("paris", 60.0, 48.9, 2.4, retries={"attempts": 2, "backoff": "10s"})
    built = setup(clients=[retrying])
    controls = [service("pool", *REGIONS)]  # the shadow has no backends: each copy fails
    route = RouteControl(host="*", path="/*", service="pool", mirror=("shadow", 1.0))
    made = World(built, controls=controls, routes=[route])
    made.advance(600.0)
    assert made.report().retries < 1.0
    assert made.balance().failed == pytest.approx(60.0 * 600, rel=0.01)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/v1/{model=*}/x", "/v1/big/x", True),
        ("/v1/{model=*}/x", "/v1/a/b/x", False),
        ("/v1/{rest=**}", "/v1/a/b", True),
        ("/v1/{rest=**}", "/v2/a", False),
        ("/v1/*/{name}", "/v1/a/b", True),
        ("(?i)/Status", "/sTATUS", True),
        ("(?i)/Status*", "/statusx", True),
        ("/a*", "/a/b", True),
        ("/a/*", "/a", False),
    ],
)
def test_paths(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches
