"""A sandbox with a toy world behind it, and a plain client that checks every answer against the published schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from tests.sandbox.discovery import Discovery

from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.plant import OutsideEdit
from spillway.sandbox.seeds import SeedGroup, SeedMap
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.writes import Timing
from spillway.sim.control import RouteControl, ServiceControl


@dataclass(frozen=True)
class ToyFault:
    kind: str
    factor: float = 1.0


@dataclass
class ToyPlant:
    """Notes what it is told."""

    epoch: float = 1_767_225_600.0
    time: float = 0.0
    applied: list[tuple[ServiceControl, float]] = field(default_factory=list)
    routed: list[tuple[tuple[RouteControl, ...], float]] = field(default_factory=list)
    zones: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    fault: ToyFault | None = None
    edits: list[OutsideEdit] = field(default_factory=list)
    injected: dict[str, dict[str, object]] = field(default_factory=dict)

    def advance(self, to: float) -> None:
        self.time = to

    def apply(self, control: ServiceControl, at: float) -> None:
        self.applied.append((control, at))

    def route(self, routes: tuple[RouteControl, ...], at: float) -> None:
        self.routed.append((routes, at))

    def health(self, region: str) -> tuple[tuple[int, int], ...]:
        return self.zones.get(region, ())

    def write_fault(self) -> ToyFault | None:
        return self.fault

    def outside_edits(self, since: float, until: float) -> tuple[OutsideEdit, ...]:
        return tuple(edit for edit in self.edits if since <= edit.at < until)

    over = False

    def report(self) -> Mapping[str, object]:
        return {"requests": 0}

    def inject(self, fault: Mapping[str, object], at: float) -> str:
        if fault.get("kind") != "outage":
            raise ValueError(f"'{fault.get('kind')}' is no kind of fault; write outage.")
        name = f"f{len(self.injected)}"
        self.injected[name] = {**fault, "at": at, "id": name}
        return name

    def faults(self) -> tuple[Mapping[str, object], ...]:
        return tuple(self.injected.values())

    def withdraw(self, fault_id: str) -> bool:
        return self.injected.pop(fault_id, None) is not None


PROJECT = "p"
GROUPS = (
    SeedGroup(project=PROJECT, zone="europe-west4-a", name="api-europe-west4", endpoints=4),
    SeedGroup(project=PROJECT, zone="us-east4-b", name="api-us-east4", endpoints=3),
    SeedGroup(project=PROJECT, zone="asia-northeast1-c", name="api-asia-northeast1", endpoints=2),
    SeedGroup(
        project=PROJECT, zone="europe-west4-a", name="ig-europe-west4", kind="instance_group", endpoints=2
    ),
    SeedGroup(project=PROJECT, zone="us-east4-b", name="onprem", kind="hybrid_neg", endpoints=1),
)


MAPS = (SeedMap(project=PROJECT, name="m", hosts=("api.example.com", "*.example.org")),)


@dataclass
class Cloud:
    """A running sandbox, and requests to it whose answers are held against the schema."""

    server: SandboxServer
    plant: ToyPlant
    discovery: Discovery
    project: str = PROJECT

    def call(
        self, http: str, path: str, body: Any = None, *, status: int = 200, version: str = "v1", **query: str
    ) -> Any:
        """A Compute request below the project; the answer must have this status and fit the schema."""
        full = f"projects/{self.project}/{path}".rstrip("/")
        response = requests.request(
            http, f"{self.server.url}/compute/{version}/{full}", json=body, params=query, timeout=10
        )
        answer = response.json()
        assert response.status_code == status, answer
        if status == 200:
            self.discovery.check_compute(version, http, full, answer)
        else:
            assert answer["error"]["code"] == status
            assert answer["error"]["errors"][0].keys() == {"message", "domain", "reason"}
        return answer

    def policy(self, http: str, path: str, body: Any = None, *, status: int = 200, **query: str) -> Any:
        """A Network Services request below the project's global location."""
        full = f"projects/{self.project}/locations/global/{path}"
        response = requests.request(http, f"{self.server.url}/v1/{full}", json=body, params=query, timeout=10)
        answer = response.json()
        assert response.status_code == status, answer
        if status == 200:
            self.discovery.check_network_services(http, full, answer)
        return answer

    def certificates(self, http: str, path: str, body: Any = None, *, status: int = 200, **query: str) -> Any:
        """A Certificate Manager request below the project's global location."""
        full = f"projects/{self.project}/locations/global/{path}"
        response = requests.request(http, f"{self.server.url}/v1/{full}", json=body, params=query, timeout=10)
        answer = response.json()
        assert response.status_code == status, answer
        if status == 200:
            self.discovery.check_certificate_manager(http, full, answer)
        return answer

    def control(self, http: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """A request to the sandbox's own controls."""
        response = requests.request(http, f"{self.server.url}/sandbox/v1/{path}", json=body, timeout=10)
        assert response.status_code == status, response.text
        return response.json()

    def refused(
        self, http: str, path: str, body: Any = None, *, status: int = 400, **query: str
    ) -> tuple[str, str]:
        """Reason and sentence of a refusal."""
        detail = self.call(http, path, body, status=status, **query)["error"]["errors"][0]
        return detail["reason"], detail["message"]


def make_cloud(
    discovery: Discovery, *, speed: float = 1.0, write_time: float = 0.0, propagation: float = 90.0
) -> Cloud:
    plant = ToyPlant()
    server = SandboxServer(
        plant,
        clock=ScaledClock(speed=speed, epoch=plant.epoch),
        timing=Timing(write_time=write_time, propagation=propagation),
        groups=GROUPS,
        maps=MAPS,
    )
    return Cloud(server=server, plant=plant, discovery=discovery)


@pytest.fixture(scope="session")
def discovery() -> Discovery:
    return Discovery()


@pytest.fixture
def cloud(discovery: Discovery) -> Iterator[Cloud]:
    """A sandbox whose writes take no time."""
    made = make_cloud(discovery)
    with made.server:
        yield made
    assert made.server.failure is None
