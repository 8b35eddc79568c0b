"""What a configuration changes must stand in the cloud afterwards, with every engine, and then be no difference any more.

The real provider finds changes of backends by a hash that leaves fields out, and takes a missing block for "keep what
stands": both once made `up` report success for what was never sent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.engine.bench_config import document
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.ports import Outcome
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer

Raw = dict[str, Any]


class Builder:
    """Builds one configuration after the other over the same state, and reads what stands."""

    def __init__(self, kind: EngineForm, sandbox: SandboxServer, folder: Path) -> None:
        self._kind, self._sandbox, self._folder = kind, sandbox, folder

    def build(self, raw: Raw) -> tuple[tuple[str, str], ...]:
        """Build it, and once more: the second time nothing may be left to do. The changes of the first."""
        config = Config.model_validate(raw)
        engine = engine_of(config, self._folder, kind=self._kind, endpoint=self._sandbox.url)
        try:
            applied = engine.build(starting_overlay(config))
            assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
            again = engine.build(starting_overlay(config))
            assert again.outcome is Outcome.UNCHANGED, again.sentence
        finally:
            getattr(engine, "close")()  # noqa: B009 not part of the port
        return applied.changes

    def read(self, path: str) -> Raw:
        """What GET says of a global resource."""
        url = f"{self._sandbox.url}/compute/v1/projects/{PROJECT}/global/{path}"
        found: Raw = requests.get(url, timeout=5).json()
        return found

    def policy(self) -> Raw:
        """What GET says of the service's policy."""
        url = f"{self._sandbox.url}/v1/projects/{PROJECT}/locations/global/serviceLbPolicies/lb-pool"
        found: Raw = requests.get(url, timeout=5).json()
        return found


