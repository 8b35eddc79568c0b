"""Pictures made by hand: regions as a test wants them, with the beliefs and the memory that go with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from spillway.core.decide.limits import NO_DOUBT, limits_of
from spillway.core.decide.optimise import space_of, task_of
from spillway.core.decide.proposals import Accepted, Context, Proposal, Proposer
from spillway.core.decide.search import Space
from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import Window
from spillway.core.model.constraints import Requirements
from spillway.core.model.predict import UNBOUNDED, Region, TrafficModel
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Review
from spillway.core.model.waterfall import Origins
from spillway.core.values.decision import Change, Lever, Move, Purpose, Reason
from spillway.core.values.foreign import ForeignPin
from spillway.core.values.limits import Trust
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import BackendSetting, Posture
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import HealthCount
from spillway.core.values.state import BackendMemory, Estimate, Flight, ServiceMemory
from spillway.core.values.topology import Backend, BalancingMode, GroupKey, Service, Target

AT = 1_000_000.0
SERVICE = "pool"
LONG_WELL = AT - 7200.0
"""Well for two hours: long enough to be given more."""


def area(name: str, **changes: Any) -> Region:
    """An open, healthy region of 100 requests/s that is its own home; fields as in `Region`."""
    plain: dict[str, Any] = {
        "scaler": 1.0,
        "ceiling": 100.0,
        "capacity": 100.0,
        "slack": 3.0,
        "bad": 0.0,
        "quota": None,
        "cost": 1.0,
        "movable": True,
        "fresh": True,
        "dead": False,
        "member": True,
    }
    return Region(name=name, **{**plain, **changes})


def whole(name: str, **changes: Any) -> Region:
    """An open, healthy region without a scaler: no target, no health checks."""
    unknown = {"ceiling": UNBOUNDED, "capacity": UNBOUNDED, "capacity_nominal": UNBOUNDED, "proven": False}
    return area(name, **{**unknown, "graded": False, **changes})


def model_of(regions: tuple[Region, ...], demand: Mapping[str, float]) -> TrafficModel:
    """A model in which the clients of each region try it first and then the others in their order, around the ring."""
    names, count = [r.name for r in regions], len(regions)
    homes = [names.index(home) for home in demand]
    total = sum(demand.values())
    return TrafficModel(
        regions=regions,
        origins=Origins(
            rates=tuple(demand.values()),
            orders=tuple(tuple((home + k) % count for k in range(count)) for home in homes),
            round_trips=tuple(
                tuple(0.01 + 0.05 * ((r - home) % count) for r in range(count)) for home in homes
            ),
        ),
        demand=total,
        forecast=total,
    )


def window(rate: float, age: float = 210.0) -> Window:
    """Three minutes of good answers that ended `age` seconds ago."""
    return Window(
        start=AT - age - 180.0,
        end=AT - age,
        age=age,
        answers=180.0 * rate,
        rate=rate,
        newest=rate,
        before=rate,
        peak=rate,
        error_ratio=0.0,
        newest_errors=0.0,
        too_many_ratio=0.0,
        slow=0.0,
        mean=1.0,
        percentile=2.0,
        bad=0.0,
    )


def believe(
    region: Region, memory: BackendMemory, age: float, estimate: Estimate | None = None
) -> BackendBelief:
    """What one step knows of `region`; its target is its ceiling, unless its size is unknown."""
    backend = Backend(
        service=SERVICE,
        region=region.name,
        groups=(GroupKey(name=f"{region.name}-g", scope=f"{region.name}-a"),),
        target=Target(mode=BalancingMode.RATE, per_endpoint=region.ceiling / 10.0 if region.graded else None),
        movable=region.movable,
        has_scaler=region.graded,
    )
    known = region.only_seen is None and region.graded
    member = region.member and (region.graded or region.scaler > 0.0)
    return BackendBelief(
        backend=backend,
        setting=BackendSetting(region=region.name, member=member, scaler=region.scaler),
        memory=memory,
        estimate=estimate or Estimate(),
        window=window(50.0, age),
        health=HealthCount(healthy=0 if region.dead else 10, total=10) if region.graded else None,
        health_at=AT - age,
        share=0.0 if region.dead else 1.0,
        target=region.ceiling if known else None,
        capacity=region.capacity if region.graded else None,
        load_from_peers=0.0,
        region=region.name,
        serving=region.member and region.scaler > 0.0,
        dead=region.dead,
    )


def picture_of(
    regions: tuple[Region, ...],
    demand: Mapping[str, float],
    *,
    memories: Mapping[str, Mapping[str, Any]] | None = None,
    policy: Policy | None = None,
    flights: tuple[Flight, ...] = (),
    age: float = 210.0,
) -> ServiceModel:
    """One service at `AT`; `memories` has fields of `BackendMemory`, and `estimate`, by region, and all have been well for long."""
    known = {r.name: {"well_since": LONG_WELL, **(memories or {}).get(r.name, {})} for r in regions}
    estimates = {name: fields.pop("estimate", Estimate()) for name, fields in known.items()}
    backends = tuple(BackendMemory(region=name, **fields) for name, fields in known.items())
    beliefs = tuple(believe(r, m, age, estimates[r.name]) for r, m in zip(regions, backends, strict=True))
    policy = policy or Policy(mode=Mode.ACT)
    return ServiceModel(
        service=Service(
            name=SERVICE, resource=SERVICE, policy="default", backends=tuple(f.backend for f in beliefs)
        ),
        policy=policy,
        posture=Posture.NORMAL,
        beliefs=beliefs,
        traffic=model_of(regions, demand),
        memory=ServiceMemory(
            service=SERVICE,
            backends=backends,
            estimates=tuple(estimates.items()),
            flights=flights,
            origins_at=AT,
        ),
        at=AT,
        dead_time=policy.timing.dead_time,
    )


def foreign_pin(scaler: float = 0.5, **changes: Any) -> ForeignPin:
    """Somebody else has set a region from 1 to `scaler` a minute ago, and it is left alone for another."""
    plain: dict[str, Any] = {
        "since": AT - 60.0,
        "until": AT + 60.0,
        "member": True,
        "scaler": scaler,
        "wanted_member": True,
        "wanted_scaler": 1.0,
    }
    return ForeignPin(**{**plain, **changes})


def context_of(
    picture: ServiceModel,
    orders: Orders | None = None,
    panic: Reason | None = None,
    trust: Trust = NO_DOUBT,
) -> Context:
    """What proposers are given in `picture`; no earlier move is judged."""
    orders = orders or Orders()
    return Context(
        model=picture,
        limits=limits_of(picture, orders, panic, trust),
        verdicts=Review(memory=picture.memory),
        orders=orders,
    )


def nothing(context: Context) -> Accepted:
    """Before the first proposal."""
    return Accepted(context=context, scalers=context.model.traffic.scalers)


def proposed(proposer: Proposer, picture: ServiceModel) -> list[Change]:
    """All changes that a proposer wants in `picture` if it is the first to be heard."""
    context = context_of(picture)
    return [c for proposal in proposer(context, nothing(context)) for c in proposal.changes]


def considered(
    picture: ServiceModel,
    changes: Iterable[Change],
    orders: Orders | None = None,
    panic: Reason | None = None,
    trust: Trust = NO_DOUBT,
) -> Accepted:
    """What becomes of `changes` as one proposal, the first of its step."""
    return nothing(context_of(picture, orders, panic, trust)).consider(Proposal(changes=tuple(changes)))


def made(accepted: Accepted) -> dict[str, float]:
    """The scalers that were accepted, by region."""
    return {c.region or "": c.after for c in accepted.changes}


def guards(accepted: Accepted) -> set[str]:
    """The codes of all refusals."""
    return {r.limit for r in accepted.refusals}


def requirements(picture: ServiceModel, **changes: Any) -> Requirements:
    """The constraints of `picture` against what stands there, with some fields replaced."""
    return replace(picture.constraints.against(picture.traffic.base), **changes)


def space(picture: ServiceModel, **changes: Any) -> Space:
    """What the search may do in `picture`, as it is decided there, with some fields replaced."""
    context = context_of(picture)
    return replace(space_of(task_of(context, nothing(context)), lifted=False), **changes)


def change_of(
    region: str, before: float, after: float, purpose: Purpose = Purpose.RELIEVE, **more: Any
) -> Change:
    """A wanted change of one scaler."""
    return Change(
        service=SERVICE,
        region=region,
        lever=Lever.SCALER,
        purpose=purpose,
        before=before,
        after=after,
        reason=Reason(code="shed-overload", sentence="a test wants it"),
        **more,
    )


def flight_of(region: str, before: float, after: float, made_at: float) -> Flight:
    """The same as a move that was written at `made_at`."""
    move = Move(
        service=SERVICE,
        region=region,
        lever=Lever.SCALER,
        before=f"{before:.2f}",
        after=f"{after:.2f}",
        reason=Reason(code="shed-overload", sentence="a test wanted it"),
    )
    return Flight(
        move=move,
        lever=Lever.SCALER,
        region=region,
        before=before,
        after=after,
        made_at=made_at,
        predicted=0.0,
        otherwise=0.1,
        seen=0.1,
        demand=100.0,
    )
