"""The engine is told to ignore every property that the program does not name, and none that it names."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.bench_config import document, overlay
from tests.sandbox.discovery import document as discovery

from spillway.adapters.drift.compare import REPLACED, stand
from spillway.adapters.drift.wanted import WantedPart, wanted_parts
from spillway.adapters.engine.provider.kinds import property_name
from spillway.adapters.engine.provider.standin import KINDS
from spillway.adapters.program.build import build
from spillway.adapters.program.kept import Kept
from spillway.adapters.program.provider_fields import (
    arguments_of,
    class_of,
    every_property,
    fields_of,
    unnamed,
)
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config

EVERYTHING: dict[str, Any] = {
    "frontends": {
        "http": {"redirect_to_https": True},
        "https": {"certificates": {"managed": ["api.example.com"]}, "ssl_policy": {}},
    },
    "routes": [{"paths": [{"paths": ["/a/*"], "service": "pool"}]}],
}


def parts(kept: Kept | None = None, **topology: Any) -> dict[str, WantedPart]:
    config = Config.model_validate(document(**{**EVERYTHING, **topology}))
    program = build(config, starting_overlay(config), *([kept] if kept is not None else []))
    return {f"{part.kind.words} {part.name}": part for part in wanted_parts(program, parallel=4)}


def test_every_property_is_named_or_ignored() -> None:
    """By the package's own argument tables: a new version's new property is ignored from the start."""
    seen = parts()
    for name, part in seen.items():
        properties = set(every_property(class_of(part.token)))
        ignored = {path.partition(".")[0] for path in part.ignore}
        whole = {path for path in part.ignore if "." not in path}
        named = set(part.inputs)
        assert named.isdisjoint(whole), name
        assert properties == named | ignored | {p for p in part.spoken if p not in whole}, name
        assert not any("_" in path for path in part.ignore), "a path in snake case has no effect"
    assert {part.token for part in seen.values()} >= REPLACED


def test_what_others_may_own_of_a_backend_service() -> None:
    pool = parts()["backend service lb-pool"]
    assert {
        *("affinityCookieTtlSec", "cdnPolicy", "circuitBreakers", "compressionMode", "consistentHash"),
        *(
            "customMetrics",
            "customRequestHeaders",
            "customResponseHeaders",
            "description",
            "edgeSecurityPolicy",
        ),
        *("enableCdn", "iap", "maxStreamDuration", "securityPolicy", "securitySettings", "tlsSettings"),
        *("strongSessionAffinityCookie", "logConfig.optionalFields", "logConfig.optionalMode"),
    } <= set(pool.ignore)
    assert {
        *(
            "backends",
            "outlierDetection",
            "serviceLbPolicy",
            "logConfig",
            "timeoutSec",
            "portName",
            "healthChecks",
        ),
        *("connectionDrainingTimeoutSec", "localityLbPolicy", "sessionAffinity", "protocol"),
        *("logConfig.enable", "logConfig.sampleRate"),
    }.isdisjoint(pool.ignore)
    assert not [path for path in pool.ignore if path.startswith(("outlierDetection", "backends"))]


def test_what_the_configuration_takes_out_is_still_its_own() -> None:
    """Outlier detection that is turned off, another probe, certificates in place of a map: nothing of it may be ignored."""
    bare = parts(
        services={"pool": {"health_check": "ready", "regions": "all"}},
        health_checks={"ready": {"type": "tcp", "port": 80}},
    )
    assert "outlierDetection" in bare["backend service lb-pool"].spoken
    check = bare["health check lb-ready"]
    assert {"httpHealthCheck", "grpcHealthCheck", "tcpHealthCheck"} <= set(check.spoken)
    assert "tcpHealthCheck.response" in check.ignore
    assert "tcpHealthCheck.portSpecification" not in check.ignore
    proxy = bare["HTTPS proxy lb-https"]
    assert {"certificateMap", "sslCertificates"} <= set(proxy.spoken)
    assert "defaultUrlRedirect" in bare["URL map lb"].spoken
    assert "defaultService" in bare["URL map lb-redirect"].spoken


def test_kept_settings_are_ignored_too_and_held_parts_whole() -> None:
    pool = ("gcp:compute/backendService:BackendService", "lb-pool")
    check = ("gcp:compute/healthCheck:HealthCheck", "lb-ready")
    found = parts(
        Kept(
            drifted={pool: ("outlierDetection.consecutiveErrors", "timeoutSec")},
            groups={"lb-pool": ({"group": "projects/p/zones/z/networkEndpointGroups/theirs", "maxRate": 7},)},
            held=frozenset({check}),
        )
    )
    service = found["backend service lb-pool"]
    assert {"outlierDetection.consecutiveErrors", "timeoutSec"} <= set(service.ignore)
    assert "outlierDetection.maxEjectionPercent" not in service.ignore
    theirs = {"group": "projects/p/zones/z/networkEndpointGroups/theirs", "maxRate": 7}
    assert theirs in service.inputs["backends"]
    assert set(found["health check lb-ready"].ignore) == set(every_property(class_of(check[0])))


def test_a_drifted_target_is_sent_as_it_was_found() -> None:
    path = "projects/demo-project/zones/us-east4-b/networkEndpointGroups/api-us-east4"
    found = {"balancingMode": "RATE", "maxRatePerEndpoint": 3, "description": "theirs"}
    kept = Kept(targets={("lb-pool", path): found})
    config = Config.model_validate(document())
    (pool,) = (
        part
        for part in wanted_parts(build(config, overlay({"us-east4": 0.5}), kept), parallel=4)
        if part.name == "lb-pool" and "backends" in part.inputs
    )
    (backend,) = [b for b in pool.inputs["backends"] if path in b["group"]]
    assert {name: backend[name] for name in found} == found
    assert backend["capacityScaler"] == 0.5
    assert sum(b.get("maxRatePerEndpoint") == 10 for b in pool.inputs["backends"]) == 2


@pytest.mark.parametrize("token", sorted(KINDS))
def test_each_kind_has_its_argument_table(token: str) -> None:
    resource = class_of(token)
    assert resource.pulumi_type == token
    assert len(every_property(resource)) >= 5
    assert unnamed(resource, {}) == every_property(resource)


@pytest.mark.parametrize(
    ("token", "schema", "missing"),
    [
        (
            "gcp:compute/backendService:BackendService",
            "BackendService",
            {
                *("connectionTrackingPolicy", "failoverPolicy", "haPolicy", "metadatas", "network"),
                *("orchestrationInfo", "serviceBindings", "subsetting"),
            },
        ),
        ("gcp:compute/uRLMap:URLMap", "UrlMap", set()),
        ("gcp:compute/healthCheck:HealthCheck", "HealthCheck", set()),
    ],
)
def test_fields_of_the_api_find_their_property(token: str, schema: str, missing: set[str]) -> None:
    """Against the published schema: what is left has no property, and every write of the provider loses it."""
    kind, fields = KINDS[token], fields_of(arguments_of(class_of(token)))
    published = discovery("compute.beta")["schemas"][schema]["properties"]
    outputs = {name for name, shape in published.items() if shape.get("readOnly")}
    outputs |= {
        "id",
        "selfLink",
        "fingerprint",
        "port",
        "region",
        "kind",
        "creationTimestamp",
        "type",
        "selfLinkWithId",
    }
    left = {
        name
        for name, shape in published.items()
        if name not in outputs
        and name not in kind.renamed
        and property_name(name, [] if shape.get("type") == "array" else "", fields) is None
    }
    assert left == missing


@pytest.mark.parametrize(
    ("live", "differs"),
    [
        ({"enable": False, "sampleRate": 1}, []),
        ({"enable": True, "sampleRate": 1}, ["logConfig.enable"]),
    ],
)
def test_a_rate_beside_a_log_that_is_off_is_no_difference(
    live: dict[str, object], differs: list[str]
) -> None:
    given = Config.model_validate(document())
    parts = wanted_parts(build(given, starting_overlay(given)), parallel=2)
    (service,) = [part for part in parts if part.token.endswith(":BackendService")]
    standing = stand(service, {"name": service.name, "logConfig": live}, ())
    assert [d.path for d in standing.differences if d.path.startswith("logConfig")] == differs
