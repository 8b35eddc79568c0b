"""Whatever a configuration says of services, their groups and buckets is built, stands as it was said, and makes no second plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.engine.bench_config import document
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.adapters.engine.describe import render_preview
from spillway.adapters.engine.provider.kinds import without_zeros
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.ports import Applied, Deployer, Outcome
from spillway.sandbox.links import Key
from spillway.sandbox.seeds import GroupKind, SeedGroup
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.stand import others

Raw = dict[str, Any]
KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="
OTHER_KEY = "ZmVkY2JhOTg3NjU0MzIxMA=="
RATE = {"mode": "RATE", "max_rate_per_endpoint": 10}


class Bench:
    """One state, its engines, and the sandbox by plain HTTP."""

    def __init__(self, sandbox: SandboxServer, folder: Path, kind: EngineForm) -> None:
        self.sandbox, self.folder, self.kind = sandbox, folder, kind
        self.engines: list[Deployer] = []

    def seed(self, name: str, place: str, kind: GroupKind = "neg") -> None:
        """A group that exists before anybody asks."""
        group = SeedGroup(project=PROJECT, zone=place, name=name, kind=kind, endpoints=3)
        self.sandbox.store.seed_groups([group])

    def engine(self, raw: Raw) -> tuple[Deployer, Config]:
        config = Config.model_validate(raw)
        engine = engine_of(config, self.folder, kind=self.kind, endpoint=self.sandbox.url)
        self.engines.append(engine)
        return engine, config

    def build(self, raw: Raw) -> Applied:
        """Build it; a second build after a fresh look, and a plan, have nothing to do."""
        engine, config = self.engine(raw)
        for key, body in others(config):
            if self.sandbox.store.find(key.path) is None:
                self.sandbox.store.insert(key, body)
        wanted = starting_overlay(config)
        applied = engine.build(wanted)
        assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
        again = engine.build(wanted)
        assert again.outcome is Outcome.UNCHANGED, again.sentence
        preview = engine.preview(wanted)
        assert preview.changes == ()
        assert preview.drift == ()
        assert preview.held == ()
        return applied

    def get(self, path: str) -> Raw:
        answer = requests.get(f"{self.sandbox.url}/compute/v1/projects/{PROJECT}/global/{path}", timeout=5)
        assert answer.status_code == 200, answer.text
        found: Raw = answer.json()
        return found

    def service(self, name: str = "pool") -> Raw:
        return self.get(f"backendServices/lb-{name}")


@pytest.fixture
def bench(sandbox: SandboxServer, tmp_path: Path, kind: EngineForm) -> Iterator[Bench]:
    found = Bench(sandbox, tmp_path, kind)
    yield found
    for engine in found.engines:
        getattr(engine, "close")()  # noqa: B009 not part of the port


def with_pool(**settings: Any) -> Raw:
    raw = document()
    raw["topology"]["services"]["pool"] |= settings
    return raw


def groups_of(service: Raw) -> list[str]:
    return sorted(backend["group"].partition(f"projects/{PROJECT}/")[2] for backend in service["backends"])


def test_each_service_has_groups_of_its_own(bench: Bench) -> None:
    bench.seed("embed", "us-east4-b")
    bench.seed("web", "us-east4", "serverless_neg")
    raw = document()
    raw["topology"]["services"] |= {
        "embed": {
            "health_check": "ready",
            "regions": ["us-east4"],
            "backends": {"us-east4": {"groups": [{"zone": "us-east4-b", "neg": "embed"}], "scaler": 0.5}},
        },
        "web": {
            "regions": ["us-east4"],
            "backends": {"us-east4": {"groups": [{"serverless_neg": "web"}]}},
        },
    }
    bench.build(raw)
    assert groups_of(bench.service("embed")) == ["zones/us-east4-b/networkEndpointGroups/embed"]
    assert bench.service("embed")["backends"][0]["capacityScaler"] == 0.5
    assert groups_of(bench.service("web")) == ["regions/us-east4/networkEndpointGroups/web"]
    assert len(groups_of(bench.service())) == 3
    engine, config = bench.engine(raw)
    start = starting_overlay(config)
    moved = replace(start.service("pool").backend("us-east4"), scaler=0.4)
    applied = engine.apply(start.with_service(start.service("pool").with_backend(moved)))
    assert applied.changes == (("update", "lb-pool"),), "the others keep their scalers"


def test_blue_and_green_stand_side_by_side_in_groups_that_are_made(bench: Bench) -> None:
    raw = document()
    for colour in ("blue", "green"):
        made = {"zone": "us-east4-b", "neg": f"chat-{colour}", "create": {"port": 8080}}
        raw["topology"]["services"][colour] = {
            "health_check": "ready",
            "regions": ["us-east4"],
            "backends": {"us-east4": {"groups": [made], "balancing": RATE}},
        }
    raw["topology"]["regions"]["us-east4"] = {}
    raw["topology"]["services"]["pool"]["regions"] = ["europe-west4", "asia-northeast1"]
    bench.build(raw)
    assert groups_of(bench.service("green")) == ["zones/us-east4-b/networkEndpointGroups/chat-green"]


@pytest.mark.parametrize("by_url", [False, True])
def test_a_regional_instance_group_is_balanced_and_its_scaler_moves(bench: Bench, by_url: bool) -> None:
    bench.seed("web", "us-east4", "regional_instance_group")
    url = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/regions/us-east4/instanceGroups/web"
    raw = document()
    raw["topology"]["regions"] = {
        "us-east4": {
            "groups": [{"url": url} if by_url else {"regional_instance_group": "web"}],
            "balancing": {"mode": "UTILIZATION", "max_utilization": 0.8},
        },
        "europe-west4": {
            "groups": [
                {"zone": "europe-west4-a", "instance_group": "vm", "create": {"named_ports": {"http": 80}}}
            ],
            "balancing": {"mode": "RATE", "max_rate_per_instance": 2.5},
        },
    }
    bench.build(raw)
    found = bench.service()
    assert "serviceLbPolicy" not in found
    (regional,) = [backend for backend in found["backends"] if "/regions/" in backend["group"]]
    assert "preference" not in regional
    engine, config = bench.engine(raw)
    start = starting_overlay(config)
    moved = replace(start.service("pool").backend("us-east4"), scaler=0.4)
    applied = engine.apply(start.with_service(start.service("pool").with_backend(moved)))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert sorted(b["capacityScaler"] for b in bench.service()["backends"]) == [0.4, 1]


def test_a_rate_limit_becomes_a_policy_and_changes_in_place(bench: Bench) -> None:
    limit = {"requests": 100, "interval": "1m", "key": "HTTP_HEADER", "key_name": "x-api-key"}
    raw = with_pool(rate_limit=limit)
    raw["topology"]["labels"] = {"team": "inference"}
    bench.build(raw)
    policy = bench.get("securityPolicies/lb-pool")
    assert policy["labels"]["team"] == "inference"
    assert [rule["action"] for rule in policy["rules"]] == ["throttle", "allow"]
    # The real provider writes out what is empty.
    assert without_zeros(policy["rules"][0]["rateLimitOptions"]) == {
        "conformAction": "allow",
        "exceedAction": "deny(429)",
        "enforceOnKey": "HTTP_HEADER",
        "enforceOnKeyName": "x-api-key",
        "rateLimitThreshold": {"count": 100, "intervalSec": 60},
    }
    assert bench.service()["securityPolicy"].endswith("/global/securityPolicies/lb-pool")
    limit["requests"] = 200
    applied = bench.build(raw)
    assert applied.changes == (("update", "lb-pool"),), applied.sentence
    policy = bench.get("securityPolicies/lb-pool")
    assert policy["rules"][0]["rateLimitOptions"]["rateLimitThreshold"]["count"] == 200


SAID: dict[str, tuple[Raw, Raw]] = {
    "policies by name": (
        {"security_policy": "waf", "edge_security_policy": "edge"},
        {
            "securityPolicy": "/global/securityPolicies/waf",
            "edgeSecurityPolicy": "/global/securityPolicies/edge",
        },
    ),
    "headers": (
        {
            "custom_request_headers": ["x-country: {client_region}", "Host: api.vendor.example"],
            "custom_response_headers": ["x-cache: {cdn_cache_status}"],
        },
        # In the order in which the real provider sends a set.
        {"customRequestHeaders": ["Host: api.vendor.example", "x-country: {client_region}"]},
    ),
    "a header ties": (
        {"affinity": "HEADER_FIELD", "affinity_header": "x-conversation"},
        {
            "sessionAffinity": "HEADER_FIELD",
            "localityLbPolicy": "MAGLEV",
            "consistentHash": {"httpHeaderName": "x-conversation"},
        },
    ),
    "a cookie ties on a ring": (
        {
            "affinity": "HTTP_COOKIE",
            "affinity_cookie": {"name": "session", "path": "/v1", "ttl": "1h30m"},
            "locality": "RING_HASH",
            "minimum_ring_size": 4096,
        },
        {
            "consistentHash": {
                "httpCookie": {"name": "session", "path": "/v1", "ttl": {"seconds": "5400"}},
                "minimumRingSize": "4096",
            }
        },
    ),
    "a cookie ties for a browser's session": (
        {"affinity": "HTTP_COOKIE", "affinity_cookie": {"name": "session"}},
        {"consistentHash": {"httpCookie": {"name": "session"}}},
    ),
    "the balancer's cookie lasts": (
        {"affinity": "GENERATED_COOKIE", "affinity_cookie": {"ttl": "2d"}},
        {"affinityCookieTtlSec": 172800},
    ),
    "a cookie holds the endpoint": (
        {"affinity": "STRONG_COOKIE_AFFINITY", "affinity_cookie": {"name": "gpu", "ttl": "10m"}},
        {"strongSessionAffinityCookie": {"name": "gpu", "ttl": {"seconds": "600"}}},
    ),
    "endpoints report their load": (
        {"locality": "WEIGHTED_ROUND_ROBIN", "custom_metrics": [{"name": "vllm.kv-cache"}]},
        {"localityLbPolicy": "WEIGHTED_ROUND_ROBIN"},
    ),
    "logs and compression": (
        {
            "log_sample_rate": 0.1,
            "log_fields": ["tls.protocol", "serverInstance"],
            "compression": "AUTOMATIC",
        },
        {
            "compressionMode": "AUTOMATIC",
            "logConfig": {
                "enable": True,
                "sampleRate": 0.1,
                "optionalMode": "CUSTOM",
                "optionalFields": ["tls.protocol", "serverInstance"],
            },
        },
    ),
    "nothing is logged": ({"log_sample_rate": 0.0}, {}),
    "no cache": ({"cdn": False}, {"enableCDN": False}),
    "a cache": ({"cdn": True}, {"enableCDN": True}),
    "TLS to endpoints": (
        {
            "protocol": "HTTPS",
            "tls_settings": {
                "sni": "gpu.internal",
                "subject_alt_names": ["gpu.internal", "spiffe://pool/sa"],
            },
        },
        {
            "tlsSettings": {
                "sni": "gpu.internal",
                "subjectAltNames": [
                    {"dnsName": "gpu.internal"},
                    {"uniformResourceIdentifier": "spiffe://pool/sa"},
                ],
            }
        },
    ),
    "a long timeout": ({"timeout": "30d"}, {"timeoutSec": 2592000}),
    "Google's client before the admin page": ({"iap": {"enabled": True}}, {"iap": {"enabled": True}}),
}


def holds(found: Any, wanted: Any) -> bool:
    """Whether what stands has at least what is wanted; references by their ends."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            holds(found.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, str) and wanted.startswith("/global/"):
        return isinstance(found, str) and found.endswith(wanted)
    return bool(found == wanted)


