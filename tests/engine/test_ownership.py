"""What others have set stands, whatever Spillway writes; what no write can carry stops the writes of its service alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.engine.bench_config import REGIONS, document, overlay
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of
from tests.engine.test_on_sandbox import full, other

from spillway.adapters.drift.guarded import GuardedDeployer
from spillway.adapters.engine.provider.kinds import without_zeros
from spillway.adapters.engine.words_of_services import HEADERS
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.core.values.overlay import Overlay, Posture
from spillway.ports import Outcome
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer

Raw = dict[str, Any]
SERVICE = "global/backendServices/lb-pool"
ARMOR = f"https://www.googleapis.com/compute/beta/projects/{PROJECT}/global/securityPolicies"

FOREIGN: dict[str, tuple[str, Raw]] = {
    "request headers": ("", {"customRequestHeaders": ["X-Geo:{client_region}", "X-Key:hush"]}),
    "response headers": ("", {"customResponseHeaders": ["X-Cache:{cdn_cache_status}"]}),
    "CDN with its policy": (
        "",
        {
            "enableCDN": True,
            "cdnPolicy": {
                "cacheMode": "CACHE_ALL_STATIC",
                "defaultTtl": 60,
                "negativeCaching": True,
                "negativeCachingPolicy": [{"code": 404, "ttl": 5}],
                "cacheKeyPolicy": {"includeHost": True, "includeHttpHeaders": ["X-Tenant"]},
            },
        },
    ),
    "IAP with Google's client": ("", {"iap": {"enabled": True}}),
    "Cloud Armor": ("/setSecurityPolicy", {"securityPolicy": f"{ARMOR}/shield"}),
    "edge policy": ("/setEdgeSecurityPolicy", {"securityPolicy": f"{ARMOR}/edge"}),
    "compression": ("", {"compressionMode": "AUTOMATIC"}),
    "logged fields": (
        "",
        {
            "logConfig": {
                "enable": True,
                "sampleRate": 0.5,
                "optionalMode": "CUSTOM",
                "optionalFields": ["tls.cipher"],
            }
        },
    ),
    "description": ("", {"description": "ask Ada before you touch this"}),
    "longest stream": ("", {"maxStreamDuration": {"seconds": "600"}}),
    "metrics of its own": ("", {"customMetrics": [{"name": "kv", "dryRun": True}]}),
    "a hash": ("", {"consistentHash": {"httpHeaderName": "X-User"}}),
}
UNKNOWN: dict[str, tuple[str, Raw]] = {
    "a field that the provider does not have": ("", {"metadatas": {"owner": "gke"}}),
    "IAP with a client of its own": (
        "",
        {"iap": {"enabled": True, "oauth2ClientId": "client", "oauth2ClientSecret": "hush"}},
    ),
    "a hash without its ring": (
        "",
        {"consistentHash": {"httpHeaderName": "X-User"}, "localityLbPolicy": "LEAST_REQUEST"},
    ),
}


def logging_document(**topology: Any) -> Raw:
    """The shared configuration with logging on, as its optional fields need it."""
    raw = document(**topology)
    for service in raw["topology"]["services"].values():
        service["log_sample_rate"] = 0.5
    return raw


class Cloud:
    """The sandbox by plain HTTP, as another person's hands."""

    def __init__(self, url: str) -> None:
        self._root = f"{url}/compute/beta/projects/{PROJECT}"

    def get(self, path: str = SERVICE) -> Raw:
        """What stands, without what changes with every write."""
        answer = requests.get(f"{self._root}/{path}", timeout=5)
        assert answer.status_code == 200, answer.text
        found: Raw = answer.json()
        return found

    def set(self, suffix: str, body: Raw, path: str = SERVICE) -> None:
        """An edit: a PATCH, or the custom method that the field has."""
        method = "POST" if suffix else "PATCH"
        answer = requests.request(method, f"{self._root}/{path}{suffix}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text

    def foreign(self) -> Raw:
        """All that stands of a service but levers and fingerprint.

        Headers are a set to the real provider, and what is off inside of a block it sends as off (measured).
        """
        found: Raw = without_zeros(self.get())
        for name in HEADERS:
            found[name] = sorted(found.get(name, ()))
        return {
            name: value
            for name, value in found.items()
            if name not in {"fingerprint", "backends", "outlierDetection"}
        }

    def scalers(self, path: str = SERVICE) -> list[float]:
        return sorted(backend["capacityScaler"] for backend in self.get(path)["backends"])


@pytest.fixture
def cloud(sandbox: SandboxServer) -> Cloud:
    found = Cloud(sandbox.url)
    found.set("/securityPolicies", {"name": "shield"}, path="global")
    found.set("/securityPolicies", {"name": "edge", "type": "CLOUD_ARMOR_EDGE"}, path="global")
    return found


@pytest.fixture
def made(sandbox: SandboxServer, tmp_path: Path) -> Iterator[Callable[..., GuardedDeployer]]:
    """Makes engines on one state; closes them in the end."""
    engines: list[GuardedDeployer] = []

    def make(raw: Raw, kind: EngineForm = "embedded", *, decides: bool = False) -> GuardedDeployer:
        engines.append(
            engine_of(Config.model_validate(raw), tmp_path, kind=kind, endpoint=sandbox.url, decides=decides)
        )
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def test_what_others_set_stands_whatever_is_written(
    kind: EngineForm, cloud: Cloud, made: Callable[..., GuardedDeployer]
) -> None:
    engine = made(logging_document(), kind)
    assert engine.build(overlay()).outcome is Outcome.DONE
    for suffix, body in FOREIGN.values():
        cloud.set(suffix, body)
    before = cloud.foreign()
    # A scaler move: the state's fingerprint is stale, so this is the way through 412 and refresh.
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    if applied.outcome is Outcome.CONFLICT:
        applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert (cloud.foreign(), cloud.scalers()) == (before, [0.5, 1, 1])
    # A posture move: one PUT of the service, one PATCH of its policy.
    assert engine.apply(overlay({"europe-west4": 0.5}, posture=Posture.SCARCE)).outcome is Outcome.DONE
    assert cloud.foreign() == before
    # A build, as a reload does it, and as `spillway up` does it: nothing is left to do, nothing is lost.
    assert engine.build(overlay({"us-east4": 0.3})).outcome is Outcome.DONE
    assert cloud.foreign() == before
    again = made(logging_document(), kind, decides=True).build(overlay({"us-east4": 0.3}))
    assert again.outcome is Outcome.UNCHANGED, again.sentence
    assert cloud.foreign() == before
    # What a hand takes away again is taken over.
    cloud.set("", {"customRequestHeaders": [], "enableCDN": False})
    assert engine.build(overlay({"us-east4": 0.4})).outcome is Outcome.DONE
    assert not cloud.get().get("customRequestHeaders")
    assert cloud.get()["enableCDN"] is False


def test_each_foreign_setting_is_shown_as_kept(cloud: Cloud, made: Callable[..., GuardedDeployer]) -> None:
    engine = made(logging_document(), decides=True)
    engine.build(overlay())
    assert engine.preview(overlay()).kept == ()
    for suffix, body in FOREIGN.values():
        cloud.set(suffix, body)
    preview = engine.preview(overlay())
    assert preview.changes == ()
    assert preview.drift == ()
    shown = {kept.field: kept.value for kept in preview.kept if kept.name == "lb-pool"}
    assert set(shown) == {
        *("customRequestHeaders", "customResponseHeaders", "enableCdn", "cdnPolicy", "iap", "securityPolicy"),
        *("edgeSecurityPolicy", "compressionMode", "logConfig.optionalMode", "logConfig.optionalFields"),
        *("description", "maxStreamDuration", "customMetrics", "consistentHash"),
    }
    assert shown["customRequestHeaders"] == "X-Geo, X-Key", "a header may hold a key"
    assert "hush" not in str(preview)


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_no_write_can_carry_stops_the_writes_of_its_service_alone(
    kind: EngineForm, cloud: Cloud, made: Callable[..., GuardedDeployer], what: str
) -> None:
    raw = document(
        services={
            "pool": {"health_check": "ready", "regions": "all"},
            "raw": {"health_check": "ready", "regions": ["us-east4", "europe-west4"]},
        }
    )
    engine = made(raw, kind)

    def both(pool: float, other: float) -> Overlay:
        one = overlay({"us-east4": pool})
        return Overlay(
            services=(
                *one.services,
                *overlay({"us-east4": other}, service="raw", regions=("europe-west4", "us-east4")).services,
            )
        )

    assert engine.build(both(1, 1)).outcome is Outcome.DONE
    suffix, body = UNKNOWN[what]
    cloud.set(suffix, body)
    before = cloud.get()
    field = next(iter(body))
    # Both are asked for: the other service goes on.
    applied = engine.apply(both(0.5, 0.4))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert [service for service, _ in applied.refused] == ["pool"]
    assert f"somebody has set {field}" in applied.sentence
    assert "may_lose" in applied.sentence
    assert cloud.get() == before
    assert cloud.scalers("global/backendServices/lb-raw") == [0.4, 1]
    # It alone is asked for: refused, by a build too.
    for act in (engine.apply, engine.build):
        applied = act(both(0.5, 0.4))
        assert applied.outcome is Outcome.REFUSED, applied.sentence
        assert f"somebody has set {field}" in applied.sentence
    assert cloud.get() == before
    assert [held.field for held in engine.preview(both(0.5, 0.4)).held] == [field]
    # The configuration gives it up: written, and gone.
    raw["topology"]["services"]["pool"]["may_lose"] = [field]
    assert made(raw, kind).build(both(0.5, 0.4)).outcome is Outcome.DONE
    assert cloud.scalers() == [0.5, 1, 1]
    left = cloud.get().get(field)
    assert left is None or (field == "iap" and not left["oauth2ClientId"])


def test_a_group_that_somebody_attached_stays(
    kind: EngineForm, sandbox: SandboxServer, cloud: Cloud, made: Callable[..., GuardedDeployer]
) -> None:
    zone = "us-west1-b"
    sandbox.store.seed_groups([SeedGroup(project=PROJECT, zone=zone, name="theirs", endpoints=2)])
    engine = made(document(), kind)
    engine.build(overlay())
    theirs = {
        "group": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones/{zone}/networkEndpointGroups/theirs",
        "balancingMode": "RATE",
        "maxRate": 7,
        "capacityScaler": 0.7,
    }
    cloud.set("", {"backends": [*cloud.get()["backends"], theirs]})
    for wanted in (overlay({"europe-west4": 0.5}), overlay({"asia-northeast1": None})):
        for _ in range(2):
            applied = engine.apply(wanted)
        assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
        kept = [b for b in cloud.get()["backends"] if b["group"].endswith("/theirs")]
        assert [(b["maxRate"], b["capacityScaler"]) for b in kept] == [(7, 0.7)]
    assert len(cloud.get()["backends"]) == len(REGIONS)
    report = engine.look(overlay({"asia-northeast1": None}))
    assert [(k.field, k.value) for k in report.kept] == [
        ("backends", f"{PROJECT}/zones/{zone}/networkEndpointGroups/theirs at scaler 0.7")
    ]
    assert report.drifts == ()


def test_a_part_that_all_share_is_not_written_either(
    cloud: Cloud, made: Callable[..., GuardedDeployer]
) -> None:
    """A header action is carried; a cache policy that the provider has no property for is not, and says so."""
    raw = document(routes=[{"paths": [{"paths": ["/a/*"], "service": "pool"}]}])
    made(raw).build(overlay())
    engine = made(document())
    known = "gcp:compute/uRLMap:URLMap", "lb"
    engine._surveyor._ownership.held_fields = (  # type: ignore[method-assign]
        lambda part: ("cachePolicy",) if part.wanted.part == known else ()
    )
    applied = engine.build(overlay())
    assert applied.outcome is Outcome.REFUSED
    assert "URL map lb is not written: somebody has set cachePolicy" in applied.sentence
    assert applied.refused == ()
    assert "pathMatchers" in cloud.get("global/urlMaps/lb")


def test_another_order_of_a_set_is_nobodys_edit(cloud: Cloud, made: Callable[..., GuardedDeployer]) -> None:
    """The real provider sends headers, hosts and paths in an order of its own (measured)."""
    hosts, paths = ["a.example.com", "b.example.com", "c.example.com"], ["/a/*", "/b/*", "/c/*"]
    raw = document(
        routes=[{"hosts": hosts, "service": "pool", "paths": [{"paths": paths, "service": "pool"}]}]
    )
    headers = [f"x-{letter}: 1" for letter in "abcd"]
    raw["topology"]["services"]["pool"]["custom_request_headers"] = headers
    engine = made(raw)
    assert engine.build(overlay()).outcome is Outcome.DONE
    service, routes = cloud.get(), cloud.get("global/urlMaps/lb")
    (rule,) = [rule for rule in routes["hostRules"] if "a.example.com" in rule["hosts"]]
    (matcher,) = [one for one in routes["pathMatchers"] if one["name"] == rule["pathMatcher"]]
    sent = (service["customRequestHeaders"], rule["hosts"], matcher["pathRules"][0]["paths"])
    assert [sorted(one) for one in sent] == [headers, hosts, paths]
    assert sent != (headers, hosts, paths), "in the order of the provider's hashes"
    preview = engine.preview(overlay())
    assert (preview.changes, preview.drift) == ((), ())
    assert engine.build(overlay()).outcome is Outcome.UNCHANGED
    cloud.set("", {"customRequestHeaders": [*headers[:3], "x-d: 2"]})
    (drift,) = {drift.field.partition("[")[0] for drift in engine.preview(overlay()).drift}
    assert drift == "customRequestHeaders"


FIRST = "/asia-northeast1-"
"""In the group of the program's first backend. The real provider sends backends in an order of its own."""


def drifted(cloud: Cloud) -> None:
    """Settings that the configuration speaks of, changed by hand: of a service, its health check, one of its backends."""
    cloud.set("", {"timeoutSec": 77, "outlierDetection": {"consecutiveErrors": 99}})
    backends = cloud.get()["backends"]
    next(backend for backend in backends if FIRST in backend["group"])["maxRatePerEndpoint"] = 3
    cloud.set("", {"backends": backends})
    cloud.set("", {"checkIntervalSec": 9}, "global/healthChecks/lb-ready")


def stands(cloud: Cloud) -> tuple[object, ...]:
    live = cloud.get()
    return (
        live["timeoutSec"],
        live["outlierDetection"]["consecutiveErrors"],
        next(backend["maxRatePerEndpoint"] for backend in live["backends"] if FIRST in backend["group"]),
        cloud.get("global/healthChecks/lb-ready")["checkIntervalSec"],
    )


FOUND = (77, 99, 3, 9)
FIELDS = {
    ("backend service", "timeoutSec"),
    ("backend service", "outlierDetection.consecutiveErrors"),
    ("backend service", "backends[0].maxRatePerEndpoint"),
    ("health check", "checkIntervalSec"),
}


def with_answer(answer: str, **topology: Any) -> Raw:
    return {**document(**topology), "policies": {"default": {"drift": {"settings": answer}}}}


@pytest.mark.parametrize("answer", ["alarm", "respect", "revert"])
def test_a_drifted_setting_is_answered_as_the_policy_says(
    kind: EngineForm, cloud: Cloud, made: Callable[..., GuardedDeployer], answer: str
) -> None:
    raw = with_answer(answer)
    engine = made(raw, kind)
    engine.build(overlay())
    configured = stands(cloud)
    drifted(cloud)
    assert stands(cloud) == FOUND
    report = engine.look(overlay())
    assert {(drift.kind, drift.field) for drift in report.drifts} == FIELDS
    found = next(drift for drift in report.drifts if drift.field == "timeoutSec")
    assert (found.expected, found.found, found.answer, found.service) == ("300", "77", answer, "pool")
    if answer != "revert":
        # Neither a quick move, nor a posture move, nor a build of the daemon writes it back.
        for act, wanted in (
            (engine.apply, overlay({"europe-west4": 0.5})),
            (engine.apply, overlay({"europe-west4": 0.6})),
            (engine.apply, overlay({"europe-west4": 0.6}, posture=Posture.SCARCE)),
            (engine.build, overlay({"europe-west4": 0.7})),
        ):
            act(wanted)
            assert stands(cloud) == FOUND
        assert cloud.scalers() == [0.7, 1, 1]
        # It began when it was first seen, also for a daemon that starts anew.
        again = made(raw, kind).look(overlay({"europe-west4": 0.7}))
        assert {drift.since for drift in again.drifts} == {drift.since for drift in report.drifts}
        # `spillway up` writes what the configuration says, unless the policy respects what stands.
        person = made(raw, kind, decides=True)
        assert {drift.field for drift in person.preview(overlay()).drift} == {field for _, field in FIELDS}
        assert person.build(overlay()).outcome is Outcome.DONE
        assert stands(cloud) == (configured if answer == "alarm" else FOUND)
        return
    # A quick move was asked for something else, so it writes nothing back; the build that two looks lead to does.
    for scaler in (0.5, 0.6):
        engine.apply(overlay({"europe-west4": scaler}))
        assert stands(cloud) == FOUND
    assert engine.build(overlay()).outcome is Outcome.DONE
    assert stands(cloud) == configured
    assert engine.look(overlay()).drifts == ()


def test_a_changed_configuration_decides(cloud: Cloud, made: Callable[..., GuardedDeployer]) -> None:
    made(document()).build(overlay())
    drifted(cloud)
    raw = document()
    raw["topology"]["services"]["pool"]["timeout"] = "60s"
    # A reload: what the configuration says anew is written, what it says as before stays as it was found.
    assert made(raw).build(overlay()).outcome is Outcome.DONE
    assert stands(cloud) == (60, *FOUND[1:])


def test_what_a_failed_build_has_written_is_taken_back(
    cloud: Cloud, made: Callable[..., GuardedDeployer], sandbox: SandboxServer
) -> None:
    before = made(document())
    before.build(overlay())
    raw = document(health_checks={"ready": {"interval": "11s"}})
    raw["topology"]["services"]["pool"]["timeout"] = "60s"
    raw["topology"]["regions"]["us-east4"]["groups"][0]["neg"] = "nowhere"
    assert made(raw).build(overlay()).outcome is not Outcome.DONE
    assert cloud.get("global/healthChecks/lb-ready")["checkIntervalSec"] == 11
    assert before.build(overlay()).outcome is Outcome.DONE
    assert cloud.get("global/healthChecks/lb-ready")["checkIntervalSec"] == 5
    assert before.look(overlay()).drifts == ()
    del sandbox


def test_a_part_that_is_gone_is_told(
    cloud: Cloud, made: Callable[..., GuardedDeployer], sandbox: SandboxServer
) -> None:
    engine = made(document())
    engine.build(overlay())
    root = f"{sandbox.url}/compute/v1/projects/{PROJECT}/global"
    assert requests.delete(f"{root}/forwardingRules/lb-http", timeout=5).status_code == 200
    assert [(d.kind, d.name, d.gone) for d in engine.look(overlay()).drifts] == [
        ("forwarding rule", "lb-http", True)
    ]
    assert engine.build(overlay()).outcome is Outcome.DONE
    assert engine.look(overlay()).drifts == ()
    del cloud


def test_a_url_map_that_somebody_edits_is_told(cloud: Cloud, made: Callable[..., GuardedDeployer]) -> None:
    raw = document(
        routes=[{"paths": [{"paths": ["/a/*"], "service": "pool"}]}],
    )
    engine = made(raw)
    engine.build(overlay())
    live = cloud.get("global/urlMaps/lb")
    matchers = live["pathMatchers"]
    matchers[0]["pathRules"].append({"paths": ["/b/*"], "service": live["defaultService"]})
    cloud.set("", {"pathMatchers": matchers, "description": "mine"}, "global/urlMaps/lb")
    report = engine.look(overlay())
    assert [(d.kind, d.field) for d in report.drifts] == [("URL map", "pathMatchers[0].pathRules[1]")]
    assert [(k.kind, k.field) for k in report.kept] == [("URL map", "description")]
    # A build of the daemon leaves it; one of a person writes the routes, and never the description.
    engine.build(overlay({"us-east4": 0.5}))
    assert len(cloud.get("global/urlMaps/lb")["pathMatchers"][0]["pathRules"]) == 2
    assert made(raw, decides=True).build(overlay()).outcome is Outcome.DONE
    live = cloud.get("global/urlMaps/lb")
    assert len(live["pathMatchers"][0]["pathRules"]) == 1
    assert live["description"] == "mine"


@pytest.mark.parametrize("certificates", ["managed", "given", "map"])
def test_nobody_has_changed_anything(
    cloud: Cloud,
    made: Callable[..., GuardedDeployer],
    sandbox: SandboxServer,
    tmp_path: Path,
    certificates: str,
) -> None:
    """Whatever a configuration can say: what was built is neither drift nor somebody else's."""
    raw = full()
    if certificates != "managed":
        wanted: Raw = {"map": "certs"}
        if certificates == "given":
            for name in ("CERTIFICATE", "PRIVATE KEY"):
                text = f"-----BEGIN {name}-----\nMIIB\n-----END {name}-----\n"
                (tmp_path / name.replace(" ", "-")).write_text(text)
            files = {
                "certificate_file": str(tmp_path / "CERTIFICATE"),
                "private_key_file": str(tmp_path / "PRIVATE-KEY"),
            }
            wanted = {"given": [{"name": "own", **files}]}
        raw = other(wanted)
        seed = SeedGroup(
            project=PROJECT, zone="asia-northeast1", name="run", kind="serverless_neg", endpoints=0
        )
        sandbox.store.seed_groups([seed])
    start = starting_overlay(Config.model_validate(raw))
    engine = made(raw)
    applied = engine.build(start)
    assert applied.outcome is Outcome.DONE, applied.sentence
    report = engine.look(start)
    assert (report.drifts, report.kept, report.held, report.problems) == ((), (), (), ())
    assert report.parts >= 11
    assert len(report.certificates) == (0 if certificates == "map" else 1)
    del cloud


def test_a_part_that_cannot_be_read_is_a_problem_and_no_drift(
    cloud: Cloud, made: Callable[..., GuardedDeployer], sandbox: SandboxServer
) -> None:
    engine = made(document())
    engine.build(overlay())
    sandbox.stop()
    report = engine.look(overlay())
    assert report.drifts == ()
    assert len(report.problems) == 7
    del cloud
