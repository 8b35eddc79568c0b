"""Certificates in the sandbox: how they are issued, what keeps them waiting, and the maps of Certificate Manager."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.sandbox.conftest import Cloud

from spillway.sandbox import pem
from spillway.sandbox.dns import ISSUING_SECONDS, state_of

MAP = "//certificatemanager.googleapis.com/projects/p/locations/global/certificateMaps"
SERVICE = {"healthChecks": ["global/healthChecks/n"], "loadBalancingScheme": "EXTERNAL_MANAGED"}


def pair(*names: str, ends: dt.datetime) -> dict[str, str]:
    """Certificate and key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False
        )
    made = builder.sign(key, hashes.SHA256())
    return {
        "certificate": made.public_bytes(serialization.Encoding.PEM).decode(),
        "privateKey": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    }


@pytest.mark.parametrize("year", [2031, 2071])
@pytest.mark.parametrize("names", [(), ("a.example.com", "*.example.org")])
def test_a_given_certificate_tells_its_end_and_its_names(
    cloud: Cloud, year: int, names: tuple[str, ...]
) -> None:
    """The year decides in which of two forms the end is written."""
    given = pair(*names, ends=dt.datetime(year, 5, 6, 7, 8, 9, tzinfo=dt.UTC))
    cloud.call("POST", "global/sslCertificates", {"name": "own", **given})
    shown = cloud.call("GET", "global/sslCertificates/own")
    assert shown["expireTime"] == f"{year}-05-06T07:08:09.000Z"
    assert shown.get("subjectAlternativeNames", []) == list(names)


@pytest.mark.parametrize("text", ["", "MIIB", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_tells_nothing(text: str) -> None:
    assert pem.told(text) is None


def test_a_domain_is_issued_after_ten_minutes_in_which_it_leads_here() -> None:
    later = 100.0 + ISSUING_SECONDS
    assert [state_of(100.0, (), now) for now in (100.0, later - 1, later)] == [
        "PROVISIONING",
        "PROVISIONING",
        "ACTIVE",
    ]
    missing = ((200.0, 400.0),)
    assert state_of(100.0, missing, 300.0) == "FAILED_NOT_VISIBLE"
    assert state_of(100.0, missing, later) == "PROVISIONING"
    assert state_of(100.0, missing, 400.0 + ISSUING_SECONDS) == "ACTIVE"
    assert state_of(100.0, ((later + 1, later + 99),), later + 50) == "ACTIVE", "what is issued stays so"


def test_a_certificate_waits_for_the_dns_of_each_of_its_domains(cloud: Cloud) -> None:
    fault = cloud.control("POST", "faults", {"kind": "dns-missing", "domain": "b.example.com"})["id"]
    assert [one["domain"] for one in cloud.control("GET", "faults")["faults"]] == ["b.example.com"]
    domains = ["a.example.com", "b.example.com"]
    cloud.call("POST", "global/sslCertificates", {"name": "m", "managed": {"domains": domains}})
    managed = cloud.call("GET", "global/sslCertificates/m")["managed"]
    assert managed["status"] == "PROVISIONING"
    assert managed["domainStatus"] == {"a.example.com": "PROVISIONING", "b.example.com": "FAILED_NOT_VISIBLE"}
    cloud.control("DELETE", f"faults/{fault}")
    assert cloud.call("GET", "global/sslCertificates/m")["managed"]["domainStatus"]["b.example.com"] == (
        "PROVISIONING"
    )
    cloud.control("DELETE", f"faults/{fault}", status=404)


@pytest.mark.parametrize(
    "fault", [{}, {"domain": 3}, {"domain": "a.example.com", "region": "x"}, {"domain": ""}]
)
def test_a_fault_of_dns_names_a_domain(cloud: Cloud, fault: dict[str, Any]) -> None:
    refusal = cloud.control("POST", "faults", {"kind": "dns-missing", **fault}, status=400)
    assert "dns-missing takes domain, at and for" in refusal["error"]["message"]


def test_a_map_from_authorization_to_proxy(cloud: Cloud) -> None:
    cloud.certificates("POST", "dnsAuthorizations", {"domain": "example.com"}, dnsAuthorizationId="auth")
    record = cloud.certificates("GET", "dnsAuthorizations/auth")["dnsResourceRecord"]
    assert (record["type"], record["name"]) == ("CNAME", "_acme-challenge.example.com.")
    managed = {
        "domains": ["*.example.com"],
        "dnsAuthorizations": ["projects/p/locations/global/dnsAuthorizations/auth"],
    }
    made = cloud.certificates("POST", "certificates", {"managed": managed}, certificateId="wild")
    assert made["done"]
    assert cloud.certificates("GET", made["name"].removeprefix("projects/p/locations/global/"))["done"]
    shown = cloud.certificates("GET", "certificates/wild")
    assert (shown["managed"]["state"], shown["sanDnsnames"]) == ("PROVISIONING", ["*.example.com"])
    cloud.certificates("POST", "certificateMaps", {"labels": {"a": "b"}}, certificateMapId="acme")
    entry = {"hostname": "*.example.com", "certificates": ["projects/p/locations/global/certificates/wild"]}
    cloud.certificates("POST", "certificateMaps/acme/certificateMapEntries", entry, certificateMapEntryId="e")
    (listed,) = cloud.certificates("GET", "certificateMaps/acme/certificateMapEntries")[
        "certificateMapEntries"
    ]
    assert (listed["state"], listed["name"].rpartition("/")[2]) == ("PENDING", "e")
    seeded = cloud.certificates("GET", "certificateMaps/m/certificateMapEntries")["certificateMapEntries"]
    assert {one["state"] for one in seeded} == {"ACTIVE"}
    cloud.call("POST", "global/healthChecks", {"name": "n", "type": "HTTP"})
    cloud.call("POST", "global/backendServices", {"name": "n", **SERVICE})
    cloud.call("POST", "global/urlMaps", {"name": "n", "defaultService": "global/backendServices/n"})
    proxy = {"name": "n", "urlMap": "global/urlMaps/n", "certificateMap": f"{MAP}/acme"}
    cloud.call("POST", "global/targetHttpsProxies", proxy)
    assert cloud.call("GET", "global/targetHttpsProxies/n")["certificateMap"] == f"{MAP}/acme"
    targets = cloud.certificates("GET", "certificateMaps/acme")["gclbTargets"]
    assert targets[0]["targetHttpsProxy"].endswith("global/targetHttpsProxies/n")
    cloud.certificates("PATCH", "certificateMaps/acme", {"description": "d"}, updateMask="description")
    cloud.certificates("DELETE", "certificateMaps/acme", status=400)
    cloud.certificates("DELETE", "certificates/wild", status=400)
    cloud.certificates("DELETE", "certificateMaps/acme/certificateMapEntries/e")
    cloud.certificates("DELETE", "certificateMaps/acme", status=400)
    cloud.call("DELETE", "global/targetHttpsProxies/n")
    cloud.certificates("DELETE", "certificateMaps/acme")
    cloud.certificates("DELETE", "certificates/wild")
    assert cloud.certificates("GET", "certificates/wild", status=404)["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "body", "query", "word"),
    [
        ("certificates", {"managed": {"domains": ["*.a.com"]}}, {"certificateId": "c"}, "authorization by DNS"),
        ("certificates", {}, {"certificateId": "c"}, "managed"),
        ("certificates", {"selfManaged": {"pemCertificate": "x"}}, {"certificateId": "c"}, "pemPrivateKey"),
        ("certificateMaps/m/certificateMapEntries", {"hostname": "a.com"}, {"certificateMapEntryId": "x"}, "certificates"),
        ("certificateMaps", {}, {}, "certificate_map_id"),
        ("dnsAuthorizations", {}, {"dnsAuthorizationId": "d"}, "domain"),
    ],
)  # fmt: skip
def test_what_certificate_manager_refuses(
    cloud: Cloud, path: str, body: dict[str, Any], query: dict[str, str], word: str
) -> None:
    assert word in cloud.certificates("POST", path, body, status=400, **query)["error"]["message"]


def test_a_proxy_names_a_map_that_exists(cloud: Cloud) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "n", "type": "HTTP"})
    cloud.call("POST", "global/backendServices", {"name": "n", **SERVICE})
    cloud.call("POST", "global/urlMaps", {"name": "n", "defaultService": "global/backendServices/n"})
    proxy = {"name": "n", "urlMap": "global/urlMaps/n", "certificateMap": f"{MAP}/none"}
    _, sentence = cloud.refused("POST", "global/targetHttpsProxies", proxy, status=404)
    assert "certificateMaps/none' was not found" in sentence


