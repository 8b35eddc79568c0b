"""One service's passage through a step: take over, learn, picture, review, wish, guard, plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from spillway.core import dead, decide, drift, edits, membership, operate, posture, sources, verify
from spillway.core.altered import altered
from spillway.core.assess import assess, panic_of
from spillway.core.bookkeeping import settle
from spillway.core.condition import is_known, remember
from spillway.core.facts import Facts, facts_of
from spillway.core.guards import Situation, narrow
from spillway.core.holds import HoldKind, Holds
from spillway.core.maker import maker
from spillway.core.memory import Flight, ServiceMemory
from spillway.core.moved import without_moved
from spillway.core.neighbours import Neighbours
from spillway.core.outcome import Candidate
from spillway.core.overlay import ServiceSetting
from spillway.core.picture import Picture, build, posture_set
from spillway.core.plan import check_prefixes, ordered
from spillway.core.policy import Mode, Policy
from spillway.core.promise import failing
from spillway.core.reasons import reason
from spillway.core.rest import hold_after
from spillway.core.result import Refusal, ServiceAssessment, Verdict
from spillway.core.snapshot import Seen, ServiceView
from spillway.core.topology import Service
from spillway.core.units import HOUR, RegionName
from spillway.core.wishes import Change, heard
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


_part, _situation = maker(Part), maker(Situation)


def passage(
    service: Service,
    policy: Policy,
    view: ServiceView,
    setting: ServiceSetting,
    memory: ServiceMemory,
    at: float,
    holds: Holds,
    neighbours: Neighbours,
    *,
    only_dead: bool,
) -> Part:
    """Take one service through a full pass, or with `only_dead` through the fast one."""
    if memory.flights:
        names = {b.region for b in service.backends}
        flights = tuple(f for f in memory.flights if f.region is None or f.region in names)
        memory = altered(memory, flights=flights)
    found = drift.resolve(setting, memory, view, policy, at)
    setting, memory = found.setting, found.memory
    facts = _facts(service, policy, view, setting, memory, at, holds, neighbours)
    memory = altered(memory, backends=tuple(f.memory for f in facts), proposed=())
    verdicts: tuple[Verdict, ...] = ()
    candidate = None
    if only_dead:
        picture = build(service, facts, memory, policy, setting.posture, at)
        panic, _ = panic_of(picture, only_dead=True)
        wanted, quiet = dead.drains(picture), "no region is dead that Google's auto-drain leaves in service"
    else:
        settings = posture_set(policy, setting.posture)
        memory = sources.update(memory, facts, view.places, settings, policy)
        picture = build(service, facts, memory, policy, setting.posture, at)
        panic, since = panic_of(picture, only_dead=False)
        if since != memory.panic_since:
            picture = altered(picture, memory=altered(memory, panic_since=since))
        review = verify.review(picture)
        if review.memory is not picture.memory:
            picture = altered(picture, memory=review.memory)
        verdicts = review.verdicts
        picture, wanted, quiet, candidate = _wanted(picture, holds, review.undo)
    start = _situation(picture=picture, holds=holds, panic=panic, scalers=picture.model.scalers)
    guarded = narrow(wanted, start)
    changes, after, refusals = _checked(setting, guarded.changes, picture, guarded.refusals)
    alarms = found.alarms if panic is None else (*found.alarms, altered(panic, code="panic-alarm"))
    return _part(
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
    if not changes and not memory.proposed and writes == memory.writes and ahead == memory.ahead:
        return memory
    return altered(memory, proposed=_proposed(changes, picture), writes=writes, ahead=ahead)


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
    neighbours: Neighbours,
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
            neighbours.load(service.name, name, policy.timing.sample_period),
            newest_end,
        )
        held = at < ours.held_until or (
            bool(holds.items)
            and holds.find(service.name, name, HoldKind.HOLD, HoldKind.PIN, HoldKind.DRAIN) is not None
        )
        after = settle(remember(facts, policy, at), held=held, empty_for=policy.membership.drain_wait, at=at)
        found.append(facts if after is facts.memory else altered(facts, memory=after))
    return tuple(without_moved(found, memory.origins, newest_end))


def _wanted(
    picture: Picture, holds: Holds, undo: Sequence[Change]
) -> tuple[Picture, tuple[Change, ...], str, Candidate | None]:
    """Everything that is wanted of this service, at most one change for each region; the first to speak is heard."""
    memory, stance = posture.wish(picture)
    picture = picture if memory is picture.memory else altered(picture, memory=memory)
    decision = decide.decide(picture)
    memory, joins = membership.wishes(picture, stuck=decision.stuck)
    picture = picture if memory is picture.memory else altered(picture, memory=memory)
    wanted = heard(
        () if stance is None else (stance,),
        operate.wishes(picture, holds),
        dead.drains(picture),
        edits.wishes(picture),
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
    headroom = f"{model.potential() / model.forecast - 1.0:.0%}"
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


def _candidate(picture: Picture, decision: decide.Decision) -> Candidate | None:
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
    before, then = model.base(), model.outcome(scalers)
    seen = verify.bad_share(picture.facts)
    found = []
    for change in changes:
        hold, takes = 1.0, 0.0
        if change.region is not None:
            takes = model.regions[model.index(change.region)].takes
            ours = picture.memory.backend(change.region)
            hold = hold_after(ours, picture.policy.rhythm, picture.at, change.after - change.before)
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
                hold=hold,
                member=change.member,
                leaving=change.leaving,
            )
        )
    return tuple(found)
