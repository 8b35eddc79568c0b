"""Google Cloud in virtual time, without sockets: the sandbox's own APIs over a simulated world, and clients that call them.

What the daemon's readers get are the bytes that a socket would carry, so that all of their decoding is real.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from google.api import metric_pb2
from google.cloud.monitoring_v3.types import GetMetricDescriptorRequest, ListTimeSeriesResponse
from requests.structures import CaseInsensitiveDict

from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Policy
from spillway.core.values.topology import Fleet, Preference
from spillway.ports import Applied, Outcome, Preview
from spillway.sandbox.access import Access
from spillway.sandbox.bridge import Bridge
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.compute import ComputeApi
from spillway.sandbox.links import Key
from spillway.sandbox.monitoring.names import StoreNames
from spillway.sandbox.monitoring.service import MetricReader
from spillway.sandbox.monitoring.world_source import WorldSource
from spillway.sandbox.netservices import NetworkServicesApi
from spillway.sandbox.refusals import Refusal
from spillway.sandbox.stand import default_groups
from spillway.sandbox.store import Store
from spillway.sandbox.world_plant import WorldPlant
from spillway.sandbox.writes import Timing, Writes
from spillway.sim.monitoring import MonitoringView
from spillway.sim.pilot.fleet import posture_set
from spillway.sim.setup import Setup
from spillway.sim.world import World

PROJECT = "sandbox"
COMPUTE = "http://cloud/compute/v1"
NETWORK_SERVICES = "http://cloud/v1"


@dataclass(frozen=True, slots=True)
class Sent:
    """One HTTP answer before it is on the wire."""

    status: int
    body: bytes
    ending: Exception | None = None
    """Raised behind the last byte, in place of the end."""


class _View(MonitoringView):
    def errors(self, now: float) -> tuple[str, ...]:
        return ()


class Cloud:
    """The world, its resources and its clock. It is the clock, too: time passes in `advance` alone."""

    def __init__(self, setup: Setup, fleet: Fleet, policy: Policy) -> None:
        self.world = World(setup, controls=())
        self.plant = WorldPlant(self.world)
        self.store = Store(self.now, self.plant.health)
        actuation = setup.scenario.actuation
        self.timing = Timing(write_time=actuation.write_time, propagation=actuation.propagation)
        self.bridge = Bridge(self.store, self.plant, propagation=actuation.propagation)
        self.store.seed_groups(default_groups(self.world))
        self.fleet, self.policy = fleet, policy
        writes = Writes(
            self.store,
            ScaledClock(speed=1.0, epoch=self.world.epoch, held=True),
            self.plant,
            self.timing,
            self.bridge.publish,
        )
        self._known: dict[tuple[str, str, str, str], Sent] = {}
        """Answers of Compute and Network Services; they hold while no resource and nobody's health has changed."""
        self._known_of: object = None
        self._compute = ComputeApi(self.store, writes, Access())
        self._network_services = NetworkServicesApi(self.store, writes, Access())
        assert self.world.samples is not None
        self._view = _View(self.world.samples)
        self._metrics = MetricReader(
            WorldSource(self._view, StoreNames(self.store), lock=self.store.lock), self
        )

    def now(self) -> float:
        return self.world.epoch + self.world.time

    def monotonic(self) -> float:
        return self.world.time

    def advance(self, to: float) -> None:
        """Let the world run to this second since its start."""
        with self.store.lock:
            self.plant.advance(to)

    def rest(self, method: str, url: str, params: dict[str, str], body: Any) -> Sent:
        """The answer of Compute or Network Services."""
        with self.store.lock:
            healths = [self.plant.health(region.name) for region in self.world.setup.regions]
            stands = (self.store._writes, healths)
            if stands != self._known_of:
                self._known, self._known_of = {}, stands
            request = (method, url, json.dumps(params, sort_keys=True), json.dumps(body))
            if request not in self._known:
                self._known[request] = self._answer(method, urlsplit(url).path, params, body or {})
            return self._known[request]

    def _answer(self, method: str, path: str, params: dict[str, str], body: Any) -> Sent:
        try:
            if path.startswith("/compute/v1/"):
                call = self._compute.answer(
                    method, "v1", path.removeprefix("/compute/v1/"), query=params, body=body
                )
            else:
                call = self._network_services.answer(
                    method, path.removeprefix("/v1/"), query=params, body=body
                )
            return Sent(200, json.dumps(_run(call)).encode())
        except Refusal as refusal:
            return Sent(refusal.status, json.dumps(refusal.compute_body()).encode())

    def series(self, request: Any) -> bytes:
        """One page of ListTimeSeries, serialised."""
        answer: bytes = self._metrics.list_time_series(request).SerializeToString()
        return answer

    def descriptor(self, name: str) -> bytes:
        """A metric's descriptor, serialised."""
        request = GetMetricDescriptorRequest.pb()(name=name)
        answer: bytes = self._metrics.get_metric_descriptor(request).SerializeToString()
        return answer

    def levers(self) -> dict[tuple[str, str], float]:
        """Scalers of the attached regions by (service, region), as they stand."""
        found: dict[tuple[str, str], float] = {}
        with self.store.lock:
            for key, service in self.store.all_of("backendServices"):
                for backend in service.get("backends", []):
                    zone = backend["group"].split("/zones/")[1].split("/")[0]
                    found[key.name, zone.rpartition("-")[0]] = float(backend.get("capacityScaler", 1.0))
        return found

    def write(self, overlay: Overlay, at: float) -> bool:
        """Make the resources what the overlay says, effective in the world at `at`; whether anything changed."""
        changed = False
        with self.store.lock:
            for setting in overlay.services:
                service = next(s for s in self.fleet.services if s.name == setting.service)
                posture = posture_set(self.policy, setting.posture)
                policy = Key(PROJECT, "locations/global", "serviceLbPolicies", service.resource)
                changed |= self._put(
                    policy,
                    {
                        "failoverConfig": {"failoverHealthThreshold": posture.failover_threshold},
                        "autoCapacityDrain": {"enable": posture.auto_drain},
                    },
                )
                backends = [
                    {
                        "group": f"projects/{PROJECT}/zones/{group.scope}/networkEndpointGroups/{group.name}",
                        "balancingMode": "RATE",
                        "maxRatePerEndpoint": backend.target.per_endpoint,
                        "capacityScaler": wanted.scaler,
                        "preference": "PREFERRED" if wanted.preference is Preference.PREFERRED else "DEFAULT",
                    }
                    for backend in service.backends
                    if (wanted := setting.backend(backend.region)).member
                    for group in backend.groups
                ]
                changed |= self._put(
                    Key(PROJECT, "global", "backendServices", service.resource),
                    {
                        "loadBalancingScheme": "EXTERNAL_MANAGED",
                        "protocol": "HTTP",
                        "healthChecks": [self._health_check()],
                        "serviceLbPolicy": policy.path,
                        "backends": backends,
                    },
                )
            if changed:
                self.bridge.publish(at)
        return changed

    def _health_check(self) -> str:
        key = Key(PROJECT, "global", "healthChecks", "check")
        if self.store.find(key.path) is None:
            self.store.insert(key, {"name": "check", "type": "HTTP", "httpHealthCheck": {"port": 8080}})
        return key.path

    def _put(self, key: Key, fields: dict[str, Any]) -> bool:
        stands = self.store.find(key.path)
        if stands is None:
            self.store.insert(key, {"name": key.name, **fields} if key.scope == "global" else fields)
            return True
        if all(stands.get(name) == value for name, value in fields.items()):
            return False
        self.store.amend(key, fields) if "locations" in key.scope else self.store.patch(key, fields)
        return True