GONE = {
    "policies by name": ("securityPolicy", "edgeSecurityPolicy"),
    "headers": ("customRequestHeaders", "customResponseHeaders"),
    "a cache": ("enableCDN",),
    "Google's client before the admin page": ("iap",),
    "logs and compression": (),
}
"""What a configuration takes away by giving it no more."""


def each_with(settings: dict[str, Raw]) -> Raw:
    """One service for each entry, beside the pool."""
    raw = document()
    for name, said in settings.items():
        raw["topology"]["services"][name] = {
            "health_check": "ready",
            "regions": ["us-east4", "europe-west4"],
            **said,
        }
    return raw


def test_what_is_said_stands_and_what_is_said_no_more_is_taken_away(bench: Bench) -> None:
    names = {what: f"s{number}" for number, what in enumerate(SAID)}
    bench.build(each_with({names[what]: said for what, (said, _) in SAID.items()}))
    for what, (_, wanted) in SAID.items():
        found = bench.service(names[what])
        assert holds(found, wanted), f"{what}: {json.dumps(found, indent=1)}"
    silent = {names[what]: ({} if what in GONE else said) for what, (said, _) in SAID.items()}
    applied = bench.build(each_with(silent))
    assert sorted(applied.changes) == sorted(("update", f"lb-{names[what]}") for what in GONE)
    for what, gone in GONE.items():
        found = bench.service(names[what])
        for name in gone:
            value = found.get(name)
            assert not (value.get("enabled") if isinstance(value, dict) else value), (what, name)


