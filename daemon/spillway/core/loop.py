"""The whole step: reconcile, estimate, verify, model, limit, propose, plan, explain. Values in, values out.

`step_service` is the pipeline for one service. `step` and `health_step` run it for all services, and `confirm` closes a step once
its write has ended. The state after a step is the memory with this step's belief, and the plan that was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from spillway.core.act.account import with_lifecycle
from spillway.core.act.confirm import confirm, with_plan
from spillway.core.act.plan import make_plan
from spillway.core.act.reconcile import Reading, reconcile, without_departed
from spillway.core.act.sightings import Crowd, crowd_of, differences, listed
from spillway.core.decide.limits import limits_of
from spillway.core.decide.membership import memberships, with_room_timers
from spillway.core.decide.operators import operator_orders, order_alarms
from spillway.core.decide.optimise import optimum
from spillway.core.decide.overrides import (
    dead_drains,
    edit_reverts,
    postures,
    undos,
    with_posture_timer,
)
from spillway.core.decide.planned import planned_alarms, planned_drains
from spillway.core.decide.proposals import Accepted, Context, Proposer, propose, refusal
from spillway.core.decide.relief import relief_joins
from spillway.core.decide.reopen import pre_scale, probes, restores
from spillway.core.estimate.service import SharedBackends, estimate_backends, estimate_demand, unlearned
from spillway.core.explain.assessment import assess, panic_of, quiet_reason, tell, verdict_of
from spillway.core.explain.reasons import alarm, as_alarm, reason
from spillway.core.model.service import ServiceModel, build
from spillway.core.model.verify import Review, review
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import (
    Candidate,
    Change,
    Move,
    Plan,
    Purpose,
    Reason,
    Refusal,
    ServiceAssessment,
    Verdict,
    ordered,
)
from spillway.core.values.limits import Trust
from spillway.core.values.orders import OrderKind, Orders
from spillway.core.values.overlay import Overlay, ServiceSetting
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import ServiceView, Snapshot
from spillway.core.values.state import ControllerMemory, ServiceMemory, fresh
from spillway.core.values.topology import Fleet, Service, ServiceName
from spillway.errors import UnsafePlan

__all__ = [
    "HEALTH_PROPOSERS",
    "PROPOSERS",
    "StepResult",
    "confirm",
    "fresh",
    "health_step",
    "step",
]

PROPOSERS: tuple[Proposer, ...] = (
    postures,  # how Google fails over: moves no traffic by itself
    operator_orders,  # people outrank the loop
    dead_drains,  # a dead region that Google leaves in service
    edit_reverts,  # what somebody else has set, where the policy says that it is put back
    planned_drains,  # room for planned work, and the drain before it
    relief_joins,  # standby regions for one that fails and has no scaler
    memberships,  # joins before a shortage and after planned work, leaves
    undos,  # a raise that disappointed
    pre_scale,  # raises ahead of a surge: a way up in steps begins before the others are full
    restores,  # the way back of what has been well
    probes,  # a tenth for what was closed
    optimum,  # what the model finds for all the rest
)
"""All proposers, in the order in which they are heard: what is accepted is fixed for those that follow."""

HEALTH_PROPOSERS: tuple[Proposer, ...] = (dead_drains,)
"""The health pass may only drain."""

NOBODY = "there is no service to steer"
QUIET_HEALTH = "no region is dead that Google's auto-drain leaves in service"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step: what the core believes, what it wants, what is left of that, and one sentence about it."""

    assessment: tuple[ServiceAssessment, ...]
    wanted: tuple[Move, ...]
    """All moves that were proposed."""
    advice: tuple[Move, ...]
    """Accepted moves of services whose mode only observes or recommends."""
    refusals: tuple[Refusal, ...]
    plan: Plan
    """What is to be written now; `plan.overlay` is the overlay to go on with once that is done."""
    overlay: Overlay
    """The overlay to go on with if nothing is written: edits from outside are taken over in it."""
    memory: ControllerMemory
    verdicts: tuple[Verdict, ...]
    alarms: tuple[Alarm, ...]
    """What was seen in this step."""
    sentence: str
    candidates: tuple[Candidate, ...] = ()
    edited: bool = False
    """Whether this step found, believed or took over something that somebody else has set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What is the same for all services in one step."""

    at: float
    """UTC seconds of the snapshot."""
    orders: Orders
    shared: SharedBackends
    only_dead: bool
    """True in a health pass."""
    fleet: Crowd
    """How much of the fleet is listed otherwise than wanted."""
    edit_told: bool
    """True if a write of ours was just refused because of an edit by somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStep:
    """One service's share of a step."""

    assessment: ServiceAssessment
    setting: ServiceSetting
    """As it stands, edits from outside taken over."""
    after: ServiceSetting
    accepted: Accepted
    changes: tuple[Change, ...]
    """What is left of them in the plan, in its order."""
    refusals: tuple[Refusal, ...]
    memory: ServiceMemory
    verdicts: tuple[Verdict, ...]
    quiet: str
    """Why nothing is proposed."""
    mode: Mode
    edited: bool
    """Whether something that somebody else has set was found, believed or taken over."""


