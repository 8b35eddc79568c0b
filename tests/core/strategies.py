"""Hypothesis strategies for fleets, policies, snapshots, operators' commands and pictures; reused by other test folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tests.core.pictures import AT as PICTURED
from tests.core.pictures import area, foreign_pin, picture_of

from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.values.histogram import Distribution
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import BackendSetting, Overlay, Posture, ServiceSetting
from spillway.core.values.policy import Floors, Mode, Policy, Rhythm, Shortage
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.state import Estimate, FailureTrack, QuotaTrack, SaturationTrack
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Preference, Service, Target

AT = 1_800_000_000.0
REGIONS = ("asia-northeast1", "europe-west1", "europe-west4", "us-central1", "us-east4")
BOUNDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)

scalers = st.one_of(st.just(0.0), st.just(1.0), st.integers(10, 100).map(lambda n: n / 100))
absences = st.sampled_from(list(Absence)).map(lambda a: Missing(absence=a, detail="by chance"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that `step` takes, but the memory."""

    fleet: Fleet
    policies: dict[str, Policy]
    snapshot: Snapshot
    overlay: Overlay
    orders: Orders


@st.composite
def minutes(draw: st.DrawFn, end: float) -> tuple[Minute, ...]:
    """Three neighbouring minutes of one backend, of any quality."""
    rate = draw(st.sampled_from((0.2, 5.0, 40.0, 90.0, 160.0)))
    errors = draw(st.sampled_from((0.0, 0.0, 0.01, 0.3, 0.9)))
    too_many = draw(st.sampled_from((0.0, 0.0, 0.0, 0.4)))
    peak = draw(st.integers(1, len(BOUNDS)))
    found = []
    for i in (2, 1, 0):
        total = rate * 60 * draw(st.floats(0.9, 1.1))
        ok = total * (1 - errors) * (1 - too_many)
        weights = [0.7 if j == peak else 0.3 / len(BOUNDS) for j in range(len(BOUNDS) + 1)]
        counts = tuple(ok * w / sum(weights) for w in weights)
        edges = (0.0, *BOUNDS)
        mean = sum(edges[j] * 1.2 * w for j, w in enumerate(weights)) / sum(weights)
        latency = Distribution(bounds=BOUNDS, counts=counts, mean=max(0.05, mean))
        found.append(
            Minute(
                end=end - 60 * i,
                ok=ok,
                client_error=0.0,
                too_many=total * too_many,
                server_error=total * errors * (1 - too_many),
                latency=latency if ok > 0 else None,
            )
        )
    return tuple(found)


