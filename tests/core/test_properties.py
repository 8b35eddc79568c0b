"""Properties of the core over random situations: constraints, limits, determinism, persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.core.pictures import context_of
from tests.core.strategies import AT, Case, cases, later, orders_of, pictures

from spillway.core import loop
from spillway.core.act.plan import make_plan, scalers_of
from spillway.core.decide.proposals import Accepted, Context, Proposer, propose
from spillway.core.loop import PROPOSERS, StepResult
from spillway.core.model.constraints import SWING
from spillway.core.values.decision import Lever, Move, ordered
from spillway.core.values.overlay import Overlay, ServiceSetting
from spillway.core.values.policy import Mode
from spillway.core.values.snapshot import Absence, HealthCount, Missing, Seen, Snapshot
from spillway.core.values.state import ControllerMemory, fresh
from spillway.core.values.topology import Fleet
from spillway.core.values.units import is_legal_scaler

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
    """Target x scaler x healthy share, as a judge outside the core counts it."""
    total = 0.0
    for backend in case.fleet.service(service).backends:
        setting = overlay.service(service).backend(backend.region)
        health = case.snapshot.service(service).backend(backend.region).health
        if setting.member and isinstance(health, Seen) and health.age <= 60.0:
            rate = backend.target.rate(health.value.total, 1) or 0.0
            total += rate * setting.scaler * health.value.healthy / health.value.total
    return total


def apply(overlay: Overlay, move: Move) -> Overlay:
    setting = overlay.service(move.service)
    if move.region is None:
        return overlay
    old = setting.backend(move.region)
    member = move.after != "detached"
    new = replace(old, member=member, scaler=float(move.after) if member else 0.0)
    return overlay.with_service(setting.with_backend(new))


@given(cases())
def test_every_plan_keeps_the_floors_or_worsens_none_wherever_it_is_cut_short(case: Case) -> None:
    """All ceilings of a service travel in one call, so a plan can be cut short before or after them, not between."""
    for result in (run(case), warm(case)[0]):
        overlay = result.overlay
        moved = {m.service for m in result.plan.moves}
        start = {s: (opened(case, overlay, s), nominal(case, overlay, s)) for s in moved}
        for i, move in enumerate(result.plan.moves):
            overlay = apply(overlay, move)
            later = result.plan.moves[i + 1 :]
            if any(m.service == move.service and m.lever is Lever.SCALER for m in later):
                continue
            assessed = next(a for a in result.assessment if a.service == move.service)
            floors = case.policies["p"].floors
            serving = opened(case, overlay, move.service)
            if serving < start[move.service][0]:
                assert serving >= max(1, min(floors.min_serving_regions, start[move.service][0]))
            need = max(assessed.demand or 0.0, assessed.forecast or 0.0) * (1 + floors.reserve)
            if (assessed.capacity or 0.0) < need * SWING:
                continue  # a shortage: no setting could hold it, and the constraint asks what is carried
            held = min(need, start[move.service][1])
            assert nominal(case, overlay, move.service) >= held * (1 - 1e-6) - 1e-6
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
                value = replace(observed.value, member=wanted.member, scaler=wanted.scaler)
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
        assert bounds.allowed(change.purpose).orders(change.after)
        assert is_legal_scaler(change.after)
        assert change.before == bounds.now
    if any(c.down for c in changes):
        baseline = picture.constraints.against(picture.traffic.base)
        dead = any(c.urgent for c in changes)
        assert baseline.broken_floor(accepted.scalers, dead_drain=dead) is None
        drains = [c for c in changes if c.down and c.after == 0.0 and not c.urgent]
        assert len(drains) <= 1
    planned, after = make_plan(setting, changes, picture)
    assert planned == ordered(changes)
    assert scalers_of(picture, after) == accepted.scalers


@given(cases())
def test_whatever_is_accepted_is_within_its_limits_and_breaks_no_constraint(case: Case) -> None:
    for accepted in decided(case):
        picture = accepted.context.model
        backends = tuple(f.setting for f in picture.facts)
        check(
            accepted, ServiceSetting(service=picture.service.name, posture=picture.posture, backends=backends)
        )


@given(st.data())
def test_so_it_is_for_any_picture_and_any_order(data: st.DataObject) -> None:
    picture = data.draw(pictures())
    accepted = propose(PROPOSERS, context_of(picture, data.draw(orders_of(picture))))
    backends = tuple(f.setting for f in picture.facts)
    check(accepted, ServiceSetting(service=picture.service.name, posture=picture.posture, backends=backends))


@given(cases())
def test_no_plan_refuses_itself(case: Case) -> None:
    for result in (run(case), warm(case)[0]):
        assert "unsafe-plan" not in {r.guard for r in result.refusals}
        assert "unsafe-plan-alarm" not in {a.code for a in result.alarms}
