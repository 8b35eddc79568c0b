"""Properties of the core over random situations: constraints, limits, determinism, persistence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.core.pictures import context_of
from tests.core.strategies import AT, Case, Spot, case_of, cases, later, orders_of, pictures

from spillway.core import loop
from spillway.core.act.plan import make_plan, scalers_of
from spillway.core.decide.proposals import Accepted, Context, Proposer, propose
from spillway.core.estimate.belief import posture_set
from spillway.core.loop import PROPOSERS, StepResult
from spillway.core.model.constraints import DEMAND_SWING_FACTOR
from spillway.core.values.decision import Lever, Move, ordered
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import BackendSetting, Overlay, ServiceSetting
from spillway.core.values.policy import Floors, Mode, Policy, Rhythm
from spillway.core.values.snapshot import Absence, HealthCount, Missing, Seen, Snapshot
from spillway.core.values.state import ControllerMemory, fresh
from spillway.core.values.topology import Fleet, is_legal_scaler

ADAPTER = TypeAdapter(ControllerMemory)


def run(case: Case, memory: ControllerMemory | None = None, snapshot: Snapshot | None = None) -> StepResult:
    return loop.step(
        case.fleet,
        case.policies,
        snapshot or case.snapshot,
        case.overlay,
        memory or fresh(),
        orders=case.orders,
    )


def warm(case: Case) -> tuple[StepResult, ControllerMemory]:
    """Several minutes of the same view, so that rests, timers and estimates are there."""
    memory = fresh()
    for i in range(4):
        result = run(case, memory, later(case.snapshot, 180.0 * i))
        memory = result.memory
    return run(case, memory, later(case.snapshot, 720.0)), memory


def healthy(snapshot: Snapshot, service: str, region: str) -> float:
    health = snapshot.service(service).backend(region).health
    if not isinstance(health, Seen) or health.age > 60.0:
        return 1.0
    value: HealthCount = health.value
    return value.healthy / value.total


def opened(case: Case, overlay: Overlay, service: str) -> int:
    """Open regions that no fresh health read calls dead."""
    return sum(
        1
        for b in overlay.service(service).backends
        if b.member and b.scaler > 0 and healthy(case.snapshot, service, b.region) >= 0.25
    )


def nominal(case: Case, overlay: Overlay, service: str) -> float:
    """Target x scaler x healthy share of what is not dead, as a judge outside the core counts it."""
    return sum(
        rate * setting.scaler * share
        for setting, rate, share in counted(case, overlay, service)
        if share >= 0.25
    )


def usable(case: Case, overlay: Overlay, service: str) -> float:
    """What the ceilings let through and the healthy endpoints are made for; as is seen where nobody has counted endpoints.

    Below the failover threshold Google lowers a ceiling to target x scaler x share / threshold, so a ceiling above target x share
    lets nothing through that the healthy endpoints could take. Of a region whose endpoints nobody has counted only the load is
    known: a cut takes its part of it away, and a raise adds nothing.
    """
    standing = overlay.service(service)
    threshold = posture_set(case.policies["p"], standing.posture).failover_threshold / 100.0
    total = sum(
        rate * min(share, setting.scaler * min(1.0, share / threshold))
        for setting, rate, share in counted(case, overlay, service)
        if share >= 0.25
    )
    read = {setting.region for setting, _, _ in counted(case, overlay, service)}
    for view in case.snapshot.service(service).backends:
        setting, before = standing.backend(view.region), case.overlay.service(service).backend(view.region)
        if (
            view.region in read
            or not isinstance(view.traffic, Seen)
            or not (setting.member and before.scaler)
        ):
            continue
        newest = view.traffic.value[-1]
        total += newest.ok / 60.0 * min(1.0, setting.scaler / before.scaler)
    return total


def counted(case: Case, overlay: Overlay, service: str) -> list[tuple[BackendSetting, float, float]]:
    """(Setting, target in requests/s, healthy share) of each member whose endpoints a fresh read counts."""
    members = []
    for backend in case.fleet.service(service).backends:
        setting = overlay.service(service).backend(backend.region)
        health = case.snapshot.service(service).backend(backend.region).health
        if setting.member and isinstance(health, Seen) and health.age <= 60.0:
            rate = backend.target.rate(health.value.total, 1) or 0.0
            members.append((setting, rate, health.value.healthy / health.value.total))
    return members


def apply(overlay: Overlay, move: Move) -> Overlay:
    setting = overlay.service(move.service)
    if move.region is None:
        return overlay
    old = setting.backend(move.region)
    member = move.after != "detached"
    new = replace(old, member=member, scaler=float(move.after) if member else 0.0)
    return overlay.with_service(setting.with_backend(new))


def by_hand(spots: Mapping[str, Spot], *, reserve: float = 0.0, pin: str | None = None) -> Case:
    """A case by hand in which steps are free; the region `pin` is pinned to 0."""
    policy = Policy(
        mode=Mode.ACT,
        floors=Floors(min_serving_regions=1, reserve=reserve, receiver_limit=1.0),
        rhythm=Rhythm(up_step=1.0, down_step=1.0),
    )
    case = case_of(spots, policy)
    if pin is None:
        return case
    order = Order(kind=OrderKind.PIN, until=AT + 600.0, reason="by hand", region=pin, scaler=0.0)
    return replace(case, orders=Orders(items=(order,)))


UNREAD_TAKE_A_PIN = by_hand(
    {
        "asia-northeast1": Spot(0.5, 0.2),
        "europe-west1": Spot(1.0, 0.2),
        "europe-west4": Spot(1.0, 2.7, healthy=8),
        "us-east4": Spot(1.0, 0.2),
    },
    pin="europe-west4",
)
"""The only region whose size is known is pinned to 0: nobody knows whether the others take its load."""
UNREAD_TAKE_A_QUOTA = by_hand(
    {
        "europe-west1": Spot(0.5, 60.0),
        "europe-west4": Spot(0.9, 60.0, healthy=8, too_many=0.4),
        "us-east4": Spot(1.0, 40.0),
    }
)
"""The same for a region that meets a quota."""
HALF_OF_THE_ENDPOINTS = by_hand(
    {
        "europe-west1": Spot(0.6, 60.0),
        "europe-west4": Spot(1.0, 90.0, healthy=4, errors=0.3),
        "us-east4": Spot(0.66, 40.0),
    }
)
"""Of a region with half of its endpoints only the half of its ceiling that it cannot use may go."""
BELOW_THE_THRESHOLD = by_hand(
    {
        "europe-west1": Spot(0.6, 60.0),
        "europe-west4": Spot(1.0, 90.0, healthy=7, total=15, per_endpoint=10.0, errors=0.9),
        "us-east4": Spot(0.66, 40.0, healthy=20, total=20, per_endpoint=10.0),
    },
    reserve=0.1,
)
"""One region is closed and another one opened instead, and a third one, of unknown size, goes on serving what it serves."""
DEAD = by_hand(
    {
        "asia-northeast1": Spot(0.0, 0.0, healthy=8),
        "europe-west1": Spot(0.6, 60.0),
        "europe-west4": Spot(1.0, 40.0, healthy=4, total=17, per_endpoint=5.0),
        "us-east4": Spot(0.5, 5.0, healthy=5, total=5, per_endpoint=5.0),
    },
    reserve=0.1,
)
"""A dead region is drained that still has some healthy endpoints."""


@example(UNREAD_TAKE_A_PIN)
@example(UNREAD_TAKE_A_QUOTA)
@example(HALF_OF_THE_ENDPOINTS)
@example(BELOW_THE_THRESHOLD)
@example(DEAD)
@given(cases())
def test_every_plan_keeps_the_floors_or_worsens_none_wherever_it_is_cut_short(case: Case) -> None:
    """All ceilings of a service travel in one call, so a plan can be cut short before or after them, not between.

    A floor of capacity is kept by the ceilings, or by what of them can be used: a ceiling that a region cannot use is no capacity.
    """
    for result in (run(case), warm(case)[0]):
        before = overlay = result.overlay
        moved = {m.service for m in result.plan.moves}
        start = {s: opened(case, overlay, s) for s in moved}
        for i, move in enumerate(result.plan.moves):
            overlay = apply(overlay, move)
            later = result.plan.moves[i + 1 :]
            if any(m.service == move.service and m.lever is Lever.SCALER for m in later):
                continue
            assessed = next(a for a in result.assessment if a.service == move.service)
            floors = case.policies["p"].floors
            serving = opened(case, overlay, move.service)
            if serving < start[move.service]:
                assert serving >= max(1, min(floors.min_serving_regions, start[move.service]))
            need = max(assessed.demand or 0.0, assessed.forecast or 0.0) * (1 + floors.reserve)
            if (assessed.capacity or 0.0) < need * DEMAND_SWING_FACTOR:
                continue  # a shortage: no setting could hold it, and the constraint asks what is carried
            stood = [capacity(case, before, move.service) for capacity in (nominal, usable)]
            kept = [capacity(case, overlay, move.service) for capacity in (nominal, usable)]
            assert any(
                now >= min(need, then) * (1 - 1e-6) - 1e-6 for now, then in zip(kept, stood, strict=True)
            ), (need, stood, kept)
        planned = {s.service: s.backends for s in result.plan.overlay.services if s.service in moved}
        assert planned == {s.service: s.backends for s in overlay.services if s.service in moved}


@given(cases())
def test_what_is_planned_was_proposed_just_so(case: Case) -> None:
    for result in (run(case), warm(case)[0]):
        assert set(result.plan.moves) <= set(result.wanted)
        refused = {r.move for r in result.refusals}
        assert not refused & set(result.plan.moves)


@given(cases())
def test_all_scalers_are_legal_and_steps_are_kept(case: Case) -> None:
    for result in (run(case), warm(case)[0]):
        for service in result.plan.overlay.services:
            assert all(is_legal_scaler(b.scaler) for b in service.backends)
        rhythm = case.policies["p"].rhythm
        for move in result.plan.moves:
            if move.lever is Lever.SCALER and not move.urgent and not move.reason.code.startswith("operator"):
                if move.reason.code == "revert-edit":
                    continue  # puts back what was, in one step
                change = float(move.after) - float(move.before)
                assert change <= max(rhythm.up_step, 0.1) + 1e-6
                assert -change <= rhythm.down_step + 1e-6


@given(cases(), st.randoms())
def test_the_order_of_the_input_does_not_matter(case: Case, chance: object) -> None:
    shuffle = chance.shuffle  # type: ignore[attr-defined]
    fleet_services = list(case.fleet.services)
    shuffle(fleet_services)
    mixed = []
    for service in fleet_services:
        backends = list(service.backends)
        shuffle(backends)
        mixed.append(replace(service, backends=tuple(backends)))
    seen = []
    for view in case.snapshot.services:
        backends_seen = list(view.backends)
        shuffle(backends_seen)
        seen.append(replace(view, backends=tuple(backends_seen)))
    shuffle(seen)
    other = replace(
        case, fleet=Fleet(services=tuple(mixed)), snapshot=replace(case.snapshot, services=tuple(seen))
    )
    a, b = run(case), run(other)
    assert (a.plan, a.wanted, a.memory, a.sentence) == (b.plan, b.wanted, b.memory, b.sentence)


@given(cases())
def test_no_new_data_gives_no_new_change(case: Case) -> None:
    first = run(case)
    again = loop.step(
        case.fleet, case.policies, case.snapshot, first.overlay, first.memory, orders=case.orders
    )
    assert {(m.region, m.lever, m.after) for m in again.plan.moves} <= {
        (m.region, m.lever, m.after) for m in first.plan.moves
    }
    memory = loop.confirm(first.memory, first.plan, True, case.snapshot.at + 1.0)
    listed = observed_as(case.snapshot, first.plan.overlay)
    done = loop.step(case.fleet, case.policies, listed, first.plan.overlay, memory, orders=case.orders)
    moved = {(m.service, m.region) for m in first.plan.moves}
    assert not [m for m in done.plan.moves if (m.service, m.region) in moved and m.lever is not Lever.POSTURE]


def observed_as(snapshot: Snapshot, overlay: Overlay) -> Snapshot:
    """The snapshot with the listing that a finished write of `overlay` leaves."""
    services = []
    for view in snapshot.services:
        backends = []
        for b in view.backends:
            wanted = overlay.service(view.service).backend(b.region)
            observed = b.observed
            if isinstance(observed, Seen):
                value = observed.value._replace(member=wanted.member, scaler=wanted.scaler)
                observed = replace(observed, value=value)
            backends.append(replace(b, observed=observed))
        services.append(replace(view, backends=tuple(backends)))
    return replace(snapshot, services=tuple(services))


@given(cases())
def test_memory_survives_json(case: Case) -> None:
    _, memory = warm(case)
    result = run(case, memory, later(case.snapshot, 780.0))
    for state in (result.memory, loop.confirm(result.memory, result.plan, True, AT)):
        assert ADAPTER.validate_json(ADAPTER.dump_json(state)) == state


@given(cases())
def test_missing_everything_moves_nothing(case: Case) -> None:
    _, memory = warm(case)
    gone = Missing(absence=Absence.QUERY_FAILED)
    at = case.snapshot.at + 780.0
    blind = replace(
        case.snapshot,
        at=at,
        services=tuple(
            replace(
                v,
                places=gone,
                unassigned=gone,
                policy=gone,
                backends=tuple(replace(b, observed=gone, health=gone, traffic=gone) for b in v.backends),
            )
            for v in case.snapshot.services
        ),
    )
    plain = replace(case, orders=type(case.orders)())
    for start in (fresh(), memory):
        state = start
        for i in range(3):
            result = run(plain, state, replace(blind, at=at + 3600.0 * i))
            state = result.memory
            assert result.plan.moves == ()


@given(cases(mode=Mode.OBSERVE))
def test_observe_writes_nothing_and_says_so(case: Case) -> None:
    result = run(case)
    assert result.plan.empty
    assert result.plan.overlay == result.overlay
    if result.advice:
        assert "the mode is observe" in result.sentence


@given(cases())
def test_the_health_pass_only_drains(case: Case) -> None:
    memory = fresh()
    for i in range(4):
        snapshot = replace(case.snapshot, at=AT + 15.0 * i)
        result = loop.health_step(
            case.fleet, case.policies, snapshot, case.overlay, memory, orders=case.orders
        )
        memory = result.memory
        for move in result.plan.moves:
            assert move.after == "0.00"
            assert move.reason.code == "drain-dead"
            assert healthy(snapshot, move.service, move.region or "") < 0.25
        for service in result.plan.overlay.services:
            if any(m.service == service.service for m in result.plan.moves):
                assert any(b.member and b.scaler > 0 for b in service.backends)


def decided(case: Case) -> list[Accepted]:
    """What was accepted for each service in a first step, and in one with timers and estimates."""
    found: list[Accepted] = []

    def noting(proposers: Sequence[Proposer], context: Context) -> Accepted:
        found.append(propose(proposers, context))
        return found[-1]

    with patch.object(loop, "propose", noting):
        run(case)
        warm(case)
    return found


def check(accepted: Accepted, setting: ServiceSetting) -> None:
    """What was accepted lies within the limits, breaks no constraint and can be planned."""
    picture, limits, changes = accepted.context.model, accepted.context.limits, accepted.changes
    regions = [c.region for c in changes]
    assert len(set(regions)) == len(regions)
    for change in changes:
        if change.region is None:
            assert not limits.posture
            continue
        bounds = limits.of(change.region)
        assert bounds.active(change.after, change.purpose) is None
        assert bounds.allowed(change.purpose).allows(change.after)
        assert is_legal_scaler(change.after)
        assert change.before == bounds.now
    if any(c.down for c in changes):
        requirements = picture.constraints.against(picture.traffic.base)
        dead = any(c.urgent for c in changes)
        assert requirements.broken_floor(accepted.scalers, dead_drain=dead) is None
        drains = [c for c in changes if c.down and c.after == 0.0 and not c.urgent]
        assert len(drains) <= 1
    planned, after = make_plan(setting, changes, picture)
    assert planned == ordered(changes)
    assert scalers_of(picture, after) == accepted.scalers


@given(cases())
def test_whatever_is_accepted_is_within_its_limits_and_breaks_no_constraint(case: Case) -> None:
    for accepted in decided(case):
        picture = accepted.context.model
        backends = tuple(f.setting for f in picture.beliefs)
        check(
            accepted, ServiceSetting(service=picture.service.name, posture=picture.posture, backends=backends)
        )


@given(st.data())
def test_so_it_is_for_any_picture_and_any_order(data: st.DataObject) -> None:
    picture = data.draw(pictures())
    accepted = propose(PROPOSERS, context_of(picture, data.draw(orders_of(picture))))
    backends = tuple(f.setting for f in picture.beliefs)
    check(accepted, ServiceSetting(service=picture.service.name, posture=picture.posture, backends=backends))


@given(cases())
def test_no_plan_refuses_itself(case: Case) -> None:
    for result in (run(case), warm(case)[0]):
        assert "unsafe-plan" not in {r.limit for r in result.refusals}
        assert "unsafe-plan-alarm" not in {a.code for a in result.alarms}