def step_service(
    service: Service,
    policy: Policy,
    view: ServiceView,
    standing: tuple[ServiceSetting, ServiceMemory],
    now: StepContext,
) -> ServiceStep:
    """Take one service through a step.

    Args:
        service: The service.
        policy: How it is steered.
        view: What was observed of it.
        standing: What is wanted of it, and what is remembered of it.
        now: What is the same for all services.
    """
    # 1. what others did, and what became of writes without an answer
    setting, memory = standing[0], without_departed(standing[1], service)
    reading = Reading(at=now.at, fleet=now.fleet, edit_told=now.edit_told, orders=now.orders)
    found = reconcile(setting, memory, view, policy, reading)
    setting, memory = found.setting, found.memory
    # 2. the belief about each backend, and about demand
    beliefs = estimate_backends(
        service, policy, view, setting=setting, memory=memory, shared=now.shared, at=now.at
    )
    beliefs = with_lifecycle(beliefs, service.name, now.orders, policy, now.at)
    memory = replace(
        memory,
        backends=tuple([f.memory for f in beliefs]),
        estimates=tuple([(f.region, f.estimate) for f in beliefs]),
        proposed=(),
    )
    if not now.only_dead:
        memory = estimate_demand(memory, beliefs, view, policy, setting)
    # 3. the model: what a set of ceilings does, and may not break
    model = build(service, beliefs, memory, policy, setting.posture, at=now.at)
    panic, since = panic_of(model, only_dead=now.only_dead)
    # 4. promised against seen
    verdicts = Review(memory=model.memory)
    if not now.only_dead:
        if since != memory.panic_since:
            model = with_memory(model, replace(memory, panic_since=since))
        if panic is not None:
            model = with_memory(model, unlearned(model.memory, found.memory, model.beliefs))
        verdicts = review(model)
        model = with_memory(model, verdicts.memory)
        model = with_memory(model, with_posture_timer(model, suspected=panic is not None))
        model = with_memory(model, with_room_timers(model))
    # 5. limits before the search, then proposals in order
    limits = limits_of(model, now.orders, panic, found.trust)
    context = Context(model=model, limits=limits, verdicts=verdicts, edits=found.notes, orders=now.orders)
    accepted = propose(HEALTH_PROPOSERS if now.only_dead else PROPOSERS, context)
    # 6. the plan, refused whole if a constraint breaks
    changes, after, unsafe = _planned(setting, accepted, model)
    alarms = (*found.alarms, *_alarms(service.name, panic, unsafe), *_passed_pins(model, changes))
    if not now.only_dead:
        alarms = (*alarms, *order_alarms(context, accepted), *planned_alarms(context, accepted))
    return ServiceStep(
        assessment=assess(
            model,
            view,
            found.notes,
            alarms,
            before=standing[1],
            may_join=_may_join(model, now.orders),
        ),
        setting=setting,
        after=after,
        accepted=accepted,
        changes=changes,
        refusals=(*accepted.refusals, *unsafe),
        memory=with_plan(model, changes),
        verdicts=tuple(verdict_of(j) for j in verdicts.judgements),
        quiet=_quiet(model, accepted.candidate, found.trust, now),
        mode=policy.mode,
        edited=found.news,
    )


def with_memory(model: ServiceModel, memory: ServiceMemory) -> ServiceModel:
    """The model with another memory; the same where nothing changed."""
    return model if memory is model.memory else replace(model, memory=memory)


