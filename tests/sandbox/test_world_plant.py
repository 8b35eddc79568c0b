"""The simulated world behind the sandbox, through the sandbox's own doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.conftest import Cloud
from tests.sandbox.discovery import Discovery

from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.world_plant import WorldPlant
from spillway.sandbox.writes import Timing
from spillway.sim.control import BackendControl, RouteControl, ServiceControl
from spillway.sim.scenario import Scenario
from spillway.sim.setup import build
from spillway.sim.world import World

REGION = {
    "endpoints": 4,
    "target_rps": 40,
    "capacity_rps": 44,
    "service_time": {"p50": "0.9s", "p95": "2.2s"},
}
SCENARIO = Scenario.model_validate(
    {
        "scenario": "two",
        "duration": "1h",
        "regions": {"europe-west4": REGION, "us-east4": REGION},
        "clients": [
            {"name": "paris", "latitude": 48.86, "longitude": 2.35, "demand": {"shape": "steady", "rps": 20}}
        ],
        "faults": [{"kind": "outside-edit", "at": "50m", "region": "us-east4", "scaler": 0.5}],
    }
)


@pytest.fixture
def plant(tmp_path: Path) -> WorldPlant:
    return WorldPlant(World(build(SCENARIO, tmp_path), controls=(), routes=()))


class HandClock(ScaledClock):
    """A clock that a test moves."""

    def __init__(self, epoch: float) -> None:
        self.hand = 0.0
        super().__init__(speed=1.0, epoch=epoch, real=lambda: self.hand)


@pytest.fixture
def cloud(plant: WorldPlant, discovery: Discovery) -> Iterator[Cloud]:
    groups = [
        SeedGroup(project="p", zone=f"{region}-a", name="api", endpoints=4)
        for region in ("europe-west4", "us-east4")
    ]
    server = SandboxServer(
        plant, clock=HandClock(plant.epoch), timing=Timing(write_time=0.0, propagation=30.0), groups=groups
    )
    with server:
        yield Cloud(server=server, plant=plant, discovery=discovery)  # type: ignore[arg-type]  # the real world in the toy's place
    assert server.failure is None


def move(cloud: Cloud, to: float) -> None:
    clock = cloud.server.clock
    assert isinstance(clock, HandClock)
    clock.hand = to
    cloud.server.advance()


def test_built_resources_carry_traffic_and_an_outage_shows_in_health(cloud: Cloud) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    names = [f"zones/{region}-a/networkEndpointGroups/api" for region in ("europe-west4", "us-east4")]
    backends = [{"group": name, "balancingMode": "RATE", "maxRatePerEndpoint": 10} for name in names]
    cloud.call(
        "POST",
        "global/backendServices",
        {
            "name": "pool",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            "healthChecks": ["global/healthChecks/hc"],
            "backends": backends,
        },
    )
    cloud.call("POST", "global/urlMaps", {"name": "um", "defaultService": "global/backendServices/pool"})
    cloud.call("POST", "global/targetHttpProxies", {"name": "p", "urlMap": "global/urlMaps/um"})
    cloud.call(
        "POST",
        "global/forwardingRules",
        {
            "name": "r",
            "target": "global/targetHttpProxies/p",
            "portRange": "80",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
        },
    )
    move(cloud, 20.0)
    plant = cloud.server.plant
    assert plant.report()["requests"] == 0.0
    move(cloud, 300.0)
    requests = plant.report()["requests"]
    assert isinstance(requests, float)
    assert requests == pytest.approx(20.0 * 270.0, rel=0.05)
    with cloud.server.store.lock:
        plant.inject({"kind": "outage", "region": "europe-west4"}, plant.time)
    move(cloud, 400.0)
    health = cloud.call("POST", "global/backendServices/pool/getHealth", {"group": names[0]})["healthStatus"]
    assert {status["healthState"] for status in health} == {"UNHEALTHY"}
    health = cloud.call("POST", "global/backendServices/pool/getHealth", {"group": names[1]})["healthStatus"]
    assert {status["healthState"] for status in health} == {"HEALTHY"}
    move(cloud, 3020.0)
    shown = cloud.call("GET", "global/backendServices/pool")["backends"]
    assert [backend["capacityScaler"] for backend in shown] == [1.0, 0.5]  # the scenario's outside edit


def test_faults_come_and_go_by_their_id(plant: WorldPlant) -> None:
    (edit,) = plant.faults()
    assert (edit["kind"], edit["at"]) == ("outside-edit", 3000.0)
    name = plant.inject({"kind": "slow", "region": "us-east4", "factor": 3, "for": "10m"}, 60.0)
    assert [fault["kind"] for fault in plant.faults()] == ["outside-edit", "slow"]
    assert plant.withdraw(name)
    assert not plant.withdraw(name)
    assert not plant.withdraw("99")
    plant.inject({"kind": "write-slow", "factor": 4}, 0.0)
    fault = plant.write_fault()
    assert fault is not None
    assert (fault.kind, fault.factor) == ("slow", 4.0)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "meteor"}, "meteor"),
        ({"kind": "slow", "region": "us-east4"}, "factor"),
        ({"kind": "outage", "region": "asia-east1"}, "the scenario has no asia-east1"),
        ({"kind": "outage", "region": "us-east4", "colour": "red"}, "colour"),
    ],
)
def test_a_fault_that_is_none_is_refused_in_words(
    plant: WorldPlant, fault: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        plant.inject(fault, 0.0)


def test_regions_that_the_scenario_lacks_are_left_out(
    plant: WorldPlant, caplog: pytest.LogCaptureFixture
) -> None:
    backends = tuple(BackendControl(region=name, scaler=1.0) for name in ("asia-east1", "us-east4"))
    plant.apply(ServiceControl(service="pool", backends=backends), 0.0)
    plant.route((RouteControl(host="*", path="/*", service="pool"),), 0.0)
    plant.advance(60.0)
    assert [backend.region for backend in plant.world.controls["pool"].backends] == ["us-east4"]
    assert "asia-east1" in caplog.text
    assert plant.health("asia-east1") == ()