def test_a_plan_tells_it_in_words(bench: Bench) -> None:
    bench.sandbox.store.insert(Key(PROJECT, "global", "securityPolicies", "waf"), {"name": "waf"})
    raw = with_pool(
        security_policy="waf",
        iap={"enabled": True},
        custom_request_headers=["x-key: hush"],
        affinity="HEADER_FIELD",
        affinity_header="x-conversation",
    )
    raw["topology"]["services"]["limited"] = {
        "health_check": "ready",
        "regions": ["us-east4"],
        "cdn": True,
        "rate_limit": {"requests": 9, "key": "IP"},
    }
    raw["topology"]["buckets"] = {"assets": {"bucket": "acme-assets", "cdn": True}}
    engine, config = bench.engine(raw)
    told = render_preview(engine.preview(starting_overlay(config)), colour=False)
    for words in (
        "security policy waf",
        "Identity-Aware Proxy",
        "request headers x-key",
        "affinity HEADER_FIELD by x-conversation",
        "bucket acme-assets",
        "9 requests in 60 s of each IP, then deny(429)",
    ):
        assert words in told, told
    assert "hush" not in told
    bench.build(raw)
    raw["topology"]["services"]["pool"] |= {
        "custom_request_headers": ["x-other: hush"],
        "locality": "RING_HASH",
    }
    engine, config = bench.engine(raw)
    told = render_preview(engine.preview(starting_overlay(config)), colour=False)
    assert "request headers x-key -> x-other" in told, told
    assert "locality MAGLEV -> RING_HASH" in told
    assert "hush" not in told


