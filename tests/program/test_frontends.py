"""Several frontends, addresses and ports, and what a proxy takes besides: as the program declares them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.bench_config import config
from tests.program.sketch import Sketch, sketch

from spillway.config.frontends import AddressConfig

HTTPS = {"certificates": {"managed": ["api.example.com"]}}


def rules(made: Sketch) -> dict[str, tuple[str, str, str]]:
    """(address, port, target) by name."""
    return {
        name: (rule["ipAddress"], rule["portRange"], rule["target"].rpartition("/")[2])
        for name, rule in made.of("GlobalForwardingRule").items()
    }


def test_both_versions_of_ip() -> None:
    made = sketch(config(address={"ip_version": ["IPV4", "IPV6"]}, frontends={"http": {}, "https": HTTPS}))
    assert {n: a["ipVersion"] for n, a in made.of("GlobalAddress").items()} == {
        "lb-address": "IPV4",
        "lb-address-ipv6": "IPV6",
    }
    assert rules(made) == {
        "lb-http": ("203.0.113.7", "80", "lb-http"),
        "lb-http-ipv6": ("2001:db8::7", "80", "lb-http"),
        "lb-https": ("203.0.113.7", "443", "lb-https"),
        "lb-https-ipv6": ("2001:db8::7", "443", "lb-https"),
    }
    assert made.outputs["load_balancer_ip"] == "203.0.113.7"
    assert made.outputs["load_balancer_ip_ipv6"] == "2001:db8::7"
    assert made.outputs["urls"]["http ipv6"] == "http://[2001:db8::7]/"


def places(**address: Any) -> list[tuple[str | None, str | None, str]]:
    return [(p.version, p.existing, p.suffix) for p in AddressConfig.model_validate(address).places]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({}, [("IPV4", None, "")]),
        ({"ip_version": ["IPV6", "IPV4"]}, [("IPV6", None, ""), ("IPV4", None, "ipv4")]),
        ({"existing": "203.0.113.7"}, [("IPV4", "203.0.113.7", "")]),
        (
            {"existing": ["203.0.113.7", "2001:db8::1"]},
            [("IPV4", "203.0.113.7", ""), ("IPV6", "2001:db8::1", "ipv6")],
        ),
        (
            {"existing": "203.0.113.7", "ip_version": ["IPV4", "IPV6"]},
            [("IPV4", "203.0.113.7", ""), ("IPV6", None, "ipv6")],
        ),
        (
            {"existing": "global/addresses/a", "ip_version": ["IPV4", "IPV6"]},
            [("IPV4", "global/addresses/a", ""), ("IPV6", None, "ipv6")],
        ),
        (
            {"existing": ["global/addresses/a", "global/addresses/b"]},
            [(None, "global/addresses/a", ""), (None, "global/addresses/b", "2")],
        ),
    ],
)
def test_places(address: dict[str, Any], expected: list[tuple[str | None, str | None, str]]) -> None:
    assert places(**address) == expected


def test_two_ports_of_one_url_map() -> None:
    https = [HTTPS, {**HTTPS, "port": 8443, "ssl_policy": {}}]
    made = sketch(config(frontends={"http": [{"port": 80}, {"port": 8080}], "https": https}))
    assert rules(made) == {
        "lb-http": ("203.0.113.7", "80", "lb-http"),
        "lb-http-8080": ("203.0.113.7", "8080", "lb-http-8080"),
        "lb-https": ("203.0.113.7", "443", "lb-https"),
        "lb-https-8443": ("203.0.113.7", "8443", "lb-https-8443"),
    }
    proxies = {**made.of("TargetHttpProxy"), **made.of("TargetHttpsProxy")}
    assert {proxy["urlMap"] for proxy in proxies.values()} == {"id/URLMap/lb"}
    assert len(made.of("ManagedSslCertificate")) == 1, "two frontends share it"
    assert made.of("SSLPolicy").keys() == {"lb-tls-8443"}
    urls = made.outputs["urls"]
    assert urls["http 8080"] == "http://203.0.113.7:8080/"
    assert urls["https api.example.com 8443"] == "https://api.example.com:8443/"


def test_a_redirect_on_one_port_alone() -> None:
    http = [{"port": 80, "redirect_to_https": True}, {"port": 8080}]
    made = sketch(config(frontends={"http": http, "https": HTTPS}))
    maps = {name: proxy["urlMap"].rpartition("/")[2] for name, proxy in made.of("TargetHttpProxy").items()}
    assert maps == {"lb-http": "lb-redirect", "lb-http-8080": "lb"}


def test_what_a_proxy_cannot_change_is_part_of_its_name() -> None:
    """So that another one stands before the rule leads to it and the old one goes."""
    plain = sketch(config(frontends={"http": {}, "https": HTTPS}))
    assert [*plain.of("TargetHttpProxy"), *plain.of("TargetHttpsProxy")] == ["lb-http", "lb-https"]
    special = {"keep_alive": "30s", "tls_early_data": "STRICT", "server_tls_policy": "mtls"}
    made = sketch(config(frontends={"http": {"keep_alive": "30s"}, "https": {**HTTPS, **special}}))
    ((http, proxy),) = made.of("TargetHttpProxy").items()
    assert http.startswith("lb-http-")
    assert proxy["httpKeepAliveTimeoutSec"] == 30
    ((https, proxy),) = made.of("TargetHttpsProxy").items()
    assert https.startswith("lb-https-")
    assert proxy["httpKeepAliveTimeoutSec"] == 30
    assert proxy["tlsEarlyData"] == "STRICT"
    root = "//networksecurity.googleapis.com/projects"
    assert proxy["serverTlsPolicy"] == f"{root}/demo-project/locations/global/serverTlsPolicies/mtls"
    assert rules(made)["lb-https"][2] == https


@pytest.mark.parametrize(
    "policy",
    [
        "projects/p/locations/global/serverTlsPolicies/m",
        "//networksecurity.googleapis.com/projects/p/locations/global/serverTlsPolicies/m",
    ],
)
def test_a_policy_by_its_url(policy: str) -> None:
    made = sketch(config(frontends={"https": {**HTTPS, "server_tls_policy": policy}}))
    wanted = "//networksecurity.googleapis.com/projects/p/locations/global/serverTlsPolicies/m"
    assert made.one("TargetHttpsProxy")["serverTlsPolicy"] == wanted


def test_early_data_that_is_off_makes_no_other_proxy() -> None:
    made = sketch(config(frontends={"https": {**HTTPS, "tls_early_data": "DISABLED"}}))
    assert made.of("TargetHttpsProxy").keys() == {"lb-https"}


def test_labels() -> None:
    made = sketch(
        config(address={"labels": {"team": "inference"}}, frontends={"http": {}, "labels": {"cost": "a-1"}})
    )
    assert made.one("GlobalAddress")["labels"] == {"team": "inference", "managed-by": "spillway"}
    assert made.one("GlobalForwardingRule")["labels"] == {"cost": "a-1", "managed-by": "spillway"}


def test_a_certificate_for_each_entry() -> None:
    managed = ["a.example.com", ["c.example.com", "b.example.com"]]
    made = sketch(config(frontends={"https": {"certificates": {"managed": managed}}}))
    found = [one["managed"]["domains"] for one in made.of("ManagedSslCertificate").values()]
    assert sorted(found) == [["a.example.com"], ["b.example.com", "c.example.com"]]
    alone = sketch(config(frontends={"https": {"certificates": {"managed": ["a.example.com"]}}}))
    assert alone.of("ManagedSslCertificate").keys() < made.of("ManagedSslCertificate").keys()
    assert {"https b.example.com", "https c.example.com"} < made.outputs["urls"].keys()
