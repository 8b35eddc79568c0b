"""Reports with made-up numbers, for tests of what the daemon shows."""

from __future__ import annotations

from spillway.control.report import Pass, TickReport
from spillway.core.values.alarms import ActiveAlarm, Severity
from spillway.core.values.decision import (
    BackendAssessment,
    BackendState,
    Lever,
    Move,
    Reason,
    Refusal,
    ServiceAssessment,
)
from spillway.core.values.drift import (
    CertificateState,
    DriftReport,
    HeldPart,
    KeptSetting,
    SettingDrift,
)
from spillway.core.values.orders import Order, OrderKind
from spillway.core.values.overlay import Posture
from spillway.core.values.policy import DriftAnswer, Mode
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Missing,
    ObservedBackend,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Preference, Service, Target
from spillway.ports import Applied, Outcome

AT = 1_795_000_000.0
ORDER = Order(
    kind=OrderKind.DRAIN, until=AT + 7200.0, reason="new kernel", region="us-east4", by="ana", at=AT, number=3
)
REGIONS = ("asia-northeast1", "europe-west4", "us-east4")

SHED = Move(
    service="pool",
    region="europe-west4",
    lever=Lever.SCALER,
    before="1.00",
    after="0.62",
    reason=Reason(
        code="shed-slow",
        sentence="europe-west4 is slow (31.0% of its answers take longer than 4.0 s): move load to faster regions; expected bad requests 9.4% -> 0.6%",
    ),
)

SHORTAGE = ActiveAlarm(
    code="shortage",
    severity=Severity.PAGE,
    load_balancer="lb",
    service="pool",
    region=None,
    part="",
    since=AT,
    sentence="demand of 300 requests/s exceeds the 255 that all regions can carry",
    runbook="docs/runbook.md#shortage",
)

REFUSED = Refusal(
    limit="receiver-limit",
    move=SHED,
    sentence="us-east4 would be pushed to 171 of 175 requests/s, past 90%",
)


def fleet(services: tuple[str, ...] = ("pool",), regions: tuple[str, ...] = REGIONS) -> Fleet:
    """Services with one group in each region."""
    return Fleet(
        services=tuple(
            Service(
                name=name,
                resource=f"spillway-{name}",
                policy="default",
                backends=tuple(
                    Backend(
                        service=name,
                        region=region,
                        groups=(GroupKey(name=f"neg-{region}", scope=f"{region}-a"),),
                        target=Target(mode=BalancingMode.RATE, per_endpoint=10.0),
                        standby=region == "asia-northeast1",
                    )
                    for region in regions
                ),
            )
            for name in services
        )
    )


def backend(
    region: str, state: BackendState = BackendState.SERVING, *, served: float | None = 96.0, **changes: object
) -> BackendAssessment:
    """A region that does well, but for `changes`."""
    values: dict[str, object] = {
        "region": region,
        "state": state,
        "member": True,
        "scaler_observed": 1.0,
        "scaler_wanted": 1.0,
        "demand": served,
        "served": served,
        "target": 160.0,
        "capacity": 175.0,
        "headroom": 0.8,
        "latency": 1.93,
        "error_ratio": 0.0004,
        "too_many_ratio": 0.0,
        "healthy_share": 1.0,
        "confidence": 0.9,
        "age": 231.0,
        "notes": (),
    }
    return BackendAssessment(**{**values, **changes})  # type: ignore[arg-type]


def backends() -> tuple[BackendAssessment, ...]:
    """A standby region, a slow one, a good one."""
    return (
        backend(
            "asia-northeast1",
            BackendState.STANDBY,
            served=None,
            member=False,
            scaler_observed=0.0,
            scaler_wanted=0.0,
            target=80.0,
            capacity=None,
            headroom=None,
            latency=None,
            error_ratio=None,
            too_many_ratio=None,
            healthy_share=None,
            confidence=0.0,
            age=None,
        ),
        backend(
            "europe-west4",
            BackendState.DEGRADED,
            served=88.0,
            scaler_wanted=0.62,
            target=120.0,
            capacity=80.0,
            latency=4.71,
            error_ratio=0.013,
            healthy_share=0.83,
        ),
        backend("us-east4"),
    )


