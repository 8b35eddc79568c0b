"""Everything that a configuration can say, as the resources that the program declares for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import config, document, overlay
from tests.program.sketch import sketch

from spillway.adapters.program.build import build
from spillway.config.model import Config
from spillway.core.values.overlay import Posture
from spillway.errors import PermanentError

GROUPS = "https://www.googleapis.com/compute/v1/projects/demo-project/zones"


def with_region(balancing: dict[str, Any] | None, group: dict[str, Any], **service: Any) -> Config:
    """One region, one service."""
    return config(
        regions={"europe-west4": {"groups": [group], "balancing": balancing}},
        services={"pool": {"health_check": "ready", "regions": "all", **service}},
    )


def test_plain_http_pool() -> None:
    made = sketch(config())
    rule = made.one("GlobalForwardingRule")
    assert (rule["portRange"], rule["loadBalancingScheme"], rule["ipAddress"]) == (
        "80",
        "EXTERNAL_MANAGED",
        "203.0.113.7",
    )
    assert rule["target"] == "id/TargetHttpProxy/lb-http"
    assert made.one("TargetHttpProxy")["urlMap"] == "id/URLMap/lb"
    assert made.one("URLMap")["defaultService"] == "id/BackendService/lb-pool"
    service = made.one("BackendService")
    assert service["loadBalancingScheme"] == "EXTERNAL_MANAGED"
    assert service["healthChecks"] == "id/HealthCheck/lb-ready"
    assert service["timeoutSec"] == 300
    assert service["serviceLbPolicy"] == "//networkservices.googleapis.com/id/ServiceLbPolicies/lb-pool"
    assert [backend["group"] for backend in service["backends"]] == [
        f"{GROUPS}/asia-northeast1-c/networkEndpointGroups/api-asia-northeast1",
        f"{GROUPS}/europe-west4-a/networkEndpointGroups/api-europe-west4",
        f"{GROUPS}/us-east4-b/networkEndpointGroups/api-us-east4",
    ]
    assert made.outputs == {"load_balancer_ip": "203.0.113.7", "urls": {"http": "http://203.0.113.7/"}}


def test_overlay_sets_scalers_and_membership() -> None:
    made = sketch(config(), overlay({"europe-west4": 0.4, "us-east4": None, "asia-northeast1": 0.0}))
    backends = made.one("BackendService")["backends"]
    assert [(b["group"].rsplit("-", 1)[-1], b["capacityScaler"]) for b in backends] == [
        ("northeast1", 0.0),
        ("west4", 0.4),
    ]
    assert {b["preference"] for b in backends} == {"DEFAULT"}


@pytest.mark.parametrize(
    ("posture", "threshold", "ejection"),
    [(Posture.NORMAL, 70, 50), (Posture.GUARDED, 50, 30), (Posture.SCARCE, 30, 10)],
)
def test_posture_sets_policy_and_outlier_detection(posture: Posture, threshold: int, ejection: int) -> None:
    made = sketch(config(), overlay(posture=posture))
    policy = made.one("ServiceLbPolicies")
    assert policy["failoverConfig"] == {"failoverHealthThreshold": threshold}
    assert policy["autoCapacityDrain"] == {"enable": True}
    assert policy["loadBalancingAlgorithm"] == "WATERFALL_BY_REGION"
    detection = made.one("BackendService")["outlierDetection"]
    assert detection["maxEjectionPercent"] == ejection
    assert detection["baseEjectionTime"] == {"seconds": 30}
    assert detection["enforcingConsecutiveErrors"] == 100


def test_outlier_detection_is_off_where_the_posture_ejects_nothing() -> None:
    raw = document()
    raw["policies"] = {"default": {"postures": {"scarce": {"failover_threshold": 30, "outlier_ejection": 0}}}}
    made = sketch(Config.model_validate(raw), overlay(posture=Posture.SCARCE))
    assert "outlierDetection" not in made.one("BackendService")


@pytest.mark.parametrize(
    ("balancing", "group", "expected"),
    [
        ({"mode": "RATE", "max_rate": 120}, {"neg": "n"}, {"maxRate": 120}),
        ({"mode": "RATE", "max_rate_per_endpoint": 7.5}, {"neg": "n"}, {"maxRatePerEndpoint": 7.5}),
        ({"mode": "UTILIZATION", "max_utilization": 0.7, "max_rate_per_instance": 9}, {"instance_group": "g"},
         {"maxUtilization": 0.7, "maxRatePerInstance": 9}),
        ({"mode": "IN_FLIGHT", "max_in_flight_per_endpoint": 8}, {"neg": "n"},
         {"maxInFlightRequestsPerEndpoint": 8, "trafficDuration": "LONG", "description": "8 in flight per endpoint"}),
        ({"mode": "IN_FLIGHT", "max_in_flight": 80}, {"hybrid_neg": "n"},
         {"maxInFlightRequests": 80, "trafficDuration": "LONG", "description": "80 in flight"}),
        ({"mode": "CUSTOM_METRICS", "custom_metrics": [{"name": "kv", "max_utilization": 0.8}]}, {"neg": "n"},
         {"customMetrics": [{"name": "kv", "maxUtilization": 0.8, "dryRun": False}], "description": "custom metric kv up to 0.8"}),
    ],
)  # fmt: skip
def test_balancing_modes(balancing: dict[str, Any], group: dict[str, Any], expected: dict[str, Any]) -> None:
    made = sketch(with_region(balancing, {"zone": "europe-west4-a", **group}))
    (backend,) = made.one("BackendService")["backends"]
    rest = {
        key: value for key, value in backend.items() if key not in {"group", "preference", "capacityScaler"}
    }
    assert rest == {"balancingMode": balancing["mode"], **expected}


def test_what_the_provider_s_hash_leaves_out_stands_in_the_description() -> None:
    """A change of preference, metrics or duration alone would otherwise be planned as nothing."""
    raw = document()
    raw["topology"]["regions"]["us-east4"]["preference"] = "PREFERRED"
    metrics = [{"name": "kv", "dry_run": True}, {"name": "queue", "max_utilization": 0.5}]
    balancing = {"mode": "CUSTOM_METRICS", "custom_metrics": metrics, "traffic_duration": "SHORT"}
    raw["topology"]["regions"]["europe-west4"]["balancing"] = balancing
    backends = sketch(Config.model_validate(raw)).one("BackendService")["backends"]
    assert [backend.get("description") for backend in backends] == [
        None,
        "SHORT requests, custom metric kv up to 0.8 in dry run, custom metric queue up to 0.5",
        "PREFERRED",
    ]


def test_what_is_off_is_said_to_be_off() -> None:
    """To the provider a missing block or name means that what stands is kept."""
    made = sketch(config())
    assert made.one("BackendService")["logConfig"] == {"enable": False}
    assert made.one("HealthCheck")["logConfig"] == {"enable": False}
    assert "portName" not in made.one("BackendService")
    group = {"zone": "europe-west4-a", "instance_group": "vms"}
    made = sketch(with_region({"mode": "UTILIZATION", "max_utilization": 0.8}, group))
    assert made.one("BackendService")["portName"] == "http"


def test_auto_drain_that_is_off_is_left_out() -> None:
    """The API leaves out what is false: a block with `enable: false` would be a difference in every plan."""
    raw = document()
    raw["policies"] = {"default": {"postures": {"scarce": {"failover_threshold": 30, "auto_drain": False}}}}
    made = sketch(Config.model_validate(raw), overlay(posture=Posture.SCARCE))
    assert "autoCapacityDrain" not in made.one("ServiceLbPolicies")


def test_serverless_groups_have_neither_target_nor_policy() -> None:
    made = sketch(with_region(None, {"serverless_neg": "run"}, health_check=None, outlier_detection={}))
    service = made.one("BackendService")
    assert service["backends"] == [
        {
            "group": "https://www.googleapis.com/compute/v1/projects/demo-project/regions/europe-west4/networkEndpointGroups/run"
        }
    ]
    assert "healthChecks" not in service
    assert made.of("ServiceLbPolicies") == {}
    assert service["timeoutSec"] == 30, "Google's own, and the only one that it takes here"
    assert not [name for name in service["outlierDetection"] if "uccessRate" in name]
    assert service["outlierDetection"]["consecutiveErrors"] == 5


def test_private_service_connect_groups_have_no_target_and_a_timeout() -> None:
    made = sketch(with_region(None, {"psc_neg": "apigee"}, health_check=None, timeout="2m"))
    service = made.one("BackendService")
    assert [list(backend) for backend in service["backends"]] == [["group"]]
    assert service["backends"][0]["group"].endswith("/regions/europe-west4/networkEndpointGroups/apigee")
    assert "healthChecks" not in service
    assert made.of("ServiceLbPolicies") == {}
    assert service["timeoutSec"] == 120


@pytest.mark.parametrize("kind", ["http", "https", "http2", "tcp", "grpc"])
def test_health_checks_of_five_kinds(kind: str) -> None:
    extra: dict[str, Any] = {"grpc_service": "model", "port": 50051} if kind == "grpc" else {}
    check = sketch(config(health_checks={"ready": {"type": kind, **extra, "log": True}})).one("HealthCheck")
    probe = check[f"{kind}HealthCheck"]
    if kind == "grpc":
        assert probe == {"grpcServiceName": "model", "port": 50051}
    elif kind == "tcp":
        assert probe == {"portSpecification": "USE_SERVING_PORT"}
    else:
        assert probe == {"requestPath": "/healthz", "portSpecification": "USE_SERVING_PORT"}
    assert check["logConfig"] == {"enable": True}
    assert [key for key in check if key.endswith("HealthCheck")] == [f"{kind}HealthCheck"]


def test_groups_that_are_made_come_before_the_service_and_once() -> None:
    neg = {
        "zone": "europe-west4-a",
        "neg": "api",
        "create": {"network": "models", "subnetwork": "inner", "port": 8080},
    }
    hybrid = {"zone": "europe-west4-b", "hybrid_neg": "onprem", "create": {}}
    made = sketch(
        config(
            regions={
                "europe-west4": {
                    "groups": [neg, hybrid],
                    "balancing": {"mode": "RATE", "max_rate_per_endpoint": 5},
                }
            },
            services={
                "pool": {"health_check": "ready", "regions": "all"},
                "second": {"health_check": "ready", "regions": "all"},
            },
        )
    )
    groups = made.of("NetworkEndpointGroup")
    assert groups["api-europe-west4-a"] == {
        "name": "api", "project": "demo-project", "zone": "europe-west4-a", "defaultPort": 8080,
        "network": "projects/demo-project/global/networks/models", "networkEndpointType": "GCE_VM_IP_PORT",
        "subnetwork": "projects/demo-project/regions/europe-west4/subnetworks/inner",
    }  # fmt: skip
    assert groups["onprem-europe-west4-b"]["networkEndpointType"] == "NON_GCP_PRIVATE_IP_PORT"
    assert len(groups) == 2
    assert len(made.of("BackendService")["lb-second"]["backends"]) == 2


def test_instance_groups_are_made_with_named_ports() -> None:
    group = {"zone": "europe-west4-a", "instance_group": "vms", "create": {"named_ports": {"http": 8080}}}
    made = sketch(with_region({"mode": "UTILIZATION", "max_utilization": 0.8}, group, port_name="http"))
    assert made.one("InstanceGroup")["namedPorts"] == [{"name": "http", "port": 8080}]
    assert made.one("BackendService")["portName"] == "http"


def test_https_with_managed_certificates_and_redirect() -> None:
    made = sketch(
        config(
            frontends={
                "http": {"redirect_to_https": True},
                "https": {
                    "certificates": {"managed": ["api.example.com"]},
                    "ssl_policy": {"profile": "RESTRICTED"},
                    "quic": "ENABLE",
                },
            }
        )
    )
    (name,) = made.of("ManagedSslCertificate")
    assert name.startswith("lb-managed-")
    proxy = made.one("TargetHttpsProxy")
    assert proxy["sslCertificates"] == [f"id/ManagedSslCertificate/{name}"]
    assert proxy["sslPolicy"] == "id/SSLPolicy/lb-tls"
    assert proxy["quicOverride"] == "ENABLE"
    assert made.one("SSLPolicy")["minTlsVersion"] == "TLS_1_2"
    redirect = made.of("URLMap")["lb-redirect"]["defaultUrlRedirect"]
    assert redirect["httpsRedirect"] is True
    assert made.one("TargetHttpProxy")["urlMap"] == "id/URLMap/lb-redirect"
    assert {rule["portRange"] for rule in made.of("GlobalForwardingRule").values()} == {"80", "443"}
    assert made.outputs["urls"]["https api.example.com"] == "https://api.example.com/"
    assert "http" not in made.outputs["urls"]


def test_given_certificates_are_named_by_content_and_keys_are_secret(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    key.write_text("KEY")
    names = []
    for content, secret in (("ONE", "KEY"), ("TWO", "KEY"), ("TWO", "NEW KEY")):
        certificate.write_text(content)
        key.write_text(secret)
        given = {"name": "own", "certificate_file": str(certificate), "private_key_file": str(key)}
        made = sketch(config(frontends={"https": {"certificates": {"given": [given]}}}))
        (name,) = made.of("SSLCertificate")
        names.append(name)
    assert len(set(names)) == 3, "a new key for the same certificate is a new resource too"
    assert all(name.startswith("lb-own-") for name in names)


def test_the_order_of_domains_makes_no_new_certificate() -> None:
    """Google would issue it anew, and HTTPS would fail meanwhile."""
    found = [
        sketch(config(frontends={"https": {"certificates": {"managed": domains}}})).of(
            "ManagedSslCertificate"
        )
        for domains in (["b.example.com", "a.example.com"], ["a.example.com", "b.example.com"])
    ]
    assert found[0] == found[1]
    other = sketch(config(frontends={"https": {"certificates": {"managed": ["a.example.com"]}}}))
    assert other.of("ManagedSslCertificate").keys() != found[0].keys()


def test_a_certificate_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    given = {
        "name": "own",
        "certificate_file": str(tmp_path / "none"),
        "private_key_file": str(tmp_path / "none"),
    }
    with pytest.raises(PermanentError, match="certificate own"):
        sketch(config(frontends={"https": {"certificates": {"given": [given]}}}))


def test_certificate_map_gets_its_full_name() -> None:
    made = sketch(config(frontends={"https": {"certificates": {"map": "certs"}}}))
    proxy = made.one("TargetHttpsProxy")
    assert proxy["certificateMap"] == (
        "//certificatemanager.googleapis.com/projects/demo-project/locations/global/certificateMaps/certs"
    )
    assert "sslCertificates" not in proxy


def test_routes_pool_and_pinned_service_side_by_side() -> None:
    raw = document(
        services={
            "pool": {"health_check": "ready", "regions": "all"},
            "europe": {"health_check": "ready", "home": "europe-west4", "failover": ["us-east4"]},
        },
        routes=[{"paths": [{"paths": ["/europe", "/europe/*"], "service": "europe"}]}],
    )
    made = sketch(Config.model_validate(raw))
    url_map = made.one("URLMap")
    assert url_map["hostRules"] == [{"hosts": ["*"], "pathMatcher": "route-1"}]
    (matcher,) = url_map["pathMatchers"]
    assert matcher["defaultService"] == "id/BackendService/lb-pool"
    assert matcher["pathRules"] == [
        {"paths": ["/europe", "/europe/*"], "service": "id/BackendService/lb-europe"}
    ]
    members = made.of("BackendService")["lb-europe"]["backends"]
    preferences = {backend["group"].rsplit("api-", 1)[-1]: backend["preference"] for backend in members}
    assert preferences["europe-west4"] == "PREFERRED"
    assert made.outputs["urls"]["/europe/*"] == "http://203.0.113.7/europe/"


def test_the_url_of_a_wildcard_host_keeps_its_pattern() -> None:
    """The address alone would be another host's URL."""
    rule = [{"paths": ["/us/*"], "service": "pool"}]
    made = sketch(config(routes=[{"hosts": ["*.acme.io"], "paths": rule}, {"paths": rule}]))
    assert made.outputs["urls"]["*.acme.io/us/*"] == "http://*.acme.io/us/"
    assert made.outputs["urls"]["/us/*"] == "http://203.0.113.7/us/"


