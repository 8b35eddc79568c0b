"""What a health pass has learned, laid over what the tick before it knew."""

from __future__ import annotations

from dataclasses import replace

from spillway.core.values.decision import BackendAssessment, Reason, ServiceAssessment

_DEAD = "region-dead"
"""The alarm that a health pass sees come and go by itself."""


def with_health(
    before: tuple[ServiceAssessment, ...], fresh: tuple[ServiceAssessment, ...]
) -> tuple[ServiceAssessment, ...]:
    """`fresh`, with the traffic that only a tick reads filled in from `before`."""
    old = {service.service: service for service in before}
    return tuple(_service(old.get(service.service), service) for service in fresh)


def _service(before: ServiceAssessment | None, fresh: ServiceAssessment) -> ServiceAssessment:
    if before is None:
        return fresh
    regions = {backend.region: backend for backend in before.backends}
    return replace(
        before,
        posture=fresh.posture,
        backends=tuple(_backend(regions.get(backend.region), backend) for backend in fresh.backends),
        alarms=_alarms(before.alarms, fresh.alarms),
    )


def _alarms(before: tuple[Reason, ...], fresh: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Those of a health pass, and those of the tick before that only traffic can raise or end."""
    known = {_DEAD, *(alarm.code for alarm in fresh)}
    return (*fresh, *(alarm for alarm in before if alarm.code not in known))


def _backend(before: BackendAssessment | None, fresh: BackendAssessment) -> BackendAssessment:
    if before is None:
        return fresh
    return replace(
        before,
        state=fresh.state,
        member=fresh.member,
        scaler_observed=fresh.scaler_observed,
        scaler_wanted=fresh.scaler_wanted,
        healthy_share=fresh.healthy_share,
        notes=fresh.notes or before.notes,
    )