def service(name: str = "pool", **changes: object) -> ServiceAssessment:
    """A service with three regions, one of them slow."""
    values: dict[str, object] = {
        "service": name,
        "posture": Posture.GUARDED,
        "demand": 184.0,
        "forecast": 190.0,
        "capacity": 255.0,
        "headroom": 0.386,
        "survives_loss": False,
        "shortage": False,
        "backends": backends(),
        "alarms": (),
    }
    return ServiceAssessment(**{**values, **changes})  # type: ignore[arg-type]


def view(region: str, *, member: bool) -> BackendView:
    """What was observed of a region, traffic apart."""
    return BackendView(
        region=region,
        observed=Seen(
            value=ObservedBackend(
                member=member, scaler=1.0 if member else 0.0, mixed=False, preference=Preference.DEFAULT
            ),
            age=1.0,
            evidence=1,
        ),
        health=Seen(value=HealthCount(healthy=10, total=12), age=2.0, evidence=12)
        if member
        else Missing(absence=Absence.NOT_MEMBER),
        traffic=Missing(absence=Absence.NO_SERIES),
    )


def snapshot(services: tuple[str, ...] = ("pool",), at: float = AT) -> Snapshot:
    """Listing and health of every region; no traffic."""
    missing = Missing(absence=Absence.NO_SERIES)
    return Snapshot(
        at=at,
        lag=270.0,
        services=tuple(
            ServiceView(
                service=name,
                backends=tuple(view(region, member=region != "asia-northeast1") for region in REGIONS),
                policy=missing,
                places=missing,
                unassigned=missing,
            )
            for name in services
        ),
    )


DRIFT = DriftReport(
    at=AT,
    drifts=(
        SettingDrift(
            kind="backend service",
            name="lb-pool",
            field="backends[1].maxRatePerEndpoint",
            expected="10",
            found="3",
            since=AT - 600,
            answer=DriftAnswer.ALARM,
            service="pool",
        ),
        SettingDrift(
            kind="forwarding rule",
            name="lb-http",
            field="",
            expected="there",
            found="gone",
            since=AT,
            answer=DriftAnswer.ALARM,
        ),
    ),
    kept=(KeptSetting(kind="backend service", name="lb-pool", field="enableCdn", value="on"),),
    held=(HeldPart(kind="backend service", name="lb-pool", service="pool", field="metadatas"),),
    certificates=(CertificateState(name="lb-own", status="ACTIVE", expires=AT + 86400.0),),
    parts=7,
)
"""A look that has found some of everything."""


def report(number: int = 41, **changes: object) -> TickReport:
    """A tick that sheds load from a slow region."""
    values: dict[str, object] = {
        "number": number,
        "kind": Pass.TICK,
        "at": AT + 60 * number,
        "sentence": "europe-west4 is slow: its ceiling goes from 1.00 to 0.62, so that 74 of 88 requests/s stay and the rest goes to us-east4.",
        "durations": (("observe", 1.1), ("decide", 0.004), ("write", 11.3), ("record", 0.01)),
        "snapshot": snapshot(at=AT + 60 * number),
        "assessments": (service(),),
        "modes": (("pool", Mode.ACT),),
        "moves": (SHED,),
        "advice": (),
        "refusals": (REFUSED,),
        "verdicts": (),
        "alarms": (),
        "applied": Applied(
            outcome=Outcome.DONE,
            sentence="1 backend service updated.",
            engine_processes=1,
            engine_seconds=11.2,
        ),
        "outputs": (("load_balancer_ip", "203.0.113.7"), ("url", "http://203.0.113.7")),
        "drift": DRIFT,
    }
    return TickReport(**{**values, **changes})  # type: ignore[arg-type]


def quiet(number: int, **changes: object) -> TickReport:
    """A tick in which nothing was to be done."""
    return report(
        number,
        **{
            "sentence": "Nothing to do: all 3 regions are well, headroom 39%.",
            "moves": (),
            "refusals": (),
            "applied": None,
            **changes,
        },
    )
