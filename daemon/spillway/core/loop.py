"""One service's passage through a step: take over, learn, picture, review, wish, guard, plan.

The entrances of the core: `step`, `health_step` and `confirm`. Values in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from spillway.core.act.plan import check_prefixes
from spillway.core.act.reconcile import account, reconcile, settle
from spillway.core.decide.limits import Situation, narrow
from spillway.core.decide.membership import membership_changes
from spillway.core.decide.optimise import Decision, decide_ceilings
from spillway.core.decide.overrides import dead_drains, edit_reverts, operator_changes
from spillway.core.decide.posture import posture_change
from spillway.core.decide.verify import bad_share, review
from spillway.core.estimate.backend import Facts, facts_of, is_known, remember
from spillway.core.estimate.departed import drop_departed_traffic
from spillway.core.estimate.dwell import backoff_after
from spillway.core.estimate.failover import posture_set
from spillway.core.estimate.origins import update_origins
from spillway.core.estimate.shared import SharedBackends
from spillway.core.explain.assessment import assess, failing, panic_of
from spillway.core.explain.reasons import reason
from spillway.core.explain.sentence import Candidate, StepResult, tell
from spillway.core.model.service import Picture, build
from spillway.core.values.decision import (
    Change,
    Lever,
    Move,
    Plan,
    Refusal,
    ServiceAssessment,
    Verdict,
    heard,
    ordered,
)
from spillway.core.values.orders import HoldKind, Holds
from spillway.core.values.overlay import Overlay, ServiceSetting
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import Seen, ServiceView, Snapshot
from spillway.core.values.state import ControllerMemory, Flight, ServiceMemory, fresh
from spillway.core.values.topology import Fleet, Service
from spillway.core.values.units import HOUR, RegionName
from spillway.errors import UnsafePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One service's share of a step."""

    assessment: ServiceAssessment
    setting: ServiceSetting
    """As it stands, edits from outside taken over."""
    after: ServiceSetting
    wanted: tuple[Change, ...]
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    memory: ServiceMemory
    verdicts: tuple[Verdict, ...]
    quiet: str
    candidate: Candidate | None


def passage(
    service: Service,
    policy: Policy,
    view: ServiceView,
    setting: ServiceSetting,
    memory: ServiceMemory,
    at: float,
    holds: Holds,
    neighbours: SharedBackends,
    *,
    only_dead: bool,
) -> Part:
    """Take one service through a full pass, or with `only_dead` through the fast one."""
    if memory.flights:
        names = {b.region for b in service.backends}
        flights = tuple(f for f in memory.flights if f.region is None or f.region in names)
        memory = replace(memory, flights=flights)
    found = reconcile(setting, memory, view, policy, at)
    setting, memory = found.setting, found.memory
    facts = _facts(service, policy, view, setting, memory, at, holds, neighbours)
    memory = replace(memory, backends=tuple(f.memory for f in facts), proposed=())
    verdicts: tuple[Verdict, ...] = ()
    candidate = None
    if only_dead:
        picture = build(service, facts, memory, policy, setting.posture, at)
        panic, _ = panic_of(picture, only_dead=True)
        wanted, quiet = dead_drains(picture), "no region is dead that Google's auto-drain leaves in service"
    else:
        settings = posture_set(policy, setting.posture)
        memory = update_origins(memory, facts, view.places, settings, policy)
        picture = build(service, facts, memory, policy, setting.posture, at)
        panic, since = panic_of(picture, only_dead=False)
        if since != memory.panic_since:
            picture = replace(picture, memory=replace(memory, panic_since=since))
        reviewed = review(picture)
        if reviewed.memory is not picture.memory:
            picture = replace(picture, memory=reviewed.memory)
        verdicts = reviewed.verdicts
        picture, wanted, quiet, candidate = _wanted(picture, holds, reviewed.undo)
    start = Situation(picture=picture, holds=holds, panic=panic, scalers=picture.model.scalers)
    guarded = narrow(wanted, start)
    changes, after, refusals = _checked(setting, guarded.changes, picture, guarded.refusals)
    alarms = found.alarms if panic is None else (*found.alarms, replace(panic, code="panic-alarm"))
    return Part(
        assessment=assess(picture, view, found.notes, alarms),
        setting=setting,
        after=after,
        wanted=wanted,
        changes=changes,
        refusals=refusals,
        memory=_left(picture, changes),
        verdicts=verdicts,
        quiet=quiet,
        candidate=candidate,
    )