def test_labels_of_a_rule_are_kept_by_set_labels_alone(cloud: Cloud) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "n", "type": "HTTP"})
    cloud.call("POST", "global/backendServices", {"name": "n", **SERVICE})
    cloud.call("POST", "global/urlMaps", {"name": "n", "defaultService": "global/backendServices/n"})
    cloud.call("POST", "global/targetHttpProxies", {"name": "n", "urlMap": "global/urlMaps/n"})
    rule = {"name": "n", "target": "global/targetHttpProxies/n", "portRange": "80", "labels": {"a": "b"}}
    cloud.call("POST", "global/forwardingRules", {**rule, "loadBalancingScheme": "EXTERNAL_MANAGED"})
    shown = cloud.call("GET", "global/forwardingRules/n")
    assert "labels" not in shown
    labels = {"labels": {"a": "b"}, "labelFingerprint": shown["labelFingerprint"]}
    cloud.call("POST", "global/forwardingRules/n/setLabels", labels)
    assert cloud.call("GET", "global/forwardingRules/n")["labels"] == {"a": "b"}


def test_early_data_and_mtls_of_a_proxy(cloud: Cloud) -> None:
    cloud.call("POST", "global/healthChecks", {"name": "n", "type": "HTTP"})
    cloud.call("POST", "global/backendServices", {"name": "n", **SERVICE})
    cloud.call("POST", "global/urlMaps", {"name": "n", "defaultService": "global/backendServices/n"})
    proxy: dict[str, Any] = {"name": "n", "urlMap": "global/urlMaps/n", "certificateMap": f"{MAP}/m"}
    cloud.call("POST", "global/targetHttpsProxies", proxy)
    shown = cloud.call("GET", "global/targetHttpsProxies/n")
    assert (shown["tlsEarlyData"], shown.get("serverTlsPolicy")) == ("DISABLED", None)
    policy = "//networksecurity.googleapis.com/projects/p/locations/global/serverTlsPolicies/mtls"
    patch = {"serverTlsPolicy": policy, "fingerprint": shown["fingerprint"]}
    cloud.call("PATCH", "global/targetHttpsProxies/n", patch)
    shown = cloud.call("GET", "global/targetHttpsProxies/n")
    assert shown["serverTlsPolicy"] == policy
    cloud.call(
        "PATCH", "global/targetHttpsProxies/n", {"serverTlsPolicy": None, "fingerprint": shown["fingerprint"]}
    )
    assert "serverTlsPolicy" not in cloud.call("GET", "global/targetHttpsProxies/n")
