"""The sandbox against the published documents: shapes of bodies, paths, parameters, and one answer of every method."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.sandbox.conftest import Cloud
from tests.sandbox.discovery import Discovery, document, shape
from tests.sandbox.trim import trimmed

from spillway.published.schemas import FILE
from spillway.sandbox.kinds import COMPUTE_KINDS, KINDS
from spillway.sandbox.methods import METHODS
from spillway.sandbox.refusals import Refusal
from spillway.sandbox.schema import STRING, Choice, Link, ListOf, MapOf, Obj, Scalar, Shape
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.shapes import published

CERTIFICATE_MANAGER = ("certificates", "certificateMaps", "certificateMapEntries", "dnsAuthorizations")
SCHEMAS = {
    "serviceLbPolicies": ("networkservices.v1",),
    **dict.fromkeys(CERTIFICATE_MANAGER, ("certificatemanager.v1",)),
}
OWN_NAMES = {
    "string": "string",
    "boolean": "boolean",
    "number": "number",
    "int32": "integer",
    "int64": "string",
    "bytes": "string",
}


def published_name(singular: str) -> str:
    return singular[0].upper() + singular[1:]


Node = tuple[dict[str, Any], dict[str, Any]]
"""A published schema, and the document's table of schemas that its references look in."""


def below(nodes: list[Node], *path: str) -> list[Node]:
    """What the schemas hold under a path, where they hold it."""
    found = []
    for node, table in nodes:
        inner: Any = node
        for name in path:
            inner = inner.get(name, {})
        if inner:
            found.append((table[inner["$ref"]] if "$ref" in inner else inner, table))
    return found


def compare(ours: Shape, theirs: list[Node], place: str) -> None:
    """Every field that the sandbox takes is published in some version, with the same type."""
    assert theirs, f"{place} is not published"
    types = {node["type"] for node, _ in theirs}
    match ours:
        case Scalar():
            assert types == {OWN_NAMES[ours.type]}, place
        case Choice():
            assert set(ours.names) <= {name for node, _ in theirs for name in node["enum"]}, place
        case Link():
            assert types == {"string"}, place
        case ListOf():
            assert types == {"array"}, place
            compare(ours.item, below(theirs, "items"), f"{place}[]")
        case MapOf():
            assert types == {"object"}, place
            assert below(theirs, "additionalProperties"), place
        case Obj():
            for name, child in ours.fields.items():
                compare(child, below(theirs, "properties", name), f"{place}.{name}")
            for name in ours.unmodelled:
                assert below(theirs, "properties", name), f"{place}.{name} is not published"
        case _:
            raise AssertionError(f"unknown shape at {place}")


@pytest.mark.parametrize("collection", sorted(KINDS))
def test_every_field_of_a_kind_is_published(collection: str) -> None:
    kind = KINDS[collection]
    schemas = [document(name)["schemas"] for name in SCHEMAS.get(collection, ("compute.v1", "compute.beta"))]
    compare(kind.shape, [(table[published_name(kind.singular)], table) for table in schemas], collection)


def test_the_trimmed_schemas_are_those_of_the_documents() -> None:
    """`python -m tests.sandbox.trim` writes the file anew when the package brings newer documents."""
    assert FILE.read_text(encoding="utf-8") == trimmed()


def test_an_unknown_place_in_a_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"UrlMap does not have hostRules\.host, test"):
        published("UrlMap", {"hostRules.host": STRING}, unmodelled="test")


def test_what_is_empty_is_as_absent_as_null_where_it_is_not_modelled() -> None:
    shape = published("BackendService", unmodelled="localityLbPolicies subsetting")
    assert shape.read({"localityLbPolicies": [], "subsetting": {}}, "resource", "p") == {}
    with pytest.raises(Refusal, match=r"resource\.subsetting"):
        shape.read({"subsetting": {"policy": "NONE"}}, "resource", "p")