def _left(picture: Picture, changes: Sequence[Change]) -> ServiceMemory:
    """The memory that the next step starts from: moves proposed, and the writes of the last hour."""
    memory = picture.memory
    writes = tuple([w for w in memory.writes if picture.at - w < HOUR])
    ahead = _ahead(changes, picture)
    if not changes and not memory.proposed and writes == memory.writes and ahead == memory.expected_load:
        return memory
    return replace(memory, proposed=_proposed(changes, picture), writes=writes, expected_load=ahead)


def _ahead(changes: Sequence[Change], picture: Picture) -> tuple[tuple[RegionName, float], ...]:
    """Requests/s expected in each region once the moves in flight are seen, those of this step included."""
    made = changes if picture.policy.mode is Mode.ACT else ()
    if not made and not picture.memory.flights:
        return ()
    model = picture.model
    scalers = list(model.scalers)
    for change in made:
        if change.region is not None:
            scalers[model.index(change.region)] = change.after
    loads = model.outcome(scalers).flow.loads
    return tuple((r.name, round(load, 3)) for r, load in zip(model.regions, loads, strict=True))


def _facts(
    service: Service,
    policy: Policy,
    view: ServiceView,
    setting: ServiceSetting,
    memory: ServiceMemory,
    at: float,
    holds: Holds,
    neighbours: SharedBackends,
) -> tuple[Facts, ...]:
    settings = {b.region: b for b in setting.backends}
    views = {b.region: b for b in view.backends}
    memories = {b.region: b for b in memory.backends}
    seen = [b.traffic.value[-1].end for b in view.backends if isinstance(b.traffic, Seen) and b.traffic.value]
    newest_end = max(seen, default=0.0)
    found = []
    for backend in sorted(service.backends, key=attrgetter("region")):
        name = backend.region
        ours = memories[name]
        facts = facts_of(
            backend,
            settings[name],
            ours,
            views[name],
            policy,
            at,
            neighbours.minutes(service.name, name),
            neighbours.load_from_peers(service.name, name, policy.timing.sample_period),
            newest_end,
        )
        held = at < ours.edit_grace_until or (
            bool(holds.items)
            and holds.find(service.name, name, HoldKind.HOLD, HoldKind.PIN, HoldKind.DRAIN) is not None
        )
        after = settle(remember(facts, policy, at), held=held, empty_for=policy.membership.drain_wait, at=at)
        found.append(facts if after is facts.memory else replace(facts, memory=after))
    return tuple(drop_departed_traffic(found, memory.origins, newest_end))


def _wanted(
    picture: Picture, holds: Holds, undo: Sequence[Change]
) -> tuple[Picture, tuple[Change, ...], str, Candidate | None]:
    """Everything that is wanted of this service, at most one change for each region; the first to speak is heard."""
    memory, stance = posture_change(picture)
    picture = picture if memory is picture.memory else replace(picture, memory=memory)
    decision = decide_ceilings(picture)
    memory, joins = membership_changes(picture, stuck=decision.stuck)
    picture = picture if memory is picture.memory else replace(picture, memory=memory)
    wanted = heard(
        () if stance is None else (stance,),
        operator_changes(picture, holds),
        dead_drains(picture),
        edit_reverts(picture),
        joins,
        undo,
        decision.changes,
    )
    candidate = _candidate(picture, decision)
    return picture, ordered(wanted), _quiet(picture, candidate), candidate