def test_service_settings_reach_the_backend_service() -> None:
    made = sketch(
        config(
            services={
                "pool": {
                    "health_check": "ready", "regions": "all", "protocol": "HTTP2", "draining": "0s", "affinity": "CLIENT_IP",
                    "locality": "LEAST_REQUEST", "log_sample_rate": 0.25, "algorithm": "SPRAY_TO_REGION", "timeout": "15m",
                }
            }
        )
    )  # fmt: skip
    service = made.one("BackendService")
    assert service["protocol"] == "HTTP2"
    assert service["connectionDrainingTimeoutSec"] == 0
    assert service["sessionAffinity"] == "CLIENT_IP"
    assert service["localityLbPolicy"] == "LEAST_REQUEST"
    assert service["logConfig"] == {"enable": True, "sampleRate": 0.25}
    assert service["timeoutSec"] == 900
    assert made.one("ServiceLbPolicies")["loadBalancingAlgorithm"] == "SPRAY_TO_REGION"


def test_addresses() -> None:
    made = sketch(config(address={"ip_version": "IPV6", "name": "front"}))
    assert made.of("GlobalAddress")["front"]["ipVersion"] == "IPV6"
    assert made.outputs["urls"]["http"] == "http://[2001:db8::7]/"
    made = sketch(config(address={"existing": "198.51.100.4"}))
    assert made.of("GlobalAddress") == {}
    assert made.outputs["load_balancer_ip"] == "198.51.100.4"
    made = sketch(config(address={"existing": "projects/p/global/addresses/a"}))
    assert made.outputs["load_balancer_ip"] == "203.0.113.9"


def test_production_gets_the_console_url() -> None:
    raw = {**document(), "cloud": "gcp"}
    made = sketch(Config.model_validate(raw))
    assert made.outputs["urls"]["console"].endswith("/httpAdvanced/lb?project=demo-project")


def test_a_foreign_overlay_is_refused() -> None:
    with pytest.raises(PermanentError, match="does not belong"):
        build(config(), overlay(service="other"))


def test_the_program_is_pure() -> None:
    one, two = sketch(config(), overlay({"us-east4": 0.3})), sketch(config(), overlay({"us-east4": 0.3}))
    assert one.resources == two.resources