def test_fields_that_the_api_sets_are_ignored_at_any_depth() -> None:
    shape = published("SslCertificate")
    body = {"managed": {"domains": ["a.example.com"], "status": "ACTIVE"}, "expireTime": "x"}
    assert shape.read(body, "resource", "p") == {"managed": {"domains": ["a.example.com"]}}


@pytest.mark.parametrize("version", ["v1", "beta"])
def test_every_method_is_published_with_its_parameters(version: str) -> None:
    for method in METHODS:
        found = [
            m
            for verb, path, m in Discovery.methods(f"compute.{version}")
            if verb == method.http and shape(path) == shape(method.template)
        ]
        assert found, f"{method.http} {method.template} is not published"
        queries = {name for m in found for name, p in m["parameters"].items() if p["location"] == "query"}
        assert method.parameters <= queries | {"returnPartialSuccess"}, method.template


SERVICE = {"healthChecks": ["global/healthChecks/n"]}
INSTANCE = {"instances": [{"instance": "zones/us-east4-b/instances/vm"}]}
ENDPOINT = {"networkEndpoints": [{"ipAddress": "10.9.9.9", "port": 80}]}
PEM = {
    "certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "privateKey": "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
}
KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="
THROTTLE = {
    "action": "throttle",
    "priority": 9,
    "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}},
    "rateLimitOptions": {
        "conformAction": "allow",
        "exceedAction": "deny(429)",
        "enforceOnKey": "IP",
        "rateLimitThreshold": {"count": 100, "intervalSec": 60},
    },
}
REGION, ZONE = "regions/us-east4", "zones/us-east4-b"