def _planned(
    setting: ServiceSetting, accepted: Accepted, model: ServiceModel
) -> tuple[tuple[Change, ...], ServiceSetting, tuple[Refusal, ...]]:
    """The changes in their order, the setting after them, and the refusals of a plan that breaks a constraint."""
    if not accepted.changes:
        return (), setting, ()
    try:
        changes, after = make_plan(setting, accepted.changes, model)
    except UnsafePlan as unsafe:
        why = reason("unsafe-plan", why=str(unsafe))
        return (), setting, tuple(refusal(c.move(), why) for c in accepted.changes)
    return changes, after, ()


def _alarms(service: ServiceName, panic: Reason | None, unsafe: tuple[Refusal, ...]) -> list[Alarm]:
    """Alarms of this step itself: a suspected measurement, a plan that refused itself."""
    found = [] if panic is None else [as_alarm("panic-alarm", panic, service=service)]
    if unsafe:
        found.append(alarm("unsafe-plan-alarm", service=service, why=unsafe[0].sentence))
    return found


def _may_join(model: ServiceModel, orders: Orders) -> bool:
    """Whether Spillway may join standby regions at present: its mode is `act`, and no hold and no freeze forbids it."""
    held = orders.find(model.service.name, None, OrderKind.HOLD) is not None
    frozen = any(window.start <= model.at < window.end for window in model.policy.freezes)
    return model.policy.mode is Mode.ACT and not held and not frozen


def _quiet(model: ServiceModel, candidate: Candidate | None, trust: Trust, now: StepContext) -> str:
    """Why nothing is proposed: what the listing keeps from being written comes first."""
    listed_otherwise = trust.panic or trust.doubt
    if listed_otherwise is not None:
        return listed_otherwise.sentence
    return QUIET_HEALTH if now.only_dead else quiet_reason(model, candidate)


def _passed_pins(model: ServiceModel, changes: tuple[Change, ...]) -> list[Alarm]:
    """Alarms about drains of dead regions that somebody else had set."""
    pins = {f.region: f.memory.pin for f in model.beliefs}
    return [
        alarm("pin-passed", service=model.service.name, region=c.region, value=pin.shown)
        for c in changes
        if c.purpose is Purpose.DRAIN_DEAD and (pin := pins.get(c.region or "")) is not None
    ]


def begin(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    standing: tuple[Overlay, ControllerMemory],
    *,
    orders: Orders,
    edit_told: bool = False,
    only_dead: bool = False,
) -> StepContext:
    """What is the same for all services in a step.

    Args:
        fleet: All services, as configured.
        policies: By name.
        snapshot: What was observed.
        standing: The overlay that is wanted at present, and the memory.
        orders: Operators' commands; expired ones are ignored.
        edit_told: True if a write of ours was just refused because of an edit by somebody else.
        only_dead: True for a health pass, which has read no traffic.
    """
    return StepContext(
        at=snapshot.at,
        orders=orders.active(snapshot.at),
        shared=SharedBackends(fleet, None if only_dead else snapshot, standing[1]),
        only_dead=only_dead,
        fleet=fleet_crowd(fleet, policies, snapshot, standing),
        edit_told=edit_told,
    )


def step(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    *,
    orders: Orders = Orders(),  # noqa: B008 - a frozen value
    edit_told: bool = False,
) -> StepResult:
    """One full pass over all services.

    Args:
        fleet: All services, as configured.
        policies: By name; every service's `policy` must be among them.
        snapshot: What was observed.
        overlay: What the daemon wants at present.
        memory: As the last step (and `confirm`) gave it back.
        orders: Operators' commands; expired ones are ignored.
        edit_told: True if a write of ours was just refused because of an edit by somebody else: the snapshot is the second
            reading, and one that shows the edit is enough.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    standing = overlay, memory
    now = begin(fleet, policies, snapshot, standing, orders=orders, edit_told=edit_told)
    return _all_services(fleet, policies, snapshot, standing, now)


def health_step(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    *,
    orders: Orders = Orders(),  # noqa: B008 - a frozen value
    edit_told: bool = False,
) -> StepResult:
    """The fast pass: it may only drain dead regions that Google's auto-drain leaves in service.

    Same arguments as `step`; the snapshot needs listing and health alone.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    standing = overlay, memory
    now = begin(fleet, policies, snapshot, standing, orders=orders, edit_told=edit_told, only_dead=True)
    return _all_services(fleet, policies, snapshot, standing, now)


