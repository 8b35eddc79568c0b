"""The running server: time, faults of writes, idempotency, the control API, a clean stop."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tests.engine.bench_config import document
from tests.sandbox.conftest import PROJECT, Cloud, ToyFault, ToyPlant, make_cloud
from tests.sandbox.discovery import Discovery

from spillway.config.model import Config
from spillway.errors import PermanentError, TemporaryError
from spillway.resources import config_file
from spillway.sandbox.app import AnswersWhileStopping
from spillway.sandbox.clock import HOLD_LIMIT, LEASE, ScaledClock, rfc3339
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.stand import others, seed_groups
from spillway.sandbox.writes import Timing
from spillway.sim.scenario_file import load_setup
from spillway.sim.world import World

CHECK = {"name": "hc", "type": "HTTP"}


def test_scaled_time_can_be_computed_by_another_process() -> None:
    real = [1000.0]
    clock = ScaledClock(speed=60.0, epoch=5e8, real=lambda: real[0])
    real[0] += 2.5
    reference = clock.reference()
    assert clock.world() == 150.0
    assert (
        reference["epoch"] + (real[0] - reference["real_reference"]) * reference["speed"]
        == clock.now()
        == 5e8 + 150.0
    )
    assert clock.real_seconds(90.0) == 1.5
    assert rfc3339(0.25) == "1970-01-01T00:00:00.250Z"
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(speed=0.0, epoch=0.0)


@pytest.fixture
def slow_cloud(discovery: Discovery) -> Iterator[Cloud]:
    """A sandbox in which a write takes 0.3 real seconds: 18 at speed 60."""
    made = make_cloud(discovery, speed=60.0, write_time=18.0)
    with made.server:
        yield made
    assert made.server.failure is None


def test_an_answer_is_held_for_the_write_time_and_then_says_done(slow_cloud: Cloud) -> None:
    began = time.monotonic()
    operation = slow_cloud.call("POST", "global/healthChecks", CHECK)
    assert time.monotonic() - began >= 0.3
    assert (operation["status"], operation["progress"]) == ("DONE", 100)
    assert "zone" not in operation
    assert "region" not in operation
    zonal = slow_cloud.call("POST", "zones/us-east4-b/instanceGroups", {"name": "g"})
    assert zonal["zone"].endswith("/zones/us-east4-b")
    assert "/zones/us-east4-b/operations/" in zonal["selfLink"]


def test_a_second_write_to_the_same_resource_must_wait(slow_cloud: Cloud) -> None:
    slow_cloud.call("POST", "global/healthChecks", CHECK)
    slow_cloud.call("GET", "global/operations")
    slow_cloud.plant.fault = ToyFault("slow", factor=8.0)
    first = threading.Thread(
        target=slow_cloud.call, args=("PATCH", "global/healthChecks/hc", {"description": "first"})
    )
    first.start()
    deadline = time.monotonic() + 5
    while slow_cloud.call("GET", "global/healthChecks/hc").get("description") != "first":
        assert time.monotonic() < deadline
    running = [
        op for op in slow_cloud.call("GET", "global/operations")["items"] if op["operationType"] == "patch"
    ]
    assert [operation["status"] for operation in running] == ["RUNNING"]
    assert (
        slow_cloud.refused("PATCH", "global/healthChecks/hc", {"description": "second"})[0]
        == "resourceNotReady"
    )
    assert slow_cloud.call("POST", f"global/operations/{running[0]['name']}/wait")["status"] == "DONE"
    first.join(5)
    slow_cloud.call("PATCH", "global/healthChecks/hc", {"description": "second"})


def test_faults_of_writes(discovery: Discovery) -> None:
    cloud = make_cloud(discovery, speed=6000.0, write_time=600.0)
    with cloud.server:
        cloud.plant.fault = ToyFault("refused")
        assert cloud.refused("POST", "global/healthChecks", CHECK, status=403) == (
            "rateLimitExceeded",
            "Rate Limit Exceeded",
        )
        cloud.plant.fault = ToyFault("hung")
        assert cloud.refused("POST", "global/healthChecks", CHECK, status=504)[0] == "backendError"
        cloud.plant.fault = None
        cloud.call("GET", "global/healthChecks/hc", status=404)
        cloud.plant.fault = ToyFault("unknown")
        assert cloud.refused("POST", "global/healthChecks", CHECK, status=504)[0] == "backendError"
        cloud.call("GET", "global/healthChecks/hc")
        cloud.plant.fault = ToyFault("slow", factor=3.0)
        began = time.monotonic()
        cloud.call("DELETE", "global/healthChecks/hc")
        assert time.monotonic() - began >= 0.3


def test_a_request_id_is_carried_out_once(cloud: Cloud) -> None:
    request_id = "11111111-2222-4333-8444-555555555555"
    first = cloud.call("POST", "global/healthChecks", CHECK, requestId=request_id)
    assert cloud.call("POST", "global/healthChecks", CHECK, requestId=request_id)["name"] == first["name"]
    assert cloud.refused("POST", "global/healthChecks", CHECK, status=409)[0] == "alreadyExists"
    for bad in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        assert "valid UUID" in cloud.refused("POST", "global/healthChecks", CHECK, requestId=bad)[1]


def control(cloud: Cloud, http: str, path: str, body: object = None) -> requests.Response:
    return requests.request(http, f"{cloud.server.url}/sandbox/v1/{path}", json=body, timeout=5)


def test_the_control_api(cloud: Cloud) -> None:
    clock = control(cloud, "GET", "clock").json()
    assert clock.keys() == {"epoch", "speed", "real_reference", "world", "now", "held", "holder"}
    assert clock["epoch"] + (time.time() - clock["real_reference"]) * clock["speed"] == pytest.approx(
        clock["now"], abs=2
    )
    made = control(
        cloud, "POST", "faults", {"kind": "outage", "region": "us-east4", "for": "10m", "at": "40m"}
    ).json()
    (fault,) = control(cloud, "GET", "faults").json()["faults"]
    assert (fault["id"], fault["at"], fault["region"]) == (made["id"], 2400.0, "us-east4")
    assert control(cloud, "DELETE", f"faults/{made['id']}").json() == {}
    assert control(cloud, "DELETE", f"faults/{made['id']}").status_code == 404
    now = control(cloud, "POST", "faults", {"kind": "outage", "region": "us-east4"})
    assert now.status_code == 200
    refusal = control(cloud, "POST", "faults", {"kind": "meteor"})
    assert refusal.status_code == 400
    assert "meteor" in refusal.json()["error"]["message"]
    assert control(cloud, "POST", "faults", {"kind": "outage", "at": "soon"}).status_code == 400
    assert control(cloud, "GET", "report").json()["report"] == {"requests": 0}
    resources = control(cloud, "GET", "resources").json()["resources"]
    assert len(resources["projects/p/zones/us-east4-b/networkEndpointGroups/api-us-east4"]["members"]) == 3
    assert control(cloud, "GET", "weather").status_code == 404


def test_bodies_and_paths_that_are_none(cloud: Cloud) -> None:
    base = f"{cloud.server.url}/compute/v1/projects/p/global/healthChecks"
    for raw in ("{", "[]", "7"):
        answer = requests.post(base, data=raw, timeout=5)
        assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (400, "parseError")
    for path in (
        "/",
        "/compute/v2/projects/p/global/healthChecks",
        "/v1/projects/p/locations/global/gateways",
    ):
        answer = requests.get(cloud.server.url + path, timeout=5)
        assert answer.status_code == 404
        assert "The sandbox does not serve GET" in answer.json()["error"]["message"]
    assert requests.post(base, data=b"x" * (5 * 1024 * 1024), timeout=5).status_code == 413


def test_groups_that_the_program_makes_get_their_endpoints() -> None:
    plant = ToyPlant()
    group = SeedGroup(project="p", zone="us-east4-b", name="later", endpoints=3, made_by_program=True)
    server = SandboxServer(
        plant, clock=ScaledClock(speed=1.0, epoch=0.0), timing=Timing(write_time=0.0), groups=[group]
    )
    with server:
        url = f"{server.url}/compute/v1/projects/p/zones/us-east4-b/networkEndpointGroups"
        assert requests.get(f"{url}/later", timeout=5).status_code == 404
        requests.post(url, json={"name": "later"}, timeout=5).raise_for_status()
        assert requests.get(f"{url}/later", timeout=5).json()["size"] == 3


def test_groups_without_endpoints_are_there_from_the_beginning(discovery: Discovery) -> None:
    raw = document()
    raw["topology"]["regions"]["us-east4"] = {"groups": [{"serverless_neg": "run"}, {"psc_neg": "apigee"}]}
    raw["topology"]["regions"]["europe-west4"] = {"groups": [{"internet_neg": "partner"}]}
    world = World(load_setup(config_file("scenarios/demo.yaml")), controls=(), routes=())
    groups = seed_groups(Config.model_validate(raw), world)
    assert [group.endpoints for group in groups if group.kind == "neg"] == [10]
    made = make_cloud(discovery)
    made.project = raw["project"]
    made.server.store.seed_groups(groups)
    with made.server:
        run = made.call("GET", "regions/us-east4/networkEndpointGroups/run")
        assert (run["networkEndpointType"], run["size"]) == ("SERVERLESS", 0)
        apigee = made.call("GET", "regions/us-east4/networkEndpointGroups/apigee")
        assert (apigee["networkEndpointType"], apigee["size"]) == ("PRIVATE_SERVICE_CONNECT", 0)
        partner = made.call("GET", "global/networkEndpointGroups/partner")
        assert (partner["networkEndpointType"], partner["size"]) == ("INTERNET_FQDN_PORT", 0)
        body = {
            "name": "s",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            "backends": [{"group": run["selfLink"]}],
        }
        made.call("POST", "global/backendServices", body)


def test_networks_of_groups_that_are_made_are_there_from_the_beginning(discovery: Discovery) -> None:
    """The sandbox of a configuration with a Shared VPC can build its groups."""
    raw = document()
    shared = {"network": "projects/host/global/networks/shared"}
    there = {**shared, "subnetwork": "projects/host/regions/us-east4/subnetworks/gpu"}
    groups = [
        {"zone": "us-east4-a", "neg": "a", "create": there},
        {"zone": "us-east4-b", "neg": "b", "create": {"network": "own", "subnetwork": "own-gpu"}},
    ]
    raw["topology"]["regions"]["us-east4"]["groups"] = groups
    made = make_cloud(discovery)
    made.project = raw["project"]
    for key, body in others(Config.model_validate(raw)):
        made.server.store.insert(key, body)
    with made.server:
        for given in (
            there,
            {"network": "global/networks/own", "subnetwork": "regions/us-east4/subnetworks/own-gpu"},
        ):
            name = given["subnetwork"].rpartition("/")[2]
            body = {"name": name, "networkEndpointType": "GCE_VM_IP_PORT", **given}
            made.call("POST", "zones/us-east4-a/networkEndpointGroups", body)
            assert made.call("GET", f"zones/us-east4-a/networkEndpointGroups/{name}")["name"] == name


def test_addresses_given_by_url_are_there_from_the_beginning(discovery: Discovery) -> None:
    raw = document()
    raw["topology"]["address"] = {
        "ip_version": ["IPV4", "IPV6"],
        "existing": [f"projects/{raw['project']}/global/addresses/{name}" for name in ("four", "six")],
    }
    made = make_cloud(discovery)
    made.project = raw["project"]
    for key, body in others(Config.model_validate(raw)):
        made.server.store.insert(key, body)
    with made.server:
        assert made.call("GET", "global/addresses/four")["ipVersion"] == "IPV4"
        assert made.call("GET", "global/addresses/six")["ipVersion"] == "IPV6"


class Side:
    port = 4242
    stopped: float | None = None

    def stop(self, grace: float) -> None:
        self.stopped = grace


def test_start_and_stop() -> None:
    side = Side()
    server = SandboxServer(
        ToyPlant(), clock=ScaledClock(speed=1.0, epoch=0.0), timing=Timing(), monitoring=lambda: side
    )
    with pytest.raises(PermanentError, match="not running"):
        _ = server.url
    server.start()
    try:
        assert server.monitoring_port == 4242
        deadline = time.monotonic() + 5
        while server.plant.time == 0.0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        taken = SandboxServer(
            ToyPlant(), clock=ScaledClock(speed=1.0, epoch=0.0), timing=Timing(), http=server.address
        )
        with pytest.raises(TemporaryError, match="cannot listen"):
            taken.start()
    finally:
        began = time.monotonic()
        server.stop()
    assert time.monotonic() - began < 5
    assert side.stopped is not None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sandbox-")]
    server.stop()


def test_a_stop_does_not_wait_for_a_held_answer(discovery: Discovery) -> None:
    cloud = make_cloud(discovery, write_time=3600.0)
    cloud.server.start()
    failures: list[Exception] = []

    def write() -> None:
        try:
            requests.post(
                f"{cloud.server.url}/compute/v1/projects/p/global/healthChecks", json=CHECK, timeout=20
            )
        except requests.RequestException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    deadline = time.monotonic() + 5
    while "projects/p/global/healthChecks/hc" not in cloud.server.store.dump():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    began = time.monotonic()
    cloud.server.stop()
    writer.join(5)
    assert time.monotonic() - began < 5
    assert not writer.is_alive()


class BrokenPlant(ToyPlant):
    def advance(self, to: float) -> None:
        raise ArithmeticError("the world has come to its end")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Origin": "http://evil.example"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "application/json", "Host": "evil.example"}, 400),
    ],
)
def test_the_controls_take_nothing_from_web_pages(cloud: Cloud, headers: dict[str, str], status: int) -> None:
    body = b'{"kind": "outage", "region": "us-east4", "for": "10m"}'
    answer = requests.post(f"{cloud.server.url}/sandbox/v1/faults", data=body, headers=headers, timeout=5)
    assert answer.status_code == status
    assert control(cloud, "GET", "faults").json() == {"faults": []}


def test_the_apis_are_not_answered_under_a_name_of_somebody_else(cloud: Cloud) -> None:
    url = f"{cloud.server.url}/compute/v1/projects/p/global/backendServices"
    assert requests.get(url, headers={"Host": "evil.example"}, timeout=5).status_code == 400


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_world_that_fails_takes_http_with_it(caplog: pytest.LogCaptureFixture) -> None:
    server = SandboxServer(BrokenPlant(), clock=ScaledClock(speed=1.0, epoch=0.0), timing=Timing())
    with server:
        url = server.url
        deadline = time.monotonic() + 5
        while server.failure is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for thread in threading.enumerate():
            if thread.name == "sandbox-http":
                thread.join(5)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/sandbox/v1/clock", timeout=2)
    assert isinstance(server.failure, ArithmeticError)
    assert "sandbox-pump ended by an error" in caplog.text


def test_a_held_world_goes_on_where_it_stood_and_pays_what_it_owes() -> None:
    real = [1000.0]
    clock = ScaledClock(speed=60.0, epoch=5e8, real=lambda: real[0])
    real[0] += 2.0
    clock.hold()
    assert clock.held
    assert clock.real_seconds(20.0) == 0.0
    clock.owe(20.0)
    clock.owe(5.0)
    real[0] += 7.0
    assert clock.world() == 120.0
    clock.release()
    assert clock.world() == pytest.approx(140.0)
    real[0] += 1.0
    assert clock.world() == pytest.approx(200.0)
    reference = clock.reference()
    assert reference["epoch"] + (real[0] - reference["real_reference"]) * 60.0 == pytest.approx(clock.now())


def test_a_world_that_nobody_releases_goes_on_by_itself() -> None:
    real = [1000.0]
    clock = ScaledClock(speed=60.0, epoch=0.0, real=lambda: real[0])
    clock.hold()
    real[0] += HOLD_LIMIT + 1.0
    assert not clock.held
    assert clock.world() == pytest.approx(0.0)
    waiting = ScaledClock(speed=60.0, epoch=0.0, held=True, real=lambda: real[0])
    real[0] += 10 * HOLD_LIMIT
    assert waiting.held, "a world that has not begun waits as long as it takes"


def test_a_pause_belongs_to_its_holder_and_ends_soon_after_it() -> None:
    real = [1000.0]
    clock = ScaledClock(speed=60.0, epoch=0.0, real=lambda: real[0])
    clock.hold("first")
    clock.hold("second")
    clock.release("first")
    assert clock.held, "whoever asked last has it"
    assert clock.holder == "second"
    for _ in range(5):
        real[0] += LEASE - 1.0
        assert clock.held
        clock.hold("second")
    clock.release("second")
    assert [clock.held, clock.holder] == [False, ""]
    clock.hold("dead")
    real[0] += LEASE + 1.0
    assert [clock.held, clock.holder] == [False, ""]
    assert HOLD_LIMIT > LEASE


def test_a_batch_is_carried_out_part_by_part(cloud: Cloud) -> None:
    for name in ("a", "b"):
        cloud.call("POST", "global/healthChecks", {"name": name, "type": "HTTP"})
    parts = "".join(
        f"--x\r\nContent-Type: application/http\r\nContent-ID: <{name}>\r\n\r\n"
        f"DELETE /compute/v1/projects/{PROJECT}/global/healthChecks/{name} HTTP/1.1\r\naccept: application/json\r\n\r\n\r\n"
        for name in ("a", "b", "nosuch")
    )
    answer = requests.post(
        f"{cloud.server.url}/batch/compute/v1",
        data=f"{parts}--x--\r\n",
        headers={"Content-Type": 'multipart/mixed; boundary="x"'},
        timeout=10,
    )
    assert answer.status_code == 200
    assert [line for line in answer.text.splitlines() if line.startswith(("HTTP/", "Content-ID"))] == [
        *("Content-ID: <response-a>", "HTTP/1.1 200 OK"),
        *("Content-ID: <response-b>", "HTTP/1.1 200 OK"),
        *("Content-ID: <response-nosuch>", "HTTP/1.1 404 Not Found"),
    ]
    assert cloud.call("GET", "global/healthChecks").get("items", []) == []


@pytest.mark.parametrize("body", [b"", b"--x\r\n\r\nhello\r\n--x--", b"plain"])
def test_what_is_no_batch_is_refused(cloud: Cloud, body: bytes) -> None:
    answer = requests.post(
        f"{cloud.server.url}/batch/compute/v1",
        data=body,
        headers={"Content-Type": 'multipart/mixed; boundary="x"'},
        timeout=10,
    )
    assert answer.status_code == 400
    assert "batch" in answer.json()["error"]["message"]


def test_the_report_says_whether_the_scenario_is_over(cloud: Cloud) -> None:
    answer = requests.get(f"{cloud.server.url}/sandbox/v1/report", timeout=10).json()
    assert answer["over"] is False


def test_a_request_under_way_gets_an_answer_when_the_sandbox_stops() -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(3600)

    sent: list[Any] = []

    async def note(message: Any) -> None:
        sent.append(message)

    async def serve() -> None:
        task = asyncio.create_task(AnswersWhileStopping(never)({"type": "http"}, note, note))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(serve())
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["error"]["message"] == "The sandbox is stopping."
