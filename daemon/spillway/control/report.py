"""What one pass of the loop says about itself: the last value of the flow, read by exporter, page, log and journal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from spillway.control.alarms import AlarmNews
from spillway.core.explain.health import after_health_pass
from spillway.core.values.alarms import ActiveAlarm, Alarm
from spillway.core.values.decision import (
    BackendAssessment,
    Candidate,
    Move,
    Refusal,
    ServiceAssessment,
    Verdict,
)
from spillway.core.values.drift import DriftReport
from spillway.core.values.policy import Mode
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.topology import ServiceName
from spillway.ports import Applied, Outcome

_BY_HEALTH = frozenset({"region-dead", "all-regions-dead"})
"""The alarms that a health pass sees come and go by itself."""


class Pass(StrEnum):
    """Which kind of pass it was."""

    TICK = "tick"
    HEALTH = "health"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """One finished pass. Everything that others may know about it; nothing here changes afterwards."""

    number: int
    """Counts ticks since the state folder was made; a health pass has the number of the tick before it."""
    kind: Pass
    at: float
    """UTC seconds of the observation."""
    sentence: str
    """What was done and why, or why nothing was."""
    durations: tuple[tuple[str, float], ...]
    """(phase, seconds): observe, decide, write, record, in the order in which they happened."""
    snapshot: Snapshot
    assessments: tuple[ServiceAssessment, ...]
    modes: tuple[tuple[ServiceName, Mode], ...]
    moves: tuple[Move, ...]
    """What was to be written: moves of services whose mode is `act`."""
    advice: tuple[Move, ...]
    """What would have been written in the other services."""
    refusals: tuple[Refusal, ...]
    verdicts: tuple[Verdict, ...]
    alarms: tuple[ActiveAlarm, ...]
    """All that are up, the most urgent first."""
    applied: Applied | None
    """None where nothing was written."""
    candidates: tuple[Candidate, ...] = ()
    """The best set of ceilings that was found for each service that had something to win, and how far below it the least lies."""
    outputs: tuple[tuple[str, str], ...] = ()
    """Outputs of the stack, `load_balancer_ip` among them."""
    drift: DriftReport | None = None
    """The last look at all parts; None before the first."""
    news: AlarmNews = AlarmNews()  # noqa: RUF009 - a frozen value
    """The alarms that this pass has raised or ended."""

    @property
    def conflict(self) -> bool:
        """Whether a write met an edit by somebody else: it was not made, and a new pass is to decide anew."""
        return self.applied is not None and self.applied.outcome is Outcome.CONFLICT

    @property
    def duration(self) -> float:
        """Seconds of all phases together."""
        return sum(seconds for _, seconds in self.durations)

    @property
    def address(self) -> str | None:
        """The load balancer's address, once there is one."""
        return dict(self.outputs).get("load_balancer_ip")


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
        foreign_pins=fresh.foreign_pins,
        backends=tuple(_backend(regions.get(backend.region), backend) for backend in fresh.backends),
        alarms=_alarms(before.alarms, fresh.alarms),
    )


def _alarms(before: tuple[Alarm, ...], fresh: tuple[Alarm, ...]) -> tuple[Alarm, ...]:
    """Those of a health pass, and those of the tick before that only traffic can raise or end."""
    known = {alarm.key for alarm in fresh}
    return (
        *fresh,
        *(alarm for alarm in before if alarm.key not in known and alarm.code not in _BY_HEALTH),
    )


def _backend(before: BackendAssessment | None, fresh: BackendAssessment) -> BackendAssessment:
    if before is None:
        return fresh
    return before._replace(
        state=fresh.state,
        member=fresh.member,
        scaler_observed=fresh.scaler_observed,
        scaler_wanted=fresh.scaler_wanted,
        healthy_share=fresh.healthy_share,
        health=after_health_pass(before.health, fresh.health),
        notes=fresh.notes or before.notes,
    )
