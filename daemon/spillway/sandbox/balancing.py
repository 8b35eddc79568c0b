"""From a backend service to what the balancer is told about each region: targets, scalers, preference.

Target capacity by mode is that of gcp.md 1.3, with N members of a group, healthy or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spillway.sandbox import links
from spillway.sandbox.kinds.backend_rules import LEAST_SCALER
from spillway.sandbox.kinds.service_lb_policies import DEFAULT_THRESHOLD
from spillway.sim.control import BackendControl, ServiceControl

Node = dict[str, Any]
_EJECTION_PERCENT = 50
"""Default of maxEjectionPercent (gcp.md 2.4)."""
_ENFORCING_GATEWAY_FAILURE = 100
"""Default of enforcingConsecutiveGatewayFailure (gcp.md 2.4)."""


def _target(backend: Node, members: int, whole: str) -> float | None:
    """A target of a group from `maxRate` or `maxInFlightRequests` and their siblings; None where there is none."""
    if whole in backend:
        return float(backend[whole])
    for suffix in ("PerInstance", "PerEndpoint"):
        if whole + suffix in backend and members:
            return float(backend[whole + suffix]) * members
    return None


def _combined(targets: list[float | None], scalers: list[float]) -> tuple[float | None, float]:
    """One target and one scaler for the groups of a region, such that their product is the sum of the groups' products.

    The largest scaler is kept, so that it stays a legal one. Without targets the scalers are averaged.
    """
    scaler = max(scalers)
    known = [target for target in targets if target is not None]
    if not known or len(known) < len(targets):
        mean = sum(scalers) / len(scalers)
        return None, max(LEAST_SCALER, mean) if mean > 0 else 0.0
    if scaler == 0:
        return sum(known), 0.0
    return sum(target * part for target, part in zip(known, scalers, strict=True)) / scaler, scaler


def _region(backends: list[Node], region: str, size: Callable[[str], int]) -> BackendControl:
    sizes = [size(backend["group"]) for backend in backends]
    scalers = [float(backend.get("capacityScaler", 1.0)) for backend in backends]
    rates = [_target(backend, members, "maxRate") for backend, members in zip(backends, sizes, strict=True)]
    flights = [
        _target(backend, members, "maxInFlightRequests")
        for backend, members in zip(backends, sizes, strict=True)
    ]
    rate, scaler = _combined(rates, scalers)
    flight, by_flight = _combined(flights, scalers)
    return BackendControl(
        region=region,
        scaler=by_flight if flight is not None else scaler,
        preferred=any(backend.get("preference") == "PREFERRED" for backend in backends),
        target_rate=rate,
        target_in_flight=flight,
    )


def service_control(
    name: str, service: Node, policy: Node | None, size: Callable[[str], int]
) -> ServiceControl:
    """What the balancer is told about one service.

    Args:
        name: the backend service's name.
        service: the backend service, references as relative names.
        policy: its service LB policy, or None.
        size: how many members a group has.
    """
    regions: dict[str, list[Node]] = {}
    for backend in service.get("backends", []):
        key = links.parse(backend["group"], "")
        if key is not None and key.region is not None:
            regions.setdefault(key.region, []).append(backend)
    failover = (policy or {}).get("failoverConfig", {}).get("failoverHealthThreshold", DEFAULT_THRESHOLD)
    return ServiceControl(
        service=name,
        backends=tuple(_region(backends, region, size) for region, backends in sorted(regions.items())),
        failover_threshold=failover / 100,
        auto_drain=bool((policy or {}).get("autoCapacityDrain", {}).get("enable", False)),
        outlier_ejection=_ejection(service.get("outlierDetection")),
    )


def _ejection(detection: Node | None) -> float:
    if detection is None:
        return 0.0
    enforced = max(
        detection.get("enforcingConsecutiveErrors", 0),
        detection.get("enforcingConsecutiveGatewayFailure", _ENFORCING_GATEWAY_FAILURE),
    )
    return float(detection.get("maxEjectionPercent", _EJECTION_PERCENT)) / 100 if enforced else 0.0