def in_force(policies: Mapping[str, Policy], service: Service, orders: Orders) -> Policy:
    """The policy of a service, in the mode that an operator has ordered, and with the postures that it can have.

    Raises:
        KeyError: its policy is missing.
    """
    policy = policies[service.policy]
    if not service.has_policy:
        policy = policy.without_failover_policy()
    mode = orders.mode_of(service.name, policy.mode)
    return policy if mode is policy.mode else replace(policy, mode=mode)


def fleet_crowd(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    standing: tuple[Overlay, ControllerMemory],
) -> Crowd:
    """How many members of the whole fleet are listed otherwise than wanted; a single service is judged by itself."""
    if len(fleet.services) < 2:
        return Crowd()
    overlay, memory = standing
    views = {v.service: v for v in snapshot.services}
    settings = {s.service: s for s in overlay.services}
    memories = {s.service: s for s in memory.services}
    changed = members = 0
    for service in fleet.services:
        if service.name not in views:
            continue
        setting = settings[service.name]
        known = memories.get(service.name) or ServiceMemory(service=service.name)
        seen = listed(views[service.name])
        crowd = crowd_of(setting, differences(setting, known, seen, policies[service.policy], snapshot.at))
        changed, members = changed + crowd.changed, members + crowd.members
    return Crowd(changed=changed, members=members)


def _all_services(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    standing: tuple[Overlay, ControllerMemory],
    now: StepContext,
) -> StepResult:
    """Take the services through the step one after the other: each sees what those before it send to shared groups."""
    overlay, memory = standing
    views = {v.service: v for v in snapshot.services}
    settings = {s.service: s for s in overlay.services}
    memories = {s.service: s for s in memory.services}
    steps: list[ServiceStep] = []
    for service in sorted(fleet.services, key=lambda s: s.name):
        view = views.get(service.name)
        if view is None:
            continue
        before = settings[service.name], memories.get(service.name) or ServiceMemory(service=service.name)
        done = step_service(service, in_force(policies, service, now.orders), view, before, now)
        now.shared.expect(done.memory)
        steps.append(done)
    return _result(steps, overlay, memory)


def _result(steps: list[ServiceStep], overlay: Overlay, memory: ControllerMemory) -> StepResult:
    """All services' steps as one: what is written where the mode is `act`, and what is advice elsewhere."""
    written: list[Change] = []
    advised: list[Change] = []
    modes: set[str] = set()
    settings = {s.service: s for s in overlay.services}
    afters = dict(settings)
    for done in steps:
        settings[done.setting.service] = afters[done.setting.service] = done.setting
        if done.mode is Mode.ACT:
            afters[done.after.service] = done.after
            written.extend(done.changes)
        else:
            advised.extend(done.changes)
            modes.add(done.mode.value)
    plan = Plan(
        overlay=Overlay(services=tuple(afters.values())), moves=tuple(c.move() for c in ordered(written))
    )
    advice = tuple(c.move() for c in ordered(advised))
    refusals = tuple(r for done in steps for r in done.refusals)
    quiet = "; ".join(
        done.quiet if len(steps) == 1 else f"{done.assessment.service}: {done.quiet}" for done in steps
    )
    known = {done.memory.service: done.memory for done in steps}
    kept = {s.service: s for s in memory.services}
    services = tuple(sorted({**kept, **known}.values(), key=lambda s: s.service))
    mode = "/".join(sorted(modes))
    return StepResult(
        assessment=tuple(done.assessment for done in steps),
        wanted=tuple(c.move() for done in steps for c in ordered(done.accepted.wanted)),
        advice=advice,
        refusals=refusals,
        plan=plan,
        overlay=Overlay(services=tuple(settings.values())),
        memory=replace(memory, services=services),
        verdicts=tuple(v for done in steps for v in done.verdicts),
        alarms=tuple(a for done in steps for a in done.assessment.alarms),
        sentence=tell(plan, advice, refusals, quiet or NOBODY, mode),
        candidates=tuple(c for done in steps if (c := done.accepted.candidate) is not None),
        edited=any(done.edited for done in steps),
    )
