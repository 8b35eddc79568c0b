"""Backend services, their policies, health checks and groups: how the provider writes and reads them."""

from __future__ import annotations

import hashlib

from spillway.adapters.engine.provider.cloud import Body, Request
from spillway.adapters.engine.provider.convert import to_body, to_props
from spillway.adapters.engine.provider.kinds import (
    ITSELF,
    PROVISIONED,
    Props,
    ResourceKind,
    common,
    in_global,
    in_set_order,
    in_zone,
    last_part,
    pick,
    without_zeros,
)
from spillway.adapters.program.provider_fields import fields_of
from spillway.adapters.program.sdk import compute

_RENAMED = {
    "logConfig.requestHeaders": "loggingHttpRequestHeaders",
    "logConfig.responseHeaders": "loggingHttpResponseHeaders",
}
_HEADERS = ("customRequestHeaders", "customResponseHeaders")
_FOREIGN = (*_HEADERS, "securityPolicy", "edgeSecurityPolicy")
"""What the provider finds and takes away unless it is told to ignore it (measured)."""
_REFERENCES = {"securityPolicy": "setSecurityPolicy", "edgeSecurityPolicy": "setEdgeSecurityPolicy"}
_OWN_FORM = frozenset(
    {"project", "deletionPolicy", "backends", "healthChecks", "connectionDrainingTimeoutSec"}
)
"""Properties of a backend service that are written in another way than by their name."""
_ALSO_EMPTY = frozenset({"iap", "backends", *_HEADERS})
"""Fields of a backend service that the provider sends also where they are empty (measured)."""
_RING_SIZE = 1024
"""Points of a ring where the program says nothing; the provider's default, which it sends (measured)."""
_BACKEND = (
    "balancingMode",
    "capacityScaler",
    "customMetrics",
    "description",
    "group",
    "maxInFlightRequests",
    "maxInFlightRequestsPerEndpoint",
    "maxInFlightRequestsPerInstance",
    "maxRate",
    "maxRatePerEndpoint",
    "maxRatePerInstance",
    "maxUtilization",
    "preference",
    "trafficDuration",
)
_PROBES = ("httpHealthCheck", "httpsHealthCheck", "http2HealthCheck", "tcpHealthCheck", "grpcHealthCheck")
_POLICY_PARTS = (
    "autoCapacityDrain",
    "failoverConfig",
    "isolationConfig",
    "loadBalancingAlgorithm",
    "description",
)


def _backend_body(backend: Props) -> Body:
    """One backend. Mode and scaler are always sent, 0 as 0: an omitted scaler would mean 1 (py:Backend)."""
    body = {"balancingMode": "UTILIZATION", "capacityScaler": 1, **pick(backend, *_BACKEND)}
    if "networkEndpointGroups" in str(body.get("group")) and body["balancingMode"] == "UTILIZATION":
        body["maxUtilization"] = None
    return body


def _without_empty(body: Body) -> Body:
    """What is zero, false or empty is not sent (measured); inside of a block it is."""
    return {
        name: value
        for name, value in body.items()
        if name in _ALSO_EMPTY or value not in (None, False, 0, "", [], {})
    }


def _iap_body(iap: Body) -> Body:
    """Client and secret stand there also where Google's own client is wanted (measured)."""
    return {"oauth2ClientId": "", "oauth2ClientSecret": "", **iap}


def service_body(inputs: Props) -> Body:
    """The body of a PUT; `backends` sorted by group, `iap` an explicit null where none is wanted (measured).

    The policies stand in it although a call of their own sets each: so the provider has them (measured).
    """
    known = fields_of(compute.BackendServiceArgs)
    plain = {name: value for name, value in inputs.items() if name in known and name not in _OWN_FORM}
    body: Body = _without_empty({"iap": None, **to_body("BackendService", plain, _RENAMED)})
    body |= {name: in_set_order(body[name]) for name in _HEADERS if name in body}
    if body["iap"]:
        body["iap"] = _iap_body(body["iap"])
    if body.get("consistentHash"):
        body["consistentHash"] = without_zeros(body["consistentHash"])
    if body.get("strongSessionAffinityCookie"):
        body["strongSessionAffinityCookie"] = without_zeros(body["strongSessionAffinityCookie"])
    backends = inputs.get("backends") or ()
    body["backends"] = [_backend_body(backend) for backend in sorted(backends, key=lambda b: str(b["group"]))]
    body["connectionDraining"] = {"drainingTimeoutSec": inputs.get("connectionDrainingTimeoutSec", 300)}
    if inputs.get("healthChecks"):
        body["healthChecks"] = [inputs["healthChecks"]]
    return body


