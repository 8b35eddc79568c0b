"""What a backend service refuses: scalers, balancing modes, mixtures of groups. Sources: gcp.md 1.1 to 1.3, 2.3, 2.4, 3.1.

Where the real API's sentence is not known (gcp.md section 8, point 2) the sandbox says in its own words what is wrong.
"""

from __future__ import annotations

import hashlib

from spillway.sandbox.kinds import caching, edge_rules, serverless_rules
from spillway.sandbox.kinds.base import Draft, Resource, View
from spillway.sandbox.refusals import invalid, required

_BY_NODE = frozenset({"instance_group", "GCE_VM_IP_PORT", "NON_GCP_PRIVATE_IP_PORT"})
"""Groups that have a balancing mode, a target and a scaler."""
_OTHERS = frozenset({"SERVERLESS", "PRIVATE_SERVICE_CONNECT", "INTERNET_FQDN_PORT", "INTERNET_IP_PORT"})
"""Groups that have none of them (gcp.md 1.1)."""
_RATES = ("maxRate", "maxRatePerInstance", "maxRatePerEndpoint")
_IN_FLIGHT = ("maxInFlightRequests", "maxInFlightRequestsPerInstance", "maxInFlightRequestsPerEndpoint")
_TARGETS = (*_RATES, *_IN_FLIGHT, "maxUtilization", "customMetrics")
_NOT_CLASSIC = (
    *("outlierDetection", "serviceLbPolicy", "localityLbPolicy", "customMetrics"),
    "ipAddressSelectionPolicy",
)
_INTERNET = frozenset({"INTERNET_FQDN_PORT", "INTERNET_IP_PORT"})
_MESH = ("clientTlsPolicy", "subjectAltNames")
"""Security settings of service meshes alone (compute v1: SecuritySettings)."""
_OUTLIER_SCHEMES = frozenset({"EXTERNAL_MANAGED", "INTERNAL_SELF_MANAGED"})
LEAST_SCALER = 0.1


def check(draft: Draft) -> None:
    """Apply all rules and write out the defaults that the API writes out."""
    service = draft.resource
    if draft.before is not None and draft.before["loadBalancingScheme"] != service["loadBalancingScheme"]:
        raise invalid(
            "resource.loadBalancingScheme",
            service["loadBalancingScheme"],
            "The load balancing scheme of a backend service cannot be changed.",
        )
    _check_scheme(service)
    _complete_iap(draft)
    caching.keep_keys(draft)
    caching.check(service, bool(service.get("enableCDN")))
    edge_rules.check(service)
    backends = service.get("backends", [])
    _no_duplicates(backends)
    groups = [group_type(backend, at, draft.view) for at, backend in enumerate(backends)]
    _check_regional(service, backends)
    for at, (backend, kind) in enumerate(zip(backends, groups, strict=True)):
        place = f"resource.backends[{at}]"
        if kind in _BY_NODE:
            _check_node_group(backend, kind, place)
        else:
            _check_other_group(backend, kind, place)
        _check_scaler(backend, place, alone=len(backends) == 1)
        if service["loadBalancingScheme"] == "EXTERNAL":
            _check_classic(backend, place)
    _check_mixture(service, groups)
    _check_security(draft, groups)
    if "SERVERLESS" in groups:
        serverless_rules.check(service, backends)


def _check_scheme(service: Resource) -> None:
    scheme = service["loadBalancingScheme"]
    if scheme == "EXTERNAL":
        for name in _NOT_CLASSIC:
            if name in service:
                raise invalid(
                    f"resource.{name}",
                    service[name],
                    "The field is not supported with load balancing scheme EXTERNAL.",
                )
    if "outlierDetection" in service and scheme not in _OUTLIER_SCHEMES:
        raise invalid(
            "resource.outlierDetection",
            scheme,
            "Outlier detection needs EXTERNAL_MANAGED or INTERNAL_SELF_MANAGED.",
        )
    _check_logging(service.get("logConfig", {}))


def _check_logging(logs: Resource) -> None:
    """A sample rate belongs to logging that is enabled; beside an explicit `false` it is taken and forgotten.

    The provider sends the last rate along when it turns logging off, and its acceptance tests do so with global
    services (tf: TestAccComputeBackendService_withLogConfig).
    """
    if logs.get("enable") is False:
        logs.pop("sampleRate", None)
    elif "sampleRate" in logs and not logs.get("enable"):
        raise invalid(
            "resource.logConfig.sampleRate",
            logs["sampleRate"],
            "A sample rate may only be given when logging is enabled.",
        )