def _quiet(picture: Picture, candidate: Candidate | None) -> str:
    model = picture.model
    if model.forecast <= 0.0:
        return reason("no-data").sentence
    if candidate is not None:
        numbers = {"bad": candidate.bad_now, "best": candidate.bad_best, "least": candidate.least}
        return reason("no-better", **numbers).sentence
    if picture.memory.flights:
        count = len(picture.memory.flights)
        return reason("in-flight", moves="1 move is" if count == 1 else f"{count} moves are").sentence
    headroom = f"{model.potential / model.forecast - 1.0:.0%}"
    members = sum(r.member for r in model.regions)
    sick = failing(picture.facts, picture.policy.slo)
    if sick is not None:
        return sick.sentence
    well = sum(is_known(f) and f.serving and not f.dead for f in picture.facts)
    if not well:
        return reason("no-data").sentence
    which = f"all {members}" if well == members else f"{well} of {members}"
    who = "its one region is" if members == 1 else f"{which} regions are"
    return reason("all-well", regions=who, headroom=headroom).sentence


def _candidate(picture: Picture, decision: Decision) -> Candidate | None:
    total = picture.model.forecast
    if decision.found is None or total <= 0.0:
        return None
    return Candidate(
        service=picture.service.name,
        bad_now=decision.base.share(total),
        bad_best=decision.found.best.share(total),
        name=decision.found.name,
        second=decision.found.second,
        second_bad=decision.found.second_bad / total,
        least=decision.found.least / total,
    )


def _checked(
    setting: ServiceSetting, changes: tuple[Change, ...], picture: Picture, refusals: tuple[Refusal, ...]
) -> tuple[tuple[Change, ...], ServiceSetting, tuple[Refusal, ...]]:
    """The changes in their order, unless the plan refuses itself."""
    if not changes:
        return (), setting, refusals
    steps = ordered(changes)
    try:
        return steps, check_prefixes(setting, steps, picture), refusals
    except UnsafePlan as unsafe:
        why = reason("unsafe-plan", why=str(unsafe)).sentence
        gone = tuple(
            Refusal(guard="unsafe-plan", move=c.move(), narrowed_to=None, sentence=why) for c in steps
        )
        return (), setting, (*refusals, *gone)


def _proposed(changes: Sequence[Change], picture: Picture) -> tuple[Flight, ...]:
    """The flights that the plan's moves become once they are confirmed."""
    if not changes:
        return ()
    model, total = picture.model, picture.model.forecast
    scalers = list(model.scalers)
    for change in changes:
        if change.region is not None:
            scalers[model.index(change.region)] = change.after
    before, then = model.base, model.outcome(scalers)
    seen = bad_share(picture.facts)
    found = []
    for change in changes:
        hold, takes = 1.0, 0.0
        if change.region is not None:
            takes = model.regions[model.index(change.region)].takes
            ours = picture.memory.backend(change.region)
            hold = backoff_after(ours, picture.policy.rhythm, picture.at, change.after - change.before)
        found.append(
            Flight(
                move=change.move(),
                lever=change.lever,
                region=change.region,
                before=change.before,
                after=change.after,
                made_at=picture.at,
                predicted=then.share(total),
                otherwise=before.share(total),
                seen=seen if seen is not None else 0.0,
                demand=model.demand,
                takes=takes,
                undoes=change.reason.code == "undo",
                backoff=hold,
                member=change.member,
                leaving=change.leaving,
            )
        )
    return tuple(found)


__all__ = ["StepResult", "confirm", "fresh", "health_step", "step"]


def step(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    holds: Holds = Holds(),  # noqa: B008 - a frozen value
) -> StepResult:
    """One full pass: assess every service, decide, guard and plan.

    Args:
        fleet: All services, as configured.
        policies: By name; every service's `policy` must be among them.
        snapshot: What was observed.
        overlay: What the daemon wants at present.
        memory: As the last step (and `confirm`) gave it back.
        holds: Operators' commands; expired ones are ignored.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    return _run(fleet, policies, snapshot, overlay, memory, holds.active(snapshot.at), only_dead=False)


def health_step(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    holds: Holds = Holds(),  # noqa: B008 - a frozen value
) -> StepResult:
    """The fast pass: it may only drain dead regions that Google's auto-drain leaves in service.

    Same arguments as `step`; the snapshot needs listing and health alone.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    return _run(fleet, policies, snapshot, overlay, memory, holds.active(snapshot.at), only_dead=True)