def _created_service(inputs: Props) -> Body:
    """The body of a create; a PUT keeps the size of the ring that stands."""
    body = service_body(inputs)
    if body.get("consistentHash"):
        body["consistentHash"] = {"minimumRingSize": _RING_SIZE, **body["consistentHash"]}
    return body


def _service_live(live: Body) -> Props:
    props = {**to_props("BackendService", live, compute.BackendServiceArgs, _RENAMED), **common(live)}
    props["backends"] = [
        {"capacityScaler": 1, **pick(backend, *_BACKEND)} for backend in live.get("backends") or ()
    ]
    draining = (live.get("connectionDraining") or {}).get("drainingTimeoutSec")
    if draining is not None:
        props["connectionDrainingTimeoutSec"] = draining
    props.pop("healthChecks", None)
    if live.get("healthChecks"):
        props["healthChecks"] = live["healthChecks"][0]
    if "id" in live:
        props["generatedId"] = live["id"]
    iap = pick(props.pop("iap", None) or {}, "enabled", "oauth2ClientId", _HASH)
    if iap.get("enabled") or iap.get("oauth2ClientId"):
        props["iap"] = {name: value for name, value in iap.items() if value or name == "enabled"}
    return props


_HASH = "oauth2ClientSecretSha256"


def _service_recall(inputs: Props, outputs: Props) -> Props:
    """The secret of an OAuth client, where the hash says that it is the one that stands.

    Where the inputs are sealed, as a state keeps them, they stand for what the cloud has.
    """
    iap, live = inputs.get("iap"), outputs.get("iap")
    if not isinstance(live, dict):
        return outputs
    found = {name: value for name, value in live.items() if name != _HASH}
    if isinstance(iap, dict) and "enabled" not in iap:
        return {**outputs, "iap": iap}
    secret = str((iap or {}).get("oauth2ClientSecret") or "")
    if secret and hashlib.sha256(secret.encode()).hexdigest() == live.get(_HASH):
        found["oauth2ClientSecret"] = secret
    return {**outputs, "iap": found}


def _service_update(resource: str, state: Props, inputs: Props, _: frozenset[str]) -> list[Request]:
    """One PUT of the whole service with the fingerprint from the state: a foreign edit shows as 412."""
    body = {
        **pick(state, "sessionAffinity", "timeoutSec", "portName"),
        **{name: [] for name in _HEADERS},
        **service_body(inputs),
        "fingerprint": state.get("fingerprint", ""),
    }
    return [Request(method="PUT", path=resource, body=body)]


RINGS = frozenset({"MAGLEV", "RING_HASH"})
"""Locality policies beside which the provider keeps `consistentHash` (measured)."""


def loses_hash(service: Body) -> bool:
    """True if the provider forgets the hash of a service: another locality policy stands beside it (measured). None is no other."""
    return bool(service.get("localityLbPolicy")) and service["localityLbPolicy"] not in RINGS


def _service_repeated(body: Body) -> Body:
    """The client of the Identity-Aware Proxy is emptied unless its secret is ours, and a hash goes where it has no ring (measured)."""
    result = _without_empty(body)
    if body.get("iap") and not body["iap"].get("oauth2ClientSecret"):
        result["iap"] = _iap_body({"enabled": bool(body["iap"].get("enabled"))})
    if loses_hash(body):
        result.pop("consistentHash", None)
    return result


BACKEND_SERVICE = ResourceKind(
    token="gcp:compute/backendService:BackendService",  # noqa: S106 a type token is no secret
    words="backend service",
    collection=in_global("backendServices"),
    body=_created_service,
    live=_service_live,
    update=_service_update,
    computed=("selfLink", "creationTimestamp", "fingerprint", "generatedId"),
    watched=(
        *("backends", "healthChecks", "outlierDetection", "serviceLbPolicy", "localityLbPolicy"),
        *_FOREIGN,
    ),
    keyed={
        "backends": "group",
        "customMetrics": "name",
        **dict.fromkeys(_HEADERS, ITSELF),
        **dict.fromkeys(("queryStringBlacklists", "queryStringWhitelists"), ITSELF),
    },
    assumed={"backends": {"balancingMode": "UTILIZATION", "capacityScaler": 1}},
    renamed={
        "connectionDraining": "connectionDrainingTimeoutSec",
        "logConfig.loggingHttpRequestHeaders": "requestHeaders",
        "logConfig.loggingHttpResponseHeaders": "responseHeaders",
    },
    repeated=_service_repeated,
    references=_REFERENCES,
    recall=_service_recall,
)


def _policy_body(inputs: Props) -> Body:
    return {**pick(inputs, *_POLICY_PARTS), "labels": {**(inputs.get("labels") or {}), **PROVISIONED}}