STORY: list[tuple[str, str, Any]] = [
    ("POST", "global/networks", {"name": "n"}),
    (
        "POST",
        f"{REGION}/subnetworks",
        {"name": "n", "network": "global/networks/n", "ipCidrRange": "10.1.0.0/24"},
    ),
    ("POST", "global/healthChecks", {"name": "n", "type": "HTTP"}),
    ("PUT", "global/healthChecks/n", {"name": "n", "type": "HTTPS", "checkIntervalSec": 7}),
    ("PATCH", "global/healthChecks/n", {"timeoutSec": 3}),
    (
        "POST",
        "global/backendServices",
        {
            "name": "n",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            **SERVICE,
            "backends": [
                {"group": f"{ZONE}/networkEndpointGroups/api-us-east4", "balancingMode": "RATE", "maxRate": 5}
            ],
        },
    ),
    ("POST", "global/backendServices/n/getHealth", {"group": f"{ZONE}/networkEndpointGroups/api-us-east4"}),
    (
        "PUT",
        "global/backendServices/n",
        {"name": "n", "loadBalancingScheme": "EXTERNAL_MANAGED", **SERVICE, "fingerprint": ...},
    ),
    ("PATCH", "global/backendServices/n", {"description": "d"}),
    (
        "PATCH",
        "global/backendServices/n",
        {"iap": {"enabled": True, "oauth2ClientId": "c", "oauth2ClientSecret": "s"}},
    ),
    (
        "PATCH",
        "global/backendServices/n",
        {
            "enableCDN": True,
            "cdnPolicy": {"cacheMode": "FORCE_CACHE_ALL", "signedUrlCacheMaxAgeSec": 9},
        },
    ),
    ("POST", "global/backendServices/n/addSignedUrlKey", {"keyName": "k", "keyValue": KEY}),
    ("POST", "global/backendServices/n/deleteSignedUrlKey?keyName=k", {}),
    ("POST", "global/securityPolicies", {"name": "n"}),
    ("POST", "global/securityPolicies", {"name": "e", "type": "CLOUD_ARMOR_EDGE"}),
    ("PATCH", "global/securityPolicies/n", {"description": "d"}),
    ("POST", "global/securityPolicies/n/addRule", THROTTLE),
    ("POST", "global/securityPolicies/n/patchRule?priority=9", {"preview": True}),
    ("POST", "global/securityPolicies/n/removeRule?priority=9", {}),
    ("POST", "global/securityPolicies/n/setLabels", {"labels": {"a": "b"}, "labelFingerprint": ...}),
    ("POST", "global/backendBuckets", {"name": "n", "bucketName": "assets"}),
    ("PUT", "global/backendBuckets/n", {"name": "n", "bucketName": "assets", "enableCdn": True}),
    ("PATCH", "global/backendBuckets/n", {"description": "d"}),
    ("POST", "global/backendBuckets/n/addSignedUrlKey", {"keyName": "k", "keyValue": KEY}),
    ("POST", "global/backendBuckets/n/deleteSignedUrlKey?keyName=k", {}),
    (
        "POST",
        "global/backendBuckets/n/setEdgeSecurityPolicy",
        {"securityPolicy": "projects/p/global/securityPolicies/e"},
    ),
    (
        "POST",
        "global/backendServices/n/setSecurityPolicy",
        {"securityPolicy": "projects/p/global/securityPolicies/n"},
    ),
    (
        "POST",
        "global/backendServices/n/setEdgeSecurityPolicy",
        {"securityPolicy": "projects/p/global/securityPolicies/e"},
    ),
    ("POST", "global/urlMaps", {"name": "n", "defaultService": "global/backendServices/n"}),
    (
        "PUT",
        "global/urlMaps/n",
        {"name": "n", "defaultService": "global/backendServices/n", "fingerprint": ...},
    ),
    ("PATCH", "global/urlMaps/n", {"description": "d"}),
    (
        "POST",
        "global/urlMaps/n/validate",
        {"resource": {"name": "n", "defaultService": "global/backendServices/n"}},
    ),
    ("POST", "global/urlMaps/n/invalidateCache", {"path": "/*"}),
    ("POST", "global/sslCertificates", {"name": "n", **PEM}),
    ("POST", "global/sslCertificates", {"name": "m", "managed": {"domains": ["a.example.com"]}}),
    ("POST", "global/sslPolicies", {"name": "n"}),
    ("PATCH", "global/sslPolicies/n", {"profile": "MODERN"}),
    ("POST", "global/targetHttpProxies", {"name": "n", "urlMap": "global/urlMaps/n"}),
    ("PATCH", "global/targetHttpProxies/n", {"description": "d"}),
    ("POST", "targetHttpProxies/n/setUrlMap", {"urlMap": "global/urlMaps/n"}),
    (
        "POST",
        "global/targetHttpsProxies",
        {"name": "n", "urlMap": "global/urlMaps/n", "sslCertificates": ["global/sslCertificates/n"]},
    ),
    ("PATCH", "global/targetHttpsProxies/n", {"description": "d"}),
    ("POST", "targetHttpsProxies/n/setUrlMap", {"urlMap": "global/urlMaps/n"}),
    ("POST", "targetHttpsProxies/n/setSslCertificates", {"sslCertificates": ["global/sslCertificates/m"]}),
    ("POST", "global/targetHttpsProxies/n/setSslPolicy", {"sslPolicy": "global/sslPolicies/n"}),
    (
        "POST",
        "global/targetHttpsProxies/n/setCertificateMap",
        {
            "certificateMap": "//certificatemanager.googleapis.com/projects/p/locations/global/certificateMaps/m"
        },
    ),
    ("POST", "global/targetHttpsProxies/n/setQuicOverride", {"quicOverride": "ENABLE"}),
    ("POST", "global/addresses", {"name": "n"}),
    ("POST", "global/addresses/n/setLabels", {"labels": {"a": "b"}, "labelFingerprint": ...}),
    (
        "POST",
        "global/forwardingRules",
        {
            "name": "n",
            "target": "global/targetHttpsProxies/n",
            "portRange": "443",
            "IPAddress": "global/addresses/n",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
        },
    ),
    ("PATCH", "global/forwardingRules/n", {"networkTier": "PREMIUM"}),
    ("POST", "global/forwardingRules/n/setLabels", {"labels": {"a": "b"}, "labelFingerprint": ...}),
    ("POST", "global/forwardingRules/n/setTarget", {"target": "global/targetHttpProxies/n"}),
    ("POST", f"{ZONE}/instanceGroups", {"name": "n"}),
    ("POST", f"{ZONE}/instanceGroups/n/addInstances", INSTANCE),
    (
        "POST",
        f"{ZONE}/instanceGroups/n/setNamedPorts",
        {"namedPorts": [{"name": "http", "port": 80}], "fingerprint": ...},
    ),
    ("POST", f"{ZONE}/instanceGroups/n/listInstances", {"instanceState": "ALL"}),
    ("POST", f"{ZONE}/instanceGroups/n/removeInstances", INSTANCE),
    ("POST", f"{ZONE}/networkEndpointGroups", {"name": "n", "defaultPort": 80}),
    ("POST", f"{ZONE}/networkEndpointGroups/n/attachNetworkEndpoints", ENDPOINT),
    ("POST", f"{ZONE}/networkEndpointGroups/n/listNetworkEndpoints", {}),
    ("POST", f"{ZONE}/networkEndpointGroups/n/detachNetworkEndpoints", ENDPOINT),
    ("POST", f"{REGION}/networkEndpointGroups", {"name": "n", "cloudRun": {"service": "s"}}),
    ("POST", f"{REGION}/networkEndpointGroups/n/listNetworkEndpoints", {}),
    ("POST", "global/networkEndpointGroups", {"name": "n", "networkEndpointType": "INTERNET_FQDN_PORT"}),
    (
        "POST",
        "global/networkEndpointGroups/n/attachNetworkEndpoints",
        {"networkEndpoints": [{"fqdn": "a.example.com", "port": 443}]},
    ),
    ("POST", "global/networkEndpointGroups/n/listNetworkEndpoints", {}),
    (
        "POST",
        "global/networkEndpointGroups/n/detachNetworkEndpoints",
        {"networkEndpoints": [{"fqdn": "a.example.com", "port": 443}]},
    ),
]
"""A life of every kind of resource; `...` stands for the fingerprint that a GET shows."""