def _run(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    holds: Holds,
    *,
    only_dead: bool,
) -> StepResult:
    neighbours = SharedBackends(fleet, None if only_dead else snapshot, memory)
    views = {v.service: v for v in snapshot.services}
    settings = {s.service: s for s in overlay.services}
    memories = {s.service: s for s in memory.services}
    parts: list[tuple[Part, Policy]] = []
    for service in sorted(fleet.services, key=lambda s: s.name):
        view = views.get(service.name)
        if view is None:
            continue
        policy = policies[service.policy]
        part = passage(
            service,
            policy,
            view,
            settings[service.name],
            memories.get(service.name) or ServiceMemory(service=service.name),
            snapshot.at,
            holds,
            neighbours,
            only_dead=only_dead,
        )
        neighbours.expect(part.memory)
        parts.append((part, policy))
    return _assemble(parts, overlay, memory)


def _assemble(parts: list[tuple[Part, Policy]], overlay: Overlay, memory: ControllerMemory) -> StepResult:
    written: list[Change] = []
    advised: list[Change] = []
    modes: set[str] = set()
    settings = {s.service: s for s in overlay.services}
    afters = dict(settings)
    for part, policy in parts:
        settings[part.setting.service] = afters[part.setting.service] = part.setting
        if policy.mode is Mode.ACT:
            afters[part.after.service] = part.after
            written.extend(part.changes)
        else:
            advised.extend(part.changes)
            modes.add(policy.mode.value)
    plan = Plan(
        overlay=Overlay(services=tuple(afters.values())), moves=tuple(c.move() for c in ordered(written))
    )
    advice = tuple(c.move() for c in ordered(advised))
    refusals = tuple(r for p, _ in parts for r in p.refusals)
    quiet = "; ".join(p.quiet if len(parts) == 1 else f"{p.assessment.service}: {p.quiet}" for p, _ in parts)
    known = {p.memory.service: p.memory for p, _ in parts}
    kept = {s.service: s for s in memory.services}
    services = tuple(sorted({**kept, **known}.values(), key=lambda s: s.service))
    return StepResult(
        assessment=tuple(p.assessment for p, _ in parts),
        wanted=tuple(c.move() for p, _ in parts for c in p.wanted),
        advice=advice,
        refusals=refusals,
        plan=plan,
        overlay=Overlay(services=tuple(settings.values())),
        memory=replace(memory, services=services),
        verdicts=tuple(v for p, _ in parts for v in p.verdicts),
        alarms=tuple(a for p, _ in parts for a in p.assessment.alarms),
        sentence=tell(
            plan, advice, refusals, quiet or "there is no data to judge by", "/".join(sorted(modes))
        ),
        candidates=tuple(p.candidate for p, _ in parts if p.candidate is not None),
    )


def confirm(memory: ControllerMemory, plan: Plan, outcome_done: bool, at: float) -> ControllerMemory:  # noqa: FBT001 - the contract with the loop
    """The memory after the write of `plan`.

    Args:
        memory: As `step` gave it back with this plan.
        plan: What was written.
        outcome_done: True if the write was carried out. Otherwise nothing is assumed: the next listing tells.
        at: UTC seconds of the write's end.
    """
    made = set(plan.moves)
    return replace(memory, services=tuple(_confirm(s, made, outcome_done, at) for s in memory.services))


def _confirm(memory: ServiceMemory, made: set[Move], done: bool, at: float) -> ServiceMemory:  # noqa: FBT001 - as above
    flights = tuple(replace(f, made_at=at) for f in memory.proposed if f.move in made)
    memory = replace(memory, proposed=())
    if not flights:
        return memory
    if not done:
        return replace(memory, unknown=(*memory.unknown, *flights))
    for flight in flights:
        memory = _make(memory, flight, at)
    counted = (at,) if any(not f.move.urgent for f in flights) else ()
    return replace(memory, flights=(*memory.flights, *flights), writes=(*memory.writes, *counted))


def _make(memory: ServiceMemory, flight: Flight, at: float) -> ServiceMemory:
    if flight.lever is Lever.POSTURE or flight.region is None:
        return replace(memory, posture_at=at, posture_wanted=None)
    ours = account(
        memory.backend(flight.region),
        member=flight.member,
        scaler=flight.after,
        at=at,
        hold=flight.backoff,
        leaving=flight.leaving,
    )
    return memory.with_backend(ours)