@pytest.fixture
def builder(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> Builder:
    """One for each form of engine that is installed."""
    return Builder(kind, sandbox, tmp_path)


def regions(balancing: Raw, **more: Any) -> Raw:
    """The shared configuration with this target in us-east4."""
    raw = document()
    raw["topology"]["regions"]["us-east4"].update(balancing=balancing, **more)
    return raw


def in_flight(limit: int) -> Raw:
    return regions({"mode": "IN_FLIGHT", "max_in_flight_per_endpoint": limit})


def metric(name: str = "kv", limit: float = 0.8, *, dry_run: bool = False) -> Raw:
    metrics = [{"name": "other"}, {"name": name, "max_utilization": limit, "dry_run": dry_run}]
    return regions({"mode": "CUSTOM_METRICS", "custom_metrics": metrics})


def preferred(word: str) -> Raw:
    return regions({"mode": "RATE", "max_rate_per_endpoint": 10}, preference=word)


def rate(**target: float) -> Raw:
    return regions({"mode": "RATE", **target})


def backend(live: Raw) -> Raw:
    (found,) = [each for each in live["backends"] if "us-east4" in each["group"]]
    return dict(found)


@pytest.mark.parametrize(
    ("before", "after", "read", "expected"),
    [
        (in_flight(80), in_flight(90), lambda b: b["maxInFlightRequestsPerEndpoint"], 90),
        (preferred("DEFAULT"), preferred("PREFERRED"), lambda b: b["preference"], "PREFERRED"),
        (preferred("PREFERRED"), preferred("DEFAULT"), lambda b: b["preference"], "DEFAULT"),
        (metric(limit=0.8), metric(limit=0.7), lambda b: b["customMetrics"][1]["maxUtilization"], 0.7),
        (metric(dry_run=True), metric(), lambda b: b["customMetrics"][1].get("dryRun", False), False),
        (metric("kv"), metric("queue"), lambda b: b["customMetrics"][1]["name"], "queue"),
        (rate(max_rate_per_endpoint=10), rate(max_rate=55), lambda b: b["maxRate"], 55),
    ],
    ids=["in flight", "preferred", "no longer preferred", "metric's limit", "dry run", "metric's name", "rate of a group"],
)  # fmt: skip
def test_a_change_of_a_backend(
    builder: Builder, before: Raw, after: Raw, read: Callable[[Raw], Any], expected: object
) -> None:
    builder.build(before)
    assert builder.build(after) == (("update", "lb-pool"),)
    assert read(backend(builder.read("backendServices/lb-pool"))) == expected


def test_logging_that_is_turned_off(builder: Builder) -> None:
    raw = document(health_checks={"ready": {"log": True}})
    raw["topology"]["services"]["pool"]["log_sample_rate"] = 0.5
    builder.build(raw)
    assert builder.read("backendServices/lb-pool")["logConfig"] == {"enable": True, "sampleRate": 0.5}
    assert builder.read("healthChecks/lb-ready")["logConfig"] == {"enable": True}
    assert sorted(builder.build(document())) == [("update", "lb-pool"), ("update", "lb-ready")]
    assert not builder.read("backendServices/lb-pool")["logConfig"]["enable"]
    assert not builder.read("healthChecks/lb-ready")["logConfig"].get("enable")
    assert len(builder.build(raw)) == 2
    assert builder.read("backendServices/lb-pool")["logConfig"] == {"enable": True, "sampleRate": 0.5}


def test_a_named_port_that_is_taken_out(builder: Builder) -> None:
    raw = document()
    group = {
        "zone": "us-east4-b",
        "instance_group": "vms",
        "create": {"named_ports": {"http": 80, "web": 81}},
    }
    raw["topology"]["regions"] = {
        "us-east4": {"groups": [group], "balancing": {"mode": "UTILIZATION", "max_utilization": 0.7}}
    }
    raw["topology"]["services"]["pool"]["port_name"] = "web"
    builder.build(raw)
    assert builder.read("backendServices/lb-pool")["portName"] == "web"
    del raw["topology"]["services"]["pool"]["port_name"]
    assert builder.build(raw) == (("update", "lb-pool"),)
    assert builder.read("backendServices/lb-pool")["portName"] == "http"


def test_auto_drain_goes_off_and_on(builder: Builder) -> None:
    on, off = document(), document()
    off["policies"] = {"default": {"postures": {"normal": {"failover_threshold": 70, "auto_drain": False}}}}
    builder.build(on)
    assert builder.policy()["autoCapacityDrain"] == {"enable": True}
    assert ("update", "lb-pool") in builder.build(off)
    assert not (builder.policy().get("autoCapacityDrain") or {}).get("enable")
    assert ("update", "lb-pool") in builder.build(on)
    assert builder.policy()["autoCapacityDrain"] == {"enable": True}


@pytest.mark.parametrize(
    ("affinity", "cookie"),
    [
        ("HTTP_COOKIE", lambda live: live["consistentHash"]["httpCookie"]),
        ("STRONG_COOKIE_AFFINITY", lambda live: live["strongSessionAffinityCookie"]),
    ],
)
def test_a_cookie_that_lasts_no_longer_than_the_session(
    builder: Builder, affinity: str, cookie: Callable[[Raw], Raw]
) -> None:
    """The provider sends no zero, so nothing is given that says zero: a plan would want to add it for ever."""
    raw = document()
    pool = raw["topology"]["services"]["pool"]
    pool.update(affinity=affinity, affinity_cookie={"name": "session", "ttl": "1h"})
    builder.build(raw)
    assert cookie(builder.read("backendServices/lb-pool"))["ttl"] == {"seconds": "3600"}
    pool["affinity_cookie"]["ttl"] = "0s"
    assert builder.build(raw) == (("update", "lb-pool"),)
    assert cookie(builder.read("backendServices/lb-pool")) == {"name": "session"}


def test_groups_that_become_serverless(builder: Builder, sandbox: SandboxServer) -> None:
    """Their timeout is Google's own, and so is what is left of outlier detection; neither is a difference afterwards."""
    sandbox.store.seed_groups(
        [SeedGroup(project=PROJECT, zone="us-east4", name="run", kind="serverless_neg", endpoints=0)]
    )
    raw = document()
    raw["topology"]["regions"] = {"us-east4": raw["topology"]["regions"]["us-east4"]}
    builder.build(raw)
    assert builder.read("backendServices/lb-pool")["timeoutSec"] == 300
    raw["topology"]["regions"] = {"us-east4": {"groups": [{"serverless_neg": "run"}]}}
    del raw["topology"]["services"]["pool"]["health_check"]
    assert ("update", "lb-pool") in builder.build(raw)
    live = builder.read("backendServices/lb-pool")
    assert (live["timeoutSec"], live["outlierDetection"]["consecutiveErrors"]) == (30, 5)
    assert not [name for name in live["outlierDetection"] if "uccessRate" in name]


def test_settings_that_are_taken_out(builder: Builder) -> None:
    raw = document(health_checks={"ready": {"host": "api.internal", "port": 8080}})
    pool = raw["topology"]["services"]["pool"]
    pool.update(locality="LEAST_REQUEST", draining="10s", outlier_detection={})
    builder.build(raw)
    assert builder.read("healthChecks/lb-ready")["httpHealthCheck"]["port"] == 8080
    plain = document()
    plain["topology"]["services"]["pool"] = {"health_check": "ready", "regions": "all", "draining": "0s"}
    assert sorted(builder.build(plain)) == [("update", "lb-pool"), ("update", "lb-ready")]
    service, probe = builder.read("backendServices/lb-pool"), builder.read("healthChecks/lb-ready")
    assert "outlierDetection" not in service
    assert service.get("localityLbPolicy", "ROUND_ROBIN") == "ROUND_ROBIN"
    assert not service.get("connectionDraining", {}).get("drainingTimeoutSec")
    assert probe["httpHealthCheck"]["portSpecification"] == "USE_SERVING_PORT"
    assert not {"host", "port"} & probe["httpHealthCheck"].keys()