@st.composite
def views(draw: st.DrawFn, backend: Backend, setting: BackendSetting, at: float) -> BackendView:
    """What may be seen of one backend; a part of it may be missing, late, or not what is wanted."""
    edited = draw(st.integers(0, 11)) == 0
    observed = ObservedBackend(
        member=setting.member,
        scaler=draw(scalers) if edited else setting.scaler,
        mixed=False,
        preference=setting.preference,
    )
    total = draw(st.integers(1, 20))
    healthy = draw(st.sampled_from((0, total // 4, total // 2, total, total, total)))
    age = draw(st.sampled_from((240.0, 240.0, 240.0, 900.0)))
    end = at - age
    return BackendView(
        region=backend.region,
        observed=draw(st.one_of(st.just(Seen(value=observed, age=1.0, evidence=1)), absences))
        if draw(st.integers(0, 9)) == 0
        else Seen(value=observed, age=1.0, evidence=1),
        health=Missing(absence=Absence.NOT_MEMBER)
        if not setting.member
        else draw(absences)
        if draw(st.integers(0, 9)) == 0
        else Seen(
            value=HealthCount(healthy=healthy, total=total),
            age=draw(st.sampled_from((1.0, 300.0))),
            evidence=total,
        ),
        traffic=draw(absences)
        if draw(st.integers(0, 7)) == 0
        else Seen(value=draw(minutes(end)), age=age, evidence=1000),
    )


@st.composite
def services(draw: st.DrawFn, name: str) -> Service:
    """One service over one to five regions; now and then pinned, now and then with a standby."""
    count = draw(st.integers(1, len(REGIONS)))
    regions = sorted(draw(st.permutations(REGIONS))[:count])
    home = regions[0] if draw(st.integers(0, 3)) == 0 else None
    backends = []
    for region in regions:
        standby = (home is not None and region != home) or (
            count > 1 and region == regions[-1] and draw(st.booleans())
        )
        backends.append(
            Backend(
                service=name,
                region=region,
                groups=(GroupKey(name=f"{name}-{region}", scope=f"{region}-a"),),
                target=Target(mode=BalancingMode.RATE, per_endpoint=draw(st.sampled_from((5.0, 10.0, 20.0)))),
                preference=Preference.PREFERRED if region == home else Preference.DEFAULT,
                standby=standby,
                movable=draw(st.integers(0, 9)) > 0,
            )
        )
    return Service(name=name, resource=name, policy="p", backends=tuple(backends), home=home)


@st.composite
def settings_of(draw: st.DrawFn, service: Service) -> ServiceSetting:
    """A wanted setting with at least one open member."""
    found = []
    for backend in service.backends:
        member = not backend.standby or draw(st.booleans())
        found.append(
            BackendSetting(
                region=backend.region,
                member=member,
                scaler=draw(scalers) if member else 0.0,
                preference=backend.preference,
            )
        )
    if not any(s.member and s.scaler > 0 for s in found):
        found[0] = replace(found[0], member=True, scaler=1.0)
    return ServiceSetting(
        service=service.name, posture=draw(st.sampled_from(list(Posture))), backends=tuple(found)
    )


@st.composite
def policies(draw: st.DrawFn, mode: Mode = Mode.ACT) -> Policy:
    """A policy with other floors, steps and shortage rules."""
    return Policy(
        mode=mode,
        floors=Floors(
            min_serving_regions=draw(st.integers(1, 3)),
            reserve=draw(st.sampled_from((0.0, 0.1, 0.5))),
            receiver_limit=draw(st.sampled_from((0.7, 0.9, 1.0))),
        ),
        rhythm=Rhythm(
            up_step=draw(st.sampled_from((0.05, 0.2, 1.0))), down_step=draw(st.sampled_from((0.3, 1.0)))
        ),
        shortage=draw(st.sampled_from(list(Shortage))),
    )


@st.composite
def cases(draw: st.DrawFn, mode: Mode = Mode.ACT, at: float = AT) -> Case:
    """A whole situation."""
    names = ["pool", "zonal"][: draw(st.integers(1, 2))]
    fleet = Fleet(services=tuple(draw(services(n)) for n in names))
    overlay = Overlay(services=tuple(draw(settings_of(s)) for s in fleet.services))
    seen = []
    for service in fleet.services:
        setting = overlay.service(service.name)
        found = tuple(draw(views(b, setting.backend(b.region), at)) for b in service.backends)
        places = tuple(
            PlaceDemand(
                place=draw(st.sampled_from(("America", "Asia", "Europe"))), region=b.region, rate=10.0
            )
            for b in service.backends
        )
        seen.append(
            ServiceView(
                service=service.name,
                backends=found,
                policy=Seen(
                    value=ObservedPolicy(failover_threshold=70, auto_drain=True), age=1.0, evidence=1
                ),
                places=Seen(value=places, age=240.0, evidence=len(places))
                if draw(st.booleans())
                else draw(absences),
                unassigned=Missing(absence=Absence.NO_SERIES),
            )
        )
    held = draw(st.integers(0, 4)) == 0
    orders = (
        Orders(
            items=(
                Order(
                    kind=OrderKind.PIN,
                    until=at + 600,
                    reason="by chance",
                    region=draw(st.sampled_from(REGIONS)),
                    scaler=draw(scalers),
                ),
            )
        )
        if held
        else Orders()
    )
    return Case(
        fleet=fleet,
        policies={"p": draw(policies(mode=mode))},
        snapshot=Snapshot(at=at, lag=210.0, services=tuple(seen)),
        overlay=overlay,
        orders=orders,
    )


class Spot(NamedTuple):
    """One region of a case by hand."""

    scaler: float
    rate: float
    """Requests/s that it is seen to get."""
    healthy: int | None = None
    """Healthy endpoints; None where its health was never read."""
    total: int = 8
    per_endpoint: float = 20.0
    errors: float = 0.0
    """Share that fails with a 5xx."""
    too_many: float = 0.0
    """Share that is refused with a 429."""
    seconds: float = 0.6
    """Mean latency."""


def case_of(spots: Mapping[str, Spot], policy: Policy) -> Case:
    """One service whose regions are all members, each with three equal minutes and its health, or none of it."""
    service = Service(
        name="pool",
        resource="pool",
        policy="p",
        backends=tuple(
            Backend(
                service="pool",
                region=name,
                groups=(GroupKey(name=f"pool-{name}", scope=f"{name}-a"),),
                target=Target(mode=BalancingMode.RATE, per_endpoint=spot.per_endpoint),
            )
            for name, spot in spots.items()
        ),
    )
    settings = tuple(
        BackendSetting(region=name, member=True, scaler=spot.scaler, preference=Preference.DEFAULT)
        for name, spot in spots.items()
    )
    view = ServiceView(
        service="pool",
        backends=tuple(_view_of(name, spot) for name, spot in spots.items()),
        policy=Seen(value=ObservedPolicy(failover_threshold=70, auto_drain=True), age=1.0, evidence=1),
        places=Missing(absence=Absence.NO_SERIES),
        unassigned=Missing(absence=Absence.NO_SERIES),
    )
    return Case(
        fleet=Fleet(services=(service,)),
        policies={"p": policy},
        snapshot=Snapshot(at=AT, lag=210.0, services=(view,)),
        overlay=Overlay(
            services=(ServiceSetting(service="pool", posture=Posture.NORMAL, backends=settings),)
        ),
        orders=Orders(),
    )


def _view_of(name: str, spot: Spot) -> BackendView:
    observed = ObservedBackend(member=True, scaler=spot.scaler, mixed=False, preference=Preference.DEFAULT)
    total = 60.0 * spot.rate
    ok = total * (1.0 - spot.errors) * (1.0 - spot.too_many)
    counts = tuple(ok if low < spot.seconds <= high else 0.0 for low, high in pairwise((0.0, *BOUNDS)))
    minute = Minute(
        end=AT - 240.0,
        ok=ok,
        client_error=0.0,
        too_many=total * spot.too_many,
        server_error=total * spot.errors * (1.0 - spot.too_many),
        latency=Distribution(bounds=BOUNDS, counts=(*counts, 0.0), mean=spot.seconds),
    )
    minutes_seen = tuple(replace(minute, end=minute.end - 60.0 * i) for i in (2, 1, 0))
    health: Seen[HealthCount] | Missing = Missing(absence=Absence.QUERY_FAILED)
    if spot.healthy is not None:
        health = Seen(value=HealthCount(healthy=spot.healthy, total=spot.total), age=1.0, evidence=spot.total)
    return BackendView(
        region=name,
        observed=Seen(value=observed, age=1.0, evidence=1),
        health=health,
        traffic=Seen(value=minutes_seen, age=240.0, evidence=1000),
    )


def later(snapshot: Snapshot, seconds: float) -> Snapshot:
    """The same view some time later: every sample newer by as much, every age the same."""
    shifted = []
    for service in snapshot.services:
        backends = []
        for b in service.backends:
            traffic = b.traffic
            if isinstance(traffic, Seen):
                traffic = replace(
                    traffic, value=tuple(replace(m, end=m.end + seconds) for m in traffic.value)
                )
            backends.append(replace(b, traffic=traffic))
        shifted.append(replace(service, backends=tuple(backends)))
    return replace(snapshot, at=snapshot.at + seconds, services=tuple(shifted))


@st.composite
def areas(draw: st.DrawFn, name: str) -> Region:
    """A region of a picture: full, bad, doubted, dead, closed, of unknown size, or no member."""
    capacity = draw(st.floats(10.0, 250.0))
    member = draw(st.integers(0, 9)) > 0
    unread = draw(st.sampled_from((None, None, None, None, 30.0)))
    return area(
        name,
        scaler=draw(scalers) if member else 0.0,
        ceiling=draw(st.sampled_from((60.0, 100.0, 200.0))),
        capacity=capacity,
        capacity_nominal=capacity + draw(st.sampled_from((0.0, 50.0))),
        p_recovered=draw(st.sampled_from((0.0, 0.5))),
        proven=draw(st.booleans()),
        bad=draw(st.sampled_from((0.0, 0.0, 0.05, 0.6))),
        quota=draw(st.sampled_from((None, None, 40.0))),
        p_quota_lifted=draw(st.sampled_from((0.0, 0.7))),
        backlog=draw(st.sampled_from((0.0, 10.0))),
        fresh=draw(st.booleans()),
        movable=unread is None,
        dead=draw(st.integers(0, 9)) == 0,
        member=member,
        only_seen=unread,
    )


@st.composite
def memories(draw: st.DrawFn, region: Region, at: float) -> dict[str, Any]:
    """What may be remembered of a region of a picture, as fields of `BackendMemory`."""
    moved = draw(st.sampled_from((None, None, None, 60.0, 400.0, 2000.0)))
    closed = region.scaler == 0.0
    edited = draw(st.integers(0, 9)) == 0
    estimate = Estimate(
        failures=FailureTrack(errors=region.bad, bad_minutes=draw(st.integers(0, 9))),
        saturation=SaturationTrack(rate=region.capacity if draw(st.booleans()) else None),
        quota=QuotaTrack(rate=region.quota),
        served=draw(st.sampled_from((0.0, 50.0))),
    )
    return {
        "estimate": estimate,
        "well_since": draw(st.sampled_from((None, at - 60.0, at - 7200.0))),
        "dead_seen": 2 if region.dead else 0,
        "moved_at": None if moved is None else at - moved,
        "direction": draw(st.sampled_from((-1, 1))),
        "moved_by": draw(st.sampled_from((-0.5, 0.1, 0.5))),
        "pin": foreign_pin(region.scaler, member=region.member) if edited else None,
        "empty_since": at - draw(st.sampled_from((60.0, 4000.0))) if closed else None,
        "leaving": closed and draw(st.integers(0, 4)) == 0,
    }


@st.composite
def pictures(draw: st.DrawFn) -> ServiceModel:
    """One service over one to four regions, with room for all requests or without."""
    names = "abcd"[: draw(st.integers(1, 4))]
    regions = tuple(draw(areas(n)) for n in names)
    demand = {n: draw(st.floats(0.0, 150.0)) for n in names}
    picture = picture_of(
        regions,
        demand,
        memories={r.name: draw(memories(r, PICTURED)) for r in regions},
        policy=draw(policies()),
        age=draw(st.sampled_from((210.0, 210.0, 600.0))),
    )
    usual = draw(st.sampled_from((0.0, 100.0, 300.0)))
    posture = draw(st.sampled_from(list(Posture)))
    return replace(picture, posture=posture, memory=replace(picture.memory, slow_average=usual))


@st.composite
def orders_of(draw: st.DrawFn, picture: ServiceModel) -> Orders:
    """Often none; else a pin or a drain of one region of a picture."""
    if draw(st.integers(0, 2)) > 0:
        return Orders()
    kind = draw(st.sampled_from((OrderKind.PIN, OrderKind.DRAIN)))
    region = draw(st.sampled_from([r.name for r in picture.traffic.regions]))
    scaler = draw(scalers) if kind is OrderKind.PIN else None
    return Orders(
        items=(Order(kind=kind, until=PICTURED + 60.0, reason="by chance", region=region, scaler=scaler),)
    )


def sets_of(picture: ServiceModel) -> st.SearchStrategy[tuple[float, ...]]:
    """Any set of scalers for a picture; what is no member stays closed."""
    return st.tuples(*[scalers if r.member else st.just(0.0) for r in picture.traffic.regions])