REFUSED_ALWAYS = {
    f"projects/*/regions/*/networkEndpointGroups/*/{verb}tachNetworkEndpoints" for verb in ("at", "de")
}
"""Published methods that are served only to be refused: serverless groups have no endpoints."""


@pytest.mark.parametrize("version", ["v1", "beta"])
def test_an_answer_of_every_method_is_as_published(cloud: Cloud, version: str) -> None:
    cloud.discovery.seen.clear()
    regional = SeedGroup(project="p", zone="us-east4", name="n", kind="regional_instance_group", endpoints=3)
    cloud.server.store.seed_groups([regional])
    named = {"namedPorts": [{"name": "http", "port": 80}]}
    cloud.call("POST", f"{REGION}/instanceGroups/n/setNamedPorts", named, version=version)
    cloud.call("POST", f"{REGION}/instanceGroups/n/listInstances", {"instanceState": "ALL"}, version=version)
    for http, path, body in STORY:
        current: dict[str, Any] = {}
        if ... in body.values():
            current = cloud.call("GET", path.rsplit("/", 1)[0] if "/set" in path else path, version=version)
        fresh = {name: current[name] if value is ... else value for name, value in body.items()}
        bare, _, query = path.partition("?")
        parameters: dict[str, Any] = dict(parse_qsl(query))
        cloud.call(http, bare, fresh, version=version, **parameters)
    for path in ("", "regions", "zones", "regions/us-east4", "zones/us-east4-b"):
        cloud.call("GET", path, version=version)
    assert cloud.call("GET", "aggregated/operations", version=version)["items"]["zones/us-east4-b"][
        "operations"
    ]
    for scope in ("global", REGION, ZONE):
        cloud.call("GET", f"{scope}/operations", version=version)
        name = cloud.call("GET", f"{scope}/operations", version=version)["items"][0]["name"]
        cloud.call("GET", f"{scope}/operations/{name}", version=version)
        cloud.call("POST", f"{scope}/operations/{name}/wait", version=version)
        cloud.call("DELETE", f"{scope}/operations/{name}", version=version)
    for kind in COMPUTE_KINDS.values():
        for family in kind.scopes:
            scope = {"global": "global", "regions": REGION, "zones": ZONE}[family]
            shown = cloud.call("GET", f"{scope}/{kind.collection}/n", version=version)
            assert (
                shown["selfLink"]
                == f"https://www.googleapis.com/compute/{version}/projects/p/{scope}/{kind.collection}/n"
            )
            assert cloud.call("GET", f"{scope}/{kind.collection}", version=version)["items"]
        if "aggregatedList" in kind.verbs:
            items = cloud.call(
                "GET", f"aggregated/{kind.collection}", version=version, includeAllScopes="true"
            )["items"]
            assert any(kind.collection in entry for entry in items.values())
    order = [
        "forwardingRules",
        "addresses",
        "targetHttpsProxies",
        "targetHttpProxies",
        "sslPolicies",
        "sslCertificates",
        "urlMaps",
        "backendServices",
        "backendBuckets",
        "securityPolicies",
        "healthChecks",
        "instanceGroups",
        "networkEndpointGroups",
        "subnetworks",
        "networks",
    ]
    assert set(order) == set(COMPUTE_KINDS)
    for collection in order:
        for family in COMPUTE_KINDS[collection].scopes:
            if "delete" not in COMPUTE_KINDS[collection].placed_verbs.get(family, {"delete"}):
                continue
            scope = {"global": "global", "regions": REGION, "zones": ZONE}[family]
            cloud.call("DELETE", f"{scope}/{collection}/n", version=version)
    served = {(method.http, shape(method.template)) for method in METHODS}
    assert served - cloud.discovery.seen - {("POST", path) for path in REFUSED_ALWAYS} == set()


