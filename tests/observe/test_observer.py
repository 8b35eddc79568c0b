"""The daemon's eyes end to end: real client libraries, loopback servers, one snapshot."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.monitoring.fake_source import COUNT, LATENCY, REQUESTS, FakeSource, FixedClock, raw
from tests.observe.fake_compute import FakeCompute, serving, within
from tests.observe.fleets import AMERICA, EUROPE, FLEET, NEWEST, NOW, ends

from spillway.adapters import observer as adapter
from spillway.adapters.compute import ComputeReader
from spillway.adapters.google_http import sandbox_session
from spillway.adapters.monitoring import MonitoringReader, connect
from spillway.adapters.observer import SOURCES, CloudObserver
from spillway.core.observe.rows import Listing
from spillway.core.values.policy import Evidence
from spillway.core.values.snapshot import Absence, Missing, PlaceDemand, Seen
from spillway.ports import Observer
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.source import Histogram, Value

_URL = "https://www.googleapis.com/compute/v1/projects/p/zones/{}/networkEndpointGroups/{}"
_POLICY = "projects/p/locations/global/serviceLbPolicies/guard"
_LATENCY = Histogram(bounds=(400.0, 800.0), counts=(0, 100, 0), count=100, mean=500.0)


def _minutes(value: Value, *, newest: float = NOW) -> list[tuple[float, Value]]:
    """A point for each minute, the newest ones still partial."""
    return [(end, value) for end in ends(14, newest)[::-1]]


def _traffic(**labels: Any) -> dict[str, list[Any]]:
    """Series of both regions."""
    series: dict[str, list[Any]] = {COUNT: [], LATENCY: [], REQUESTS: []}
    for key in (*EUROPE, *AMERICA):
        names = {"target": "spillway-pool", "name": key.name, "scope": key.scope} | labels
        series[COUNT].append(raw(_minutes(100), **names))
        series[COUNT].append(raw(_minutes(2), code=503, **names))
        series[LATENCY].append(raw(_minutes(_LATENCY), **names))
        series[REQUESTS].append(raw(_minutes(102), **names))
    return series


def _compute(healthy: int = 3) -> FakeCompute:
    backends = [
        {"group": _URL.format(key.scope, key.name), "capacityScaler": 0.8, "preference": "DEFAULT"}
        for key in (*EUROPE, *AMERICA)
    ]
    members = [
        {"ipAddress": f"10.0.0.{i}", "port": 80, "healthState": "HEALTHY" if i < healthy else "UNHEALTHY"}
        for i in range(4)
    ]
    return FakeCompute(
        services=[
            {"name": "spillway-pool", "backends": backends, "serviceLbPolicy": _POLICY},
            {"name": "other"},
        ],
        policies=[{"name": _POLICY, "failoverConfig": {"failoverHealthThreshold": 40}}],
        health=lambda resource, group: (200, {"healthStatus": members}),
    )


@dataclass
class Rig:
    observer: CloudObserver
    source: FakeSource
    compute: FakeCompute
    clock: FixedClock


@contextmanager
def rig(
    source: FakeSource | None = None,
    compute: FakeCompute | None = None,
    *,
    monitoring_port: int | None = None,
    deadline: float = 5.0,
    evidence: dict[str, Evidence] | None = None,
) -> Iterator[Rig]:
    source = source or FakeSource(_traffic())
    clock = FixedClock(NOW + 5.0)
    server = serve(source, clock, "127.0.0.1:0")
    with serving(compute or _compute()) as fake:
        port = server.port if monitoring_port is None else monitoring_port
        observer = CloudObserver(
            FLEET,
            monitoring=MonitoringReader(
                connect(f"127.0.0.1:{port}"),
                project="demo-project",
                resources=["spillway-pool"],
                window=900.0,
                deadline=deadline,
            ),
            compute=ComputeReader(
                sandbox_session(8),
                project="demo-project",
                deadline=deadline,
                parallel=8,
                compute=f"{fake.base}/compute/v1",
                network_services=f"{fake.base}/v1",
            ),
            clock=clock,
            deadline=deadline,
            evidence=evidence,
        )
        try:
            yield Rig(observer, source, fake, clock)
        finally:
            fake.released.set()
            observer.close()
            server.stop(0)


def test_one_pass_sees_everything() -> None:
    with rig() as r:
        observer: Observer = r.observer
        snapshot = observer.observe()
        calls = r.observer.calls
    view = snapshot.service("pool")
    europe = view.backend("europe-west4")
    assert snapshot.problems == ()
    assert (snapshot.at, snapshot.lag) == (NOW + 5.0, 270.0)
    assert isinstance(europe.traffic, Seen)
    assert europe.traffic.value[-1].end == NOW - 240.0 == NEWEST
    assert len(europe.traffic.value) == 10
    newest = europe.traffic.value[-1]
    assert (newest.ok, newest.server_error) == (200.0, 4.0)
    assert newest.latency is not None
    assert newest.latency.percentile(50) == pytest.approx(0.6)
    assert isinstance(europe.health, Seen)
    assert (europe.health.value.healthy, europe.health.value.total) == (6, 8)
    assert isinstance(europe.observed, Seen)
    assert europe.observed.value.scaler == pytest.approx(0.8)
    assert isinstance(view.policy, Seen)
    assert view.policy.value.failover_threshold == 40
    assert isinstance(view.places, Seen)
    assert view.places.value == (
        PlaceDemand(place="Europe", region="europe-west4", rate=204 / 60),
        PlaceDemand(place="Europe", region="us-east4", rate=102 / 60),
    )
    assert isinstance(view.unassigned, Missing)
    assert calls == {
        "counts": 1,
        "latencies": 1,
        "places": 1,
        "descriptors": 3,
        "listing": 1,
        "policies": 1,
        "health": 3,
    }
    assert set(r.observer.seconds) == set(SOURCES)
    assert all(r.observer.seconds[source] > 0.0 for source in SOURCES)
    assert set(r.observer.errors.values()) == {0}


def test_time_series_calls_do_not_grow_with_services_and_the_lag_is_read_once() -> None:
    with rig() as r:
        for _ in range(3):
            r.observer.observe()
        assert r.observer.calls["descriptors"] == 3
        assert sum(r.observer.calls[source] for source in ("counts", "latencies", "places")) == 9


def test_the_fast_pass_reads_listing_and_health_alone() -> None:
    with rig() as r:
        snapshot = r.observer.observe_health()
        assert r.observer.calls == dict.fromkeys(SOURCES, 0) | {"listing": 1, "health": 3}
    backend = snapshot.service("pool").backend("us-east4")
    assert isinstance(backend.health, Seen)
    assert isinstance(backend.traffic, Missing)
    assert backend.traffic.absence is Absence.NOT_ASKED
    assert snapshot.problems == ()


def test_execution_errors_come_through() -> None:
    with rig(FakeSource(_traffic(), errors=("europe is late",))) as r:
        snapshot = r.observer.observe()
    traffic = snapshot.service("pool").backend("us-east4").traffic
    assert traffic == Missing(absence=Absence.PARTIAL, detail="europe is late")
    assert "request counts may be incomplete: europe is late" in snapshot.problems


def test_a_stale_world_is_stale_and_an_idle_one_idle() -> None:
    old = FakeSource({COUNT: [raw(_minutes(5, newest=NOW - 480.0), target="spillway-pool", name="pool")]})
    with rig(old, evidence={"pool": Evidence(max_age=420.0)}) as r:
        view = r.observer.observe().service("pool")
    absences = {b.region: b.traffic.absence for b in view.backends if isinstance(b.traffic, Missing)}
    assert absences == {"europe-west4": Absence.STALE, "us-east4": Absence.NO_SERIES}


def test_without_the_descriptors_the_documented_lag_holds_and_is_asked_for_again_later() -> None:
    with rig(monitoring_port=1, deadline=1.0) as r:
        snapshot = r.observer.observe()
        assert snapshot.lag == 270.0
        assert any("documented 210 s" in problem for problem in snapshot.problems)
        traffic = snapshot.service("pool").backend("us-east4").traffic
        assert isinstance(traffic, Missing)
        assert traffic.absence is Absence.QUERY_FAILED
        tried = r.observer.calls["descriptors"]
        r.clock.at += 60.0
        r.observer.observe()
        assert r.observer.calls["descriptors"] == tried
        r.clock.at += 600.0
        r.observer.observe()
        assert r.observer.calls["descriptors"] > tried
        assert r.observer.errors["counts"] == 3
        assert isinstance(snapshot.service("pool").backend("us-east4").health, Seen), (
            "Compute is another matter"
        )


def test_compute_that_refuses_leaves_traffic_standing() -> None:
    body = {
        "error": {
            "message": "Required 'compute.backendServices.list' permission",
            "errors": [{"reason": "forbidden"}],
        }
    }
    with rig(compute=FakeCompute(failure=(403, body))) as r:
        snapshot = r.observer.observe()
        errors = r.observer.errors
    view = snapshot.service("pool").backend("europe-west4")
    assert isinstance(view.observed, Missing)
    assert isinstance(view.health, Missing)
    assert isinstance(view.traffic, Seen)
    assert "needs compute.backendServices.list" in view.observed.detail
    assert (errors["listing"], errors["policies"], errors["health"]) == (1, 1, 0)


def test_a_compute_that_hangs_costs_one_deadline() -> None:
    fake = _compute()
    fake.delay = 30.0
    with rig(compute=fake, deadline=0.5) as r:
        check = within(6.0)
        snapshot = r.observer.observe()
        check()
    view = snapshot.service("pool").backend("europe-west4")
    assert isinstance(view.observed, Missing)
    assert view.observed.absence is Absence.QUERY_FAILED
    assert isinstance(view.traffic, Seen)


def test_a_read_that_outlives_its_deadline_is_left_behind_and_not_begun_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter, "_MARGIN", 0.1)
    over = threading.Event()
    begun: list[float] = []

    def hang(now: float) -> Listing:
        begun.append(now)
        over.wait(20.0)
        return Listing(at=now, services={})

    with rig(deadline=0.2) as r:
        monkeypatch.setattr(r.observer._compute, "listing", hang)
        check = within(5.0)
        first = r.observer.observe_health().services[0].backends[0].observed
        second = r.observer.observe_health().services[0].backends[0].observed
        check()
        over.set()
    assert first == Missing(absence=Absence.QUERY_FAILED, detail="the read ran into its deadline")
    assert second == Missing(absence=Absence.QUERY_FAILED, detail="the last read of listing still hangs")
    assert len(begun) == 1


def test_only_our_groups_are_probed() -> None:
    fake = _compute()
    fake.services[0]["backends"].append({"group": _URL.format("europe-west4-c", "stranger")})
    with rig(compute=fake) as r:
        r.observer.observe()
        assert r.observer.calls["health"] == 3


def test_evidence_of_the_policy_decides_what_is_stale() -> None:
    with rig(evidence={"pool": Evidence(max_age=200.0)}) as r:
        traffic = r.observer.observe().service("pool").backend("europe-west4").traffic
    assert isinstance(traffic, Missing)
    assert traffic.absence is Absence.STALE