def _run(call: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """A read waits for nothing, so its coroutine ends in one step."""
    try:
        call.send(None)
    except StopIteration as done:
        answer: dict[str, Any] = done.value
        return answer
    raise AssertionError("a read waited")


class CloudDeployer:
    """Writes overlays to the cloud; the world's time passes meanwhile, as it does in an engine."""

    kind = "virtual"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def preview(self, overlay: Overlay) -> Preview:
        return Preview(changes=(), same=1)

    def build(self, overlay: Overlay) -> Applied:
        changed = self.cloud.write(overlay, self.cloud.world.time)
        return Applied(outcome=Outcome.DONE if changed else Outcome.UNCHANGED, sentence="built")

    def apply(self, overlay: Overlay) -> Applied:
        timing, began = self.cloud.timing, self.cloud.world.time
        if not self.cloud.write(overlay, began + timing.write_time + timing.propagation):
            return Applied(outcome=Outcome.UNCHANGED, sentence="nothing to change")
        self.cloud.advance(began + timing.write_time)
        return Applied(outcome=Outcome.DONE, sentence="written")

    def destroy(self) -> Applied:
        raise NotImplementedError

    def recover(self) -> str | None:
        return None

    def outputs(self) -> dict[str, str]:
        return {}


Rest = Callable[[str, str, dict[str, str], Any], Sent]


class CloudSession:
    """What `google_http` sends with."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.hooks: dict[str, Any] = {"response": []}

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        return response_of(self._rest(method, url, kwargs.get("params") or {}, kwargs.get("json")))

    def close(self) -> None:
        """Nothing is open."""


class _Body(io.RawIOBase):
    """The bytes of an answer, and how they end."""

    def __init__(self, sent: Sent) -> None:
        self._bytes, self._ending = io.BytesIO(sent.body), sent.ending

    def read1(self, size: int = -1) -> bytes:
        part = self._bytes.read(size)
        if not part and self._ending is not None:
            raise self._ending
        return part

    def read(self, size: int = -1) -> bytes:
        return self.read1(size)


def response_of(sent: Sent, headers: dict[str, str] | None = None) -> requests.Response:
    """An answer as `requests` hands it over."""
    response = requests.Response()
    response.status_code = sent.status
    response.headers = CaseInsensitiveDict(headers or {})
    response.raw = urllib3.HTTPResponse(
        body=_Body(sent), status=sent.status, headers=headers or {}, preload_content=False
    )
    return response


class CloudMetrics:
    """What is used of the client of Cloud Monitoring."""

    def __init__(self, series: Callable[[Any], bytes], descriptor: Callable[[str], bytes]) -> None:
        self._series, self._descriptor = series, descriptor
        self.transport = self

    def list_time_series(self, request: Any, *, timeout: float, retry: None) -> CloudMetrics._Pager:
        page = ListTimeSeriesResponse.deserialize(self._series(type(request).pb(request)))
        return self._Pager([page])

    def get_metric_descriptor(self, *, name: str, timeout: float, retry: None) -> Any:
        return metric_pb2.MetricDescriptor.FromString(self._descriptor(name))

    def close(self) -> None:
        """Nothing is open."""

    @dataclass(frozen=True)
    class _Pager:
        pages: Sequence[Any]