def test_answers_of_network_services_are_as_published(cloud: Cloud) -> None:
    made = cloud.policy(
        "POST", "serviceLbPolicies", {"autoCapacityDrain": {"enable": True}}, serviceLbPolicyId="pol"
    )
    assert made["done"]
    assert cloud.policy("GET", made["name"].removeprefix("projects/p/locations/global/"))["response"][
        "autoCapacityDrain"
    ] == {"enable": True}
    cloud.policy(
        "PATCH",
        "serviceLbPolicies/pol",
        {"failoverConfig": {"failoverHealthThreshold": 30}},
        updateMask="failoverConfig,autoCapacityDrain",
    )
    shown = cloud.policy("GET", "serviceLbPolicies/pol")
    assert shown["failoverConfig"] == {"failoverHealthThreshold": 30}
    assert "autoCapacityDrain" not in shown
    assert [policy["name"] for policy in cloud.policy("GET", "serviceLbPolicies")["serviceLbPolicies"]] == [
        "projects/p/locations/global/serviceLbPolicies/pol"
    ]
    assert len(cloud.policy("GET", "operations")["operations"]) == 2
    gone = cloud.policy("DELETE", "serviceLbPolicies/pol")
    cloud.policy("DELETE", gone["name"].removeprefix("projects/p/locations/global/"))
    error = cloud.policy("GET", "serviceLbPolicies/pol", status=404)["error"]
    assert (error["status"], error["code"]) == ("NOT_FOUND", 404)


def test_a_wrong_answer_would_be_noticed() -> None:
    """The check itself: the schema refuses an unknown field, a wrong type and a wrong name."""
    validator = Discovery().validator("compute.v1", "BackendService")
    assert validator.is_valid({"name": "a", "backends": [{"capacityScaler": 0.5}]})
    for wrong in (
        {"nmae": "a"},
        {"timeoutSec": "30"},
        {"protocol": "FTP"},
        {"backends": [{"capacityScaler": "1"}]},
        {"id": 5},
    ):
        assert not validator.is_valid(wrong)