def _policy_live(live: Body) -> Props:
    parts = str(live["name"]).split("/")
    labels = {name: value for name, value in (live.get("labels") or {}).items() if name not in PROVISIONED}
    return {
        **pick(live, *_POLICY_PARTS, "createTime", "updateTime"),
        **({"labels": labels} if labels else {}),
        "project": parts[1],
        "location": parts[3],
        "name": parts[-1],
    }


def _policy_update(resource: str, _: Props, inputs: Props, changed: frozenset[str]) -> list[Request]:
    """One PATCH of the whole policy, its mask naming what changed (measured)."""
    query = f"&updateMask={','.join(part for part in (*_POLICY_PARTS, 'labels') if part in changed)}"
    return [Request(method="PATCH", path=resource, body=_policy_body(inputs), query=query)]


SERVICE_LB_POLICY = ResourceKind(
    token="gcp:networkservices/serviceLbPolicies:ServiceLbPolicies",  # noqa: S106
    words="service LB policy",
    collection=lambda inputs: (
        f"projects/{inputs['project']}/locations/{inputs['location']}/serviceLbPolicies"
    ),
    body=_policy_body,
    live=_policy_live,
    update=_policy_update,
    fixed=frozenset({"name", "project", "location"}),
    computed=("createTime", "updateTime"),
    watched=("isolationConfig",),
    query=lambda inputs: f"&serviceLbPolicyId={inputs['name']}",
)


def _check_body(inputs: Props) -> Body:
    body = pick(
        inputs,
        *("name", "description", "checkIntervalSec", "timeoutSec", "healthyThreshold", "unhealthyThreshold"),
        *("logConfig", "sourceRegions"),
    )
    for probe in _PROBES:
        if inputs.get(probe) is not None:
            body["type"] = probe.removesuffix("HealthCheck").upper()
            proxied = probe != "grpcHealthCheck"
            body[probe] = {**({"proxyHeader": "NONE"} if proxied else {}), **inputs[probe]}
            if probe in _PROBES[:3]:
                body[probe].setdefault("requestPath", "/")
    if not (body.get("logConfig") or {}).get("enable"):
        body.pop("logConfig", None)  # logging that is off is not sent (measured)
    return body


def _check_update(resource: str, _: Props, inputs: Props, __: frozenset[str]) -> list[Request]:
    """One PUT of the whole check; unlike a create it says that there is no description and no logging (measured)."""
    body = {"description": "", "logConfig": {}, **_check_body(inputs)}
    return [Request(method="PUT", path=resource, body=body)]


def _check_live(live: Body) -> Props:
    settings = ("checkIntervalSec", "timeoutSec", "healthyThreshold", "unhealthyThreshold", "type", *_PROBES)
    logs = bool((live.get("logConfig") or {}).get("enable"))
    return {**common(live), **pick(live, *settings), "logConfig": {"enable": logs}}


HEALTH_CHECK = ResourceKind(
    token="gcp:compute/healthCheck:HealthCheck",  # noqa: S106
    words="health check",
    collection=in_global("healthChecks"),
    body=_check_body,
    live=_check_live,
    update=_check_update,
    computed=("selfLink", "creationTimestamp", "type"),
    watched=("logConfig", *_PROBES),
)


def _neg_body(inputs: Props) -> Body:
    return pick(inputs, "name", "description", "network", "subnetwork", "defaultPort", "networkEndpointType")


def _neg_live(live: Body) -> Props:
    settings = ("network", "subnetwork", "defaultPort", "networkEndpointType", "size")
    return {**common(live), **pick(live, *settings), "zone": last_part(live.get("zone"))}


ZONAL_NEG = ResourceKind(
    token="gcp:compute/networkEndpointGroup:NetworkEndpointGroup",  # noqa: S106
    words="network endpoint group",
    collection=in_zone("networkEndpointGroups"),
    body=_neg_body,
    live=_neg_live,
    computed=("selfLink", "size"),
)


def _ports_update(resource: str, state: Props, inputs: Props, _: frozenset[str]) -> list[Request]:
    body = {"namedPorts": inputs.get("namedPorts") or [], "fingerprint": state.get("fingerprint", "")}
    return [Request(method="POST", path=f"{resource}/setNamedPorts", body=body)]


INSTANCE_GROUP = ResourceKind(
    token="gcp:compute/instanceGroup:InstanceGroup",  # noqa: S106
    words="instance group",
    collection=in_zone("instanceGroups"),
    body=lambda inputs: pick(inputs, "name", "description", "network", "namedPorts"),
    live=lambda live: {
        **common(live),
        **pick(live, "network", "namedPorts", "size"),
        "zone": last_part(live.get("zone")),
    },
    update=_ports_update,
    fixed=frozenset({"name", "project", "zone", "network"}),
    computed=("selfLink", "size"),
    keyed={"namedPorts": "name"},
)