def test_what_others_set_stays_where_the_configuration_never_spoke_of_it(bench: Bench) -> None:
    bench.build(document())
    url = f"{bench.sandbox.url}/compute/v1/projects/{PROJECT}/global/backendServices/lb-pool"
    answer = requests.patch(url, json={"customRequestHeaders": ["x: y"], "enableCDN": True}, timeout=5)
    assert answer.status_code == 200, answer.text
    bench.build(with_pool(compression="AUTOMATIC"))
    found = bench.service()
    assert (found["customRequestHeaders"], found["enableCDN"]) == (["x: y"], True)


def test_a_secret_is_sent_and_written_nowhere(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    file = bench.folder / "client-secret"
    file.write_text("hush-hush-one\n")
    iap = {"enabled": True, "oauth2_client_id": "client", "oauth2_client_secret_file": str(file)}
    raw = with_pool(iap=iap)
    told = [bench.build(raw).sentence]
    first = bench.service()["iap"]
    assert first["oauth2ClientId"] == "client"
    file.write_text("hush-hush-two\n")
    engine, config = bench.engine(raw)
    told.append(str(engine.preview(starting_overlay(config))))
    assert "secret" in told[-1]
    applied = bench.build(raw)
    assert applied.changes == (("update", "lb-pool"),), applied.sentence
    told.append(applied.sentence)
    assert bench.service()["iap"]["oauth2ClientSecretSha256"] != first["oauth2ClientSecretSha256"]
    applied = engine.apply(starting_overlay(config))
    written = [f.read_bytes() for f in bench.folder.rglob("*") if f.is_file() and f != file]
    assert not any(b"hush-hush" in content for content in written)
    assert "hush-hush" not in "".join(told) + caplog.text


def test_buckets_and_signed_urls(bench: Bench) -> None:
    file = bench.folder / "key"
    file.write_text(KEY)
    cdn = {
        "cache_mode": "CACHE_ALL_STATIC",
        "default_ttl": "1h",
        "max_ttl": "2d",
        "client_ttl": "30m",
        "negative_caching": True,
        "negative_caching_policy": [{"code": 404, "ttl": "1m"}],
        "bypass_cache_on_request_headers": ["Authorization"],
        "signed_url_keys": [{"name": "one", "key_file": str(file)}],
    }
    raw = with_pool(cdn={**cdn, "cache_key": {"include_protocol": False, "query_string_whitelist": ["v"]}})
    raw["topology"]["buckets"] = {
        "assets": {
            "bucket": "acme-assets",
            "cdn": {**cdn, "cache_key": {"query_string_whitelist": ["v"]}},
            "custom_response_headers": ["x-cache: {cdn_cache_status}"],
            "edge_security_policy": "edge",
            "compression": "AUTOMATIC",
        },
        "plain": {"bucket": "acme-plain"},
    }
    bench.build(raw)
    for found in (bench.service()["cdnPolicy"], bench.get("backendBuckets/lb-assets")["cdnPolicy"]):
        assert found["signedUrlKeyNames"] == ["one"]
        assert found["negativeCachingPolicy"] == [{"code": 404, "ttl": 60}]
        assert (found["defaultTtl"], found["maxTtl"], found["clientTtl"]) == (3600, 172800, 1800)
        assert found["cacheKeyPolicy"]["queryStringWhitelist"] == ["v"]
    assert bench.get("backendBuckets/lb-plain")["enableCdn"] is False
    file.write_text(OTHER_KEY)
    applied = bench.build(raw)
    assert {operation for operation, _ in applied.changes} == {"replace"}, applied.sentence
    assert not any(KEY.encode() in f.read_bytes() for f in bench.folder.rglob("*") if f.is_file())
    for holder in (raw["topology"]["services"]["pool"], raw["topology"]["buckets"]["assets"]):
        holder["cdn"]["signed_url_keys"] = []
    bench.build(raw)
    assert not bench.service()["cdnPolicy"].get("signedUrlKeyNames")
    engine, _ = bench.engine(raw)
    applied = engine.destroy()
    assert applied.outcome is Outcome.DONE, applied.sentence


def test_a_service_of_another_project_is_the_target_of_a_route(bench: Bench) -> None:
    raw = document()
    raw["topology"]["references"] = {"chat": "projects/other-project/global/backendServices/chat"}
    raw["topology"]["routes"] = [{"paths": [{"paths": ["/chat/*"], "service": "chat"}]}]
    bench.build(raw)
    rules = bench.get("urlMaps/lb")["pathMatchers"][0]["pathRules"]
    assert rules[0]["service"].endswith("projects/other-project/global/backendServices/chat")