def _complete_iap(draft: Draft) -> None:
    """A client needs its secret, of which the API gives back the hash alone; without a client Google's own is used.

    What Google does with a client whose secret is left out in a PUT is not published: the sandbox refuses it.
    """
    iap = draft.resource.get("iap")
    if iap is None:
        return
    iap.setdefault("enabled", False)
    client, secret = iap.setdefault("oauth2ClientId", ""), iap.pop("oauth2ClientSecret", "")
    known = ((draft.before or {}).get("iap") or {}).get("oauth2ClientSecretSha256")
    given = iap.get("oauth2ClientSecretSha256")
    if client and not secret:
        if given is None or given != known:
            raise invalid("resource.iap.oauth2ClientSecret", "", "A client ID needs its client secret.")
        return
    iap["oauth2ClientSecretSha256"] = hashlib.sha256(secret.encode()).hexdigest()


def _check_security(draft: Draft, groups: list[str]) -> None:
    """Settings of a service mesh, and the signature for buckets of others, whose key the API never gives back.

    The key is required of a body that sets or changes the signature (compute v1: AWSV4Signature.accessKey). What Google says
    where one of these does not fit is not published.
    """
    service = draft.resource
    settings = service.get("securitySettings") or {}
    place = "resource.securitySettings"
    for name in _MESH:
        if settings.get(name) and service["loadBalancingScheme"] != "INTERNAL_SELF_MANAGED":
            raise invalid(
                f"{place}.{name}",
                settings[name],
                "The field needs load balancing scheme INTERNAL_SELF_MANAGED.",
            )
    signature = settings.get("awsV4Authentication")
    if signature is None:
        return
    place = f"{place}.awsV4Authentication"
    if not groups or not _INTERNET.issuperset(groups):
        raise invalid(
            place, "", "AWS V4 authentication is only allowed for internet network endpoint group backends."
        )
    key = signature.pop("accessKey", "")
    before = ((draft.before or {}).get("securitySettings") or {}).get("awsV4Authentication")
    if not key and signature != before:
        raise required(f"{place}.accessKey")


def _no_duplicates(backends: list[Resource]) -> None:
    seen: set[str] = set()
    for at, backend in enumerate(backends):
        group = backend.get("group")
        if group is None:
            raise required(f"resource.backends[{at}].group")
        if group in seen:
            raise invalid(
                f"resource.backends[{at}].group", group, "Duplicate backend groups are not allowed."
            )
        seen.add(group)


def group_type(backend: Resource, at: int, view: View) -> str:
    """`instance_group`, or the network endpoint type of the group; refuses types that no global balancer takes."""
    if "/instanceGroups/" in backend["group"]:
        return "instance_group"
    group = view.find(backend["group"]) or {}
    kind = str(group.get("networkEndpointType", ""))
    if kind in _BY_NODE | _OTHERS:
        return kind
    raise invalid(
        f"resource.backends[{at}].group",
        backend["group"],
        f"Network endpoint groups of type {kind} cannot serve a global Application Load Balancer.",
    )


def _check_regional(service: Resource, backends: list[Resource]) -> None:
    """Regional instance groups take no preference, no service LB policy, and a rate for each VM alone (SLP, BS)."""
    for at, backend in enumerate(backends):
        if "/instanceGroups/" not in backend["group"] or "/regions/" not in backend["group"]:
            continue
        place = f"resource.backends[{at}]"
        if backend.get("preference", "DEFAULT") == "PREFERRED":
            raise invalid(
                f"{place}.preference",
                backend["preference"],
                "Preference is not supported for regional managed instance groups.",
            )
        if "maxRate" in backend:
            raise invalid(
                f"{place}.maxRate",
                backend["maxRate"],
                "Max rate is not supported for regional managed instance groups; use max rate per instance.",
            )
        if "serviceLbPolicy" in service:
            raise invalid(
                "resource.serviceLbPolicy",
                service["serviceLbPolicy"],
                "Service LB policies are not supported with regional managed instance groups.",
            )


def _check_scaler(backend: Resource, place: str, *, alone: bool) -> None:
    scaler = backend.setdefault("capacityScaler", 1.0)
    if scaler != 0 and not LEAST_SCALER <= scaler <= 1:
        raise invalid(
            f"{place}.capacityScaler", f"{scaler:g}", "Capacity scaler must be 0 or between 0.1 and 1.0."
        )
    if scaler == 0 and alone:
        raise invalid(
            f"{place}.capacityScaler",
            "0",
            "Capacity scaler 0 is not allowed when there is only one backend attached to the backend service.",
        )


def _check_other_group(backend: Resource, kind: str, place: str) -> None:
    """Serverless, Private Service Connect and internet groups have no mode, target or scaler; the defaults that clients write anyway pass (recordings)."""
    if backend.setdefault("balancingMode", "UTILIZATION") != "UTILIZATION":
        raise invalid(
            f"{place}.balancingMode",
            backend["balancingMode"],
            f"Balancing mode cannot be set for a network endpoint group of type {kind}.",
        )
    if backend.get("capacityScaler", 1) != 1:
        raise invalid(
            f"{place}.capacityScaler",
            f"{backend['capacityScaler']:g}",
            f"Capacity scaler cannot be set for a network endpoint group of type {kind}.",
        )
    for name in _TARGETS:
        if name in backend:
            raise invalid(
                f"{place}.{name}",
                backend[name],
                f"The field cannot be set for a network endpoint group of type {kind}.",
            )


