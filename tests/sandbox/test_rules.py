"""What the API refuses, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.sandbox.conftest import Cloud, make_cloud
from tests.sandbox.discovery import Discovery

EU = {
    "group": "zones/europe-west4-a/networkEndpointGroups/api-europe-west4",
    "balancingMode": "RATE",
    "maxRatePerEndpoint": 10,
}
US = {"group": "zones/us-east4-b/networkEndpointGroups/api-us-east4", "balancingMode": "RATE", "maxRate": 10}
IG = {"group": "zones/europe-west4-a/instanceGroups/ig-europe-west4"}
RUN = {"group": "regions/us-east4/networkEndpointGroups/run"}


def body(*backends: dict[str, Any], **more: Any) -> dict[str, Any]:
    checks = {} if RUN in backends else {"healthChecks": ["global/healthChecks/hc"]}
    return {
        "name": "s",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        **checks,
        "backends": list(backends),
        **more,
    }


def prepare(cloud: Cloud) -> Cloud:
    cloud.call("POST", "global/healthChecks", {"name": "hc", "type": "HTTP"})
    run = {"name": "run", "cloudRun": {"service": "s"}}
    cloud.call("POST", "regions/us-east4/networkEndpointGroups", run)
    return cloud


@pytest.fixture
def ready(cloud: Cloud) -> Cloud:
    return prepare(cloud)


@pytest.fixture(scope="module")
def settled(discovery: Discovery) -> Iterator[Cloud]:
    """One sandbox for many tests, each of which leaves it as it was."""
    made = make_cloud(discovery)
    with made.server:
        yield prepare(made)
    assert made.server.failure is None


ACCEPTED: list[dict[str, Any]] = [
    body(EU, US),
    body({**EU, "capacityScaler": 0}, US),
    body({**EU, "capacityScaler": 0.1}),
    body({**EU, "capacityScaler": 0}, {**US, "capacityScaler": 0}),
    body({**EU, "preference": "PREFERRED"}, US),
    body({**IG, "maxUtilization": 0.8}),
    body({**IG, "balancingMode": "RATE", "maxRatePerInstance": 3}),
    body({**EU, "group": US["group"]}, {**US, "group": "zones/us-east4-b/networkEndpointGroups/onprem"}),
    body(
        {
            "group": EU["group"],
            "balancingMode": "IN_FLIGHT",
            "maxInFlightRequestsPerEndpoint": 4,
            "trafficDuration": "LONG",
        }
    ),
    body(
        {
            "group": EU["group"],
            "balancingMode": "CUSTOM_METRICS",
            "customMetrics": [{"name": "orca.named_metrics.kv", "maxUtilization": 0.8}],
        }
    ),
    body(RUN),
    body({**RUN, "balancingMode": "UTILIZATION", "capacityScaler": 1, "maxUtilization": None})
    | {"healthChecks": None},
    body(EU, outlierDetection={"baseEjectionTime": {"seconds": 30}, "consecutiveErrors": 5}),
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    (body({**EU, "capacityScaler": 0.05}), "Capacity scaler must be 0 or between 0.1 and 1.0."),
    (body({**EU, "capacityScaler": 1.5}), "Capacity scaler must be 0 or between 0.1 and 1.0."),
    (body({**EU, "capacityScaler": -0.5}), "Capacity scaler must be 0 or between 0.1 and 1.0."),
    (body({**EU, "capacityScaler": 0}), "only one backend"),
    (body(EU, EU), "Duplicate backend groups"),
    (body({"group": EU["group"]}), "Balancing mode must be RATE"),
    (body({"group": EU["group"], "balancingMode": "RATE"}), "needs maxRate"),
    (body({**EU, "maxUtilization": 0.5}), "Max utilization"),
    (body({**EU, "maxRate": 3}), "Only one target"),
    (body({**US, "maxRatePerInstance": 3, "maxRate": None}), "resource.backends[0].maxRatePerInstance"),
    (
        body({"group": EU["group"], "balancingMode": "IN_FLIGHT", "maxInFlightRequests": 4}),
        "traffic duration LONG",
    ),
    (body({"group": EU["group"], "balancingMode": "CUSTOM_METRICS"}), "customMetrics"),
    (body({**EU, "balancingMode": "CONNECTION"}), "CONNECTION"),
    (body(EU, IG), "cannot be mixed"),
    (body({**RUN, "capacityScaler": 0.5}), "Capacity scaler cannot be set"),
    (body({**RUN, "balancingMode": "RATE"}), "Balancing mode cannot be set"),
    (body(RUN, healthChecks=["global/healthChecks/hc"]), "A health check cannot be set"),
    (body(EU) | {"healthChecks": []}, "resource.healthChecks"),
    (
        body(EU, loadBalancingScheme="EXTERNAL", outlierDetection={}),
        "not supported with load balancing scheme EXTERNAL",
    ),
    (
        body({**EU, "preference": "DEFAULT"}, loadBalancingScheme="EXTERNAL"),
        "not supported with load balancing scheme EXTERNAL",
    ),
    (body(EU, timeoutSec=0), "resource.timeoutSec"),
    (body(EU, connectionDraining={"drainingTimeoutSec": 3601}), "between 0 and 3600"),
    (body(EU, protocol="FTP"), "resource.protocol"),
    (body(EU, logConfig={"sampleRate": 0.5}), "logging is enabled"),
    (body(EU, nonsense=1), 'Unknown name "nonsense"'),
    (body({**EU, "nonsense": 1}), "resource.backends[0]"),
    (
        body(EU, securitySettings={"clientTlsPolicy": "x"}),
        "needs load balancing scheme INTERNAL_SELF_MANAGED",
    ),
    (body(EU, securitySettings={"authentication": "x"}), "The sandbox does not model this field"),
    (body(EU, tlsSettings={"sni": "x"}), "TLS settings need the protocol HTTPS or HTTP2"),
    (body(EU, name="Not-A-Name"), "Must be a match of regex"),
    (body({**EU, "group": "somewhere"}), "The URL is malformed"),
    (body({**EU, "group": "global/healthChecks/hc"}), "must refer to one of"),
    (body(EU, timeoutSec="soon"), "TYPE_INT32"),
]


@pytest.mark.parametrize("given", ACCEPTED)
def test_a_lawful_service_is_accepted(settled: Cloud, given: dict[str, Any]) -> None:
    settled.call("POST", "global/backendServices", given)
    backend = settled.call("GET", "global/backendServices/s")["backends"][0]
    assert backend["capacityScaler"] == given["backends"][0].get("capacityScaler", 1.0)
    assert backend["group"].startswith("https://www.googleapis.com/compute/v1/projects/p/")
    settled.call("DELETE", "global/backendServices/s")


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_an_unlawful_service_is_refused_by_name(settled: Cloud, given: dict[str, Any], words: str) -> None:
    reason, message = settled.refused("POST", "global/backendServices", given)
    assert words in message
    assert reason in {"invalid", "required", "badRequest"}
    settled.call("GET", "global/backendServices/s", status=404)


def test_fingerprints_guard_every_put(ready: Cloud) -> None:
    ready.call("POST", "global/backendServices", body(EU, US))
    first = ready.call("GET", "global/backendServices/s")
    changed = {**first, "timeoutSec": 40}
    missing = {name: value for name, value in changed.items() if name != "fingerprint"}
    assert ready.refused("PUT", "global/backendServices/s", missing) == (
        "required",
        "Required field 'resource.fingerprint' not specified",
    )
    ready.call("PUT", "global/backendServices/s", changed)
    second = ready.call("GET", "global/backendServices/s")
    assert second["fingerprint"] != first["fingerprint"]
    assert (second["timeoutSec"], second["id"]) == (40, first["id"])
    assert ready.refused("PUT", "global/backendServices/s", changed, status=412) == (
        "conditionNotMet",
        "Invalid fingerprint.",
    )
    assert (
        ready.refused("PATCH", "global/backendServices/s", {"fingerprint": first["fingerprint"]}, status=412)[
            0
        ]
        == "conditionNotMet"
    )


def test_a_patch_merges_objects_and_replaces_arrays(ready: Cloud) -> None:
    ready.call(
        "POST",
        "global/backendServices",
        body(EU, US, logConfig={"enable": True, "sampleRate": 0.5}, description="d"),
    )
    ready.call(
        "PATCH",
        "global/backendServices/s",
        {"backends": [{**US, "capacityScaler": 0.5}], "logConfig": {"sampleRate": 0.2}, "description": None},
    )
    shown = ready.call("GET", "global/backendServices/s")
    assert [backend["capacityScaler"] for backend in shown["backends"]] == [0.5]
    assert shown["logConfig"] == {"enable": True, "sampleRate": 0.2}
    assert shown["description"] == ""
    ready.call("PATCH", "global/backendServices/s", {"backends": [EU]})
    assert (
        ready.call("GET", "global/backendServices/s")["backends"][0]["capacityScaler"] == 1.0
    )  # left out is full, not unchanged
    ready.call("PATCH", "global/backendServices/s", {"logConfig": {"sampleRate": None}})
    assert ready.call("GET", "global/backendServices/s")["logConfig"] == {"enable": True}


def test_names_references_and_users(ready: Cloud) -> None:
    gone = {**EU, "group": "zones/us-east4-b/networkEndpointGroups/gone"}
    assert ready.refused("POST", "global/backendServices", body(gone), status=404) == (
        "notFound",
        "The resource 'projects/p/zones/us-east4-b/networkEndpointGroups/gone' was not found",
    )
    ready.call("POST", "global/backendServices", body(EU))
    assert ready.refused("POST", "global/backendServices", body(EU), status=409) == (
        "alreadyExists",
        "The resource 'projects/p/global/backendServices/s' already exists",
    )
    assert ready.refused("DELETE", "global/healthChecks/hc") == (
        "resourceInUseByAnotherResource",
        "The health_check resource 'projects/p/global/healthChecks/hc' is already being used by 'projects/p/global/backendServices/s'",
    )
    ready.call("DELETE", "global/backendServices/s")
    ready.call("DELETE", "global/healthChecks/hc")
    assert ready.refused("DELETE", "global/healthChecks/hc", status=404)[0] == "notFound"


def url_map(**more: Any) -> dict[str, Any]:
    return {"name": "um", "defaultService": "global/backendServices/s", **more}


def matcher(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "pathMatchers": [
            {"name": "m", "defaultService": "global/backendServices/s", "pathRules": list(rules), **more}
        ],
        "hostRules": [{"hosts": ["*"], "pathMatcher": "m"}],
    }


OTHER = "global/backendServices/o"
TEST = {"host": "a.example", "path": "/europe/x?y=1", "service": OTHER}

MAPS: list[tuple[dict[str, Any], str | None]] = [
    (url_map(), None),
    (url_map(**matcher({"paths": ["/europe/*"], "service": OTHER}), tests=[TEST]), None),
    (
        url_map(
            **matcher(
                {"paths": ["/*"], "service": "global/backendServices/s"},
                {"paths": ["/europe/*"], "service": OTHER},
            ),
            tests=[TEST],
        ),
        None,
    ),
    ({"name": "um", "defaultUrlRedirect": {"httpsRedirect": True, "stripQuery": False}}, None),
    (
        url_map(
            **matcher(
                {
                    "paths": ["/w"],
                    "routeAction": {"weightedBackendServices": [{"backendService": OTHER, "weight": 1}]},
                }
            )
        ),
        None,
    ),
    (
        url_map(
            **matcher(
                routeRules=[{"priority": 1, "matchRules": [{"prefixMatch": "/europe/"}], "service": OTHER}],
                pathRules=None,
            ),
            tests=[TEST],
        ),
        None,
    ),
    ({"name": "um"}, "Exactly one of"),
    (url_map(defaultUrlRedirect={"httpsRedirect": True}), "Exactly one of"),
    (
        url_map(tests=[TEST]),
        "Test failure: Expect URL 'a.example/europe/x?y=1' to map to service 'projects/p/global/backendServices/o'",
    ),
    (url_map(**matcher({"paths": ["europe/*"], "service": OTHER})), "Paths must start with '/'"),
    (url_map(**matcher({"paths": ["/eu*"], "service": OTHER})), "after a '/'"),
    (url_map(**matcher({"paths": ["/a", "/a"], "service": OTHER})), "more than once"),
    (url_map(hostRules=[{"hosts": ["*"], "pathMatcher": "gone"}]), "not defined in pathMatchers"),
    (url_map(hostRules=[{"hosts": ["a"]}]), "pathMatcher"),
    (
        url_map(
            **matcher({"paths": ["/a"], "service": OTHER})
            | {"hostRules": [{"hosts": ["a", "a"], "pathMatcher": "m"}]}
        ),
        "more than one host rule",
    ),
    (url_map(**matcher({"paths": ["/a"]})), "Exactly one of"),
    (url_map(**matcher({"paths": ["/a"], "urlRedirect": {"stripQuery": True}})), "must change"),
    (url_map(defaultCustomErrorResponsePolicy={"errorService": "x"}), "The URL is malformed"),
]


@pytest.mark.parametrize(("given", "words"), MAPS)
def test_url_maps(ready: Cloud, given: dict[str, Any], words: str | None) -> None:
    for name in ("s", "o"):
        ready.call("POST", "global/backendServices", body(EU, name=name))
    if words is None:
        ready.call("POST", "global/urlMaps", given)
        assert ready.call("GET", "global/urlMaps/um")["fingerprint"]
    else:
        assert words in ready.refused("POST", "global/urlMaps", given)[1]


def frontend(ready: Cloud) -> None:
    ready.call("POST", "global/backendServices", body(EU))
    ready.call("POST", "global/urlMaps", url_map())
    ready.call("POST", "global/targetHttpProxies", {"name": "p", "urlMap": "global/urlMaps/um"})


def rule(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "target": "global/targetHttpProxies/p",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "portRange": "80",
        **more,
    }


def test_forwarding_rules_have_one_port_and_an_address_of_their_own(ready: Cloud) -> None:
    frontend(ready)
    ready.call("POST", "global/addresses", {"name": "ip"})
    address = ready.call("GET", "global/addresses/ip")
    ready.call("POST", "global/forwardingRules", rule("a", IPAddress="global/addresses/ip"))
    shown = ready.call("GET", "global/forwardingRules/a")
    assert (shown["portRange"], shown["IPAddress"]) == ("80-80", address["address"])
    assert ready.call("GET", "global/addresses/ip")["status"] == "IN_USE"
    assert (
        "Specified IP address is in-use"
        in ready.refused("POST", "global/forwardingRules", rule("b", IPAddress=address["address"]))[1]
    )
    assert (
        "exactly one port"
        in ready.refused("POST", "global/forwardingRules", rule("b", portRange="80-443"))[1]
    )
    assert (
        "differs from that of"
        in ready.refused("POST", "global/forwardingRules", rule("b", loadBalancingScheme="EXTERNAL"))[1]
    )
    assert ready.refused("DELETE", "global/addresses/ip")[0] == "resourceInUseByAnotherResource"
    assert ready.refused("DELETE", "global/targetHttpProxies/p")[0] == "resourceInUseByAnotherResource"
    ready.call("POST", "global/forwardingRules", rule("b", portRange="8080", IPAddress=address["address"]))
    ready.call("POST", "global/forwardingRules", rule("c"))
    assert ready.call("GET", "global/forwardingRules/c")["IPAddress"] != address["address"]
    assert "cannot be changed" in ready.refused("PATCH", "global/forwardingRules/c", {"portRange": "81"})[1]


def test_labels_need_their_fingerprint(ready: Cloud) -> None:
    ready.call("POST", "global/addresses", {"name": "ip"})
    first = ready.call("GET", "global/addresses/ip")["labelFingerprint"]
    ready.call("POST", "global/addresses/ip/setLabels", {"labels": {"a": "b"}, "labelFingerprint": first})
    shown = ready.call("GET", "global/addresses/ip")
    assert shown["labels"] == {"a": "b"}
    assert shown["labelFingerprint"] != first
    assert (
        ready.refused(
            "POST", "global/addresses/ip/setLabels", {"labels": {}, "labelFingerprint": first}, status=412
        )[0]
        == "conditionNotMet"
    )


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("global/healthChecks", {"name": "h"}, "resource.type"),
        (
            "global/healthChecks",
            {"name": "h", "type": "HTTP", "timeoutSec": 9},
            "must not be greater than the check interval",
        ),
        ("global/healthChecks", {"name": "h", "type": "HTTP", "tcpHealthCheck": {}}, "does not agree"),
        ("global/healthChecks", {"name": "h", "type": "GRPC"}, "grpcHealthCheck.port"),
        ("global/healthChecks", {"type": "HTTP"}, "resource.name"),
        (
            "global/sslCertificates",
            {"name": "c", "managed": {"domains": ["*.example.com"]}},
            "without wildcard",
        ),
        ("global/sslCertificates", {"name": "c", "certificate": "x", "privateKey": "y"}, "PEM"),
        (
            "global/sslCertificates",
            {"name": "c", "certificate": "-----BEGIN C-----\nx\n-----END C-----"},
            "privateKey",
        ),
        ("global/sslPolicies", {"name": "c", "customFeatures": ["A"]}, "CUSTOM"),
        ("global/targetHttpsProxies", {"name": "t", "urlMap": "global/urlMaps/um"}, "sslCertificates"),
        ("global/targetHttpProxies", {"name": "t"}, "urlMap"),
        (
            "zones/us-east4-b/networkEndpointGroups",
            {"name": "n", "networkEndpointType": "SERVERLESS"},
            "not allowed here",
        ),
        ("regions/us-east4/networkEndpointGroups", {"name": "n"}, "cloudRun"),
        ("zones/nowhere/networkEndpointGroups", {"name": "n"}, "Unknown zone"),
        (
            "zones/us-east4-b/networkEndpointGroups/onprem/attachNetworkEndpoints",
            {"networkEndpoints": [{"ipAddress": "here"}]},
            "not an IP address",
        ),
        (
            "zones/us-east4-b/networkEndpointGroups/onprem/detachNetworkEndpoints",
            {"networkEndpoints": [{"ipAddress": "10.9.9.9"}]},
            "is not in",
        ),
        ("zones/us-east4-b/instanceGroups/x/addInstances", {"instances": []}, "x"),
    ],
)
def test_other_refusals_name_their_place(ready: Cloud, path: str, given: dict[str, Any], words: str) -> None:
    frontend(ready)
    status = 404 if "/x/" in path else 400
    assert words in ready.refused("POST", path, given, status=status)[1]


def test_private_keys_are_never_shown(ready: Cloud) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----"
    ready.call(
        "POST",
        "global/sslCertificates",
        {"name": "c", "certificate": pem.replace("SECRET", "open"), "privateKey": pem},
    )
    assert "SECRET" not in str(ready.call("GET", "global/sslCertificates/c"))
    assert "SECRET" not in str(ready.server.store.dump())


@pytest.mark.parametrize(
    ("http", "path"),
    [
        ("GET", "global/firewalls"),
        ("GET", "global/backendServices/s/getIamPolicy"),
        ("PUT", "global/targetHttpProxies/p"),
        ("POST", "global/healthChecks/hc"),
    ],
)
def test_unknown_methods_are_refused_by_name(settled: Cloud, http: str, path: str) -> None:
    reason, message = settled.refused(http, path, {} if http != "GET" else None, status=404)
    assert reason == "notFound"
    assert f"The sandbox does not serve {http} /compute/v1/projects/p/{path}" in message


@pytest.mark.parametrize(
    "query",
    [
        {"fields": "name"},
        {"maxResult": "3"},
        {"filter": "name ~ x"},
        {"filter": "(name = x"},
        {"orderBy": "size"},
        {"pageToken": "x"},
        {"maxResults": "-1"},
        {"filter": 'name eq "("'},
    ],
)
def test_unknown_parameters_and_filters_are_refused_by_name(settled: Cloud, query: dict[str, Any]) -> None:
    reason, message = settled.refused("GET", "global/healthChecks", **query)
    assert reason in {"badRequest", "invalid"}
    assert next(iter(query)) in message