def _check_node_group(backend: Resource, kind: str, place: str) -> None:
    instances = kind == "instance_group"
    mode = backend.setdefault("balancingMode", "UTILIZATION")
    if mode == "UTILIZATION" and not instances:
        raise invalid(
            f"{place}.balancingMode",
            mode,
            "Balancing mode must be RATE, IN_FLIGHT or CUSTOM_METRICS for a network endpoint group.",
        )
    if mode == "CONNECTION":
        raise invalid(
            f"{place}.balancingMode", mode, "Balancing mode CONNECTION is not supported for protocol HTTP."
        )
    if "maxUtilization" in backend and (not instances or mode != "UTILIZATION"):
        raise invalid(
            f"{place}.maxUtilization",
            backend["maxUtilization"],
            "Max utilization may only be set for instance groups with balancing mode UTILIZATION.",
        )
    wrong = "PerEndpoint" if instances else "PerInstance"
    for name in (*_RATES, *_IN_FLIGHT):
        if name in backend and name.endswith(wrong):
            raise invalid(
                f"{place}.{name}", backend[name], f"The field cannot be set for a group of type {kind}."
            )
    _check_targets(backend, mode, place)


def _check_targets(backend: Resource, mode: str, place: str) -> None:
    rates = [name for name in _RATES if name in backend]
    flights = [name for name in _IN_FLIGHT if name in backend]
    long = backend.get("trafficDuration") == "LONG"
    if len(rates) > 1 or len(flights) > 1:
        raise invalid(
            f"{place}.{(rates if len(rates) > 1 else flights)[1]}",
            "",
            "Only one target of a kind may be set.",
        )
    if mode == "RATE" and not rates:
        raise invalid(
            place, mode, "Balancing mode RATE needs maxRate, maxRatePerInstance or maxRatePerEndpoint."
        )
    if mode == "IN_FLIGHT" and not flights:
        raise invalid(
            place,
            mode,
            "Balancing mode IN_FLIGHT needs maxInFlightRequests, maxInFlightRequestsPerInstance or maxInFlightRequestsPerEndpoint.",
        )
    if mode == "IN_FLIGHT" and not long:
        raise invalid(
            f"{place}.trafficDuration",
            backend.get("trafficDuration"),
            "Balancing mode IN_FLIGHT needs traffic duration LONG.",
        )
    if (mode == "IN_FLIGHT" and rates) or (mode in {"RATE", "UTILIZATION"} and flights):
        raise invalid(
            f"{place}.{(rates if mode == 'IN_FLIGHT' else flights)[0]}",
            "",
            f"The target does not fit balancing mode {mode}.",
        )
    if mode == "CUSTOM_METRICS":
        _check_custom(backend, rates, flights, place, long=long)
    elif "customMetrics" in backend:
        raise invalid(f"{place}.customMetrics", mode, "Custom metrics need balancing mode CUSTOM_METRICS.")


def _check_custom(backend: Resource, rates: list[str], flights: list[str], place: str, *, long: bool) -> None:
    metrics = backend.get("customMetrics")
    if not metrics:
        raise required(f"{place}.customMetrics")
    for at, metric in enumerate(metrics):
        if "name" not in metric:
            raise required(f"{place}.customMetrics[{at}].name")
    if (rates and long) or (flights and not long):
        raise invalid(
            f"{place}.trafficDuration",
            backend.get("trafficDuration"),
            "Rates go with traffic duration SHORT, requests in flight with LONG.",
        )


def _check_classic(backend: Resource, place: str) -> None:
    for name in ("preference", "trafficDuration", *_IN_FLIGHT):
        if name in backend:
            raise invalid(
                f"{place}.{name}",
                backend[name],
                "The field is not supported with load balancing scheme EXTERNAL.",
            )


def _check_mixture(service: Resource, groups: list[str]) -> None:
    kinds = set(groups)
    zonal = kinds & _BY_NODE
    other = kinds - _BY_NODE
    if ("instance_group" in kinds and len(kinds) > 1) or (other and (zonal or len(other) > 1)):
        raise invalid(
            "resource.backends",
            ", ".join(sorted(kinds)),
            "Backends of these types cannot be mixed in one backend service.",
        )
    if zonal and not service.get("healthChecks"):
        raise required("resource.healthChecks")
    if other and service.get("healthChecks"):
        raise invalid(
            "resource.healthChecks",
            service["healthChecks"][0],
            "A health check cannot be set for serverless, Private Service Connect or internet network endpoint groups.",
        )
