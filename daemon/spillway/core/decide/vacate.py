"""How to take load from a region that people want emptied: room first, then the cut, as far as the floors allow.

One region is to go down to a goal. `way_down` looks for a set of ceilings in this order:

1. the cut alone;
2. the cut with its receivers opened as far as they receive well, and capped there, so that one does not topple the next;
3. the cut as deep as the constraints allow, with receivers as in 2.

Where only 3 is left, `helpers` names the standby regions that would make room. They join first, and are counted on once their
joining has taken effect. What is emptied is never the last open region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spillway.core.decide.limits import LEAST_STEP, Limits
from spillway.core.decide.proposals import Proposal, refusal
from spillway.core.estimate.belief import BackendBelief
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import Constraints, Violation, hundredths, scaler_for
from spillway.core.model.predict import Prediction, TrafficModel
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.limits import Allowed
from spillway.core.values.orders import OrderKind
from spillway.core.values.topology import SCALER_FLOOR, RegionName

HUNDREDTHS = 100
"""Scalers are set in hundredths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What can be done at once to lower one region to its goal."""

    scalers: tuple[float, ...]
    """The whole set, in the order of the model's regions."""
    reached: bool
    """Whether the region is at its goal then."""
    lacking: Violation | None
    """What keeps it from its goal; None where nothing does."""


@dataclass(frozen=True, kw_only=True)
class Emptying:
    """One region that is to go down to `goal`, and what may be done with the others meanwhile."""

    constraints: Constraints
    scalers: tuple[float, ...]
    """As they stand, with what was accepted before."""
    ranges: tuple[Allowed, ...]
    """What may be set for the sake of room, by region."""
    index: int
    goal: float

    @property
    def traffic(self) -> TrafficModel:
        """The model that the constraints speak of."""
        return self.constraints.traffic

    def broken(self, scalers: Sequence[float]) -> Violation | None:
        """The constraint that a set breaks against the one that stands."""
        requirements = self.constraints.against(self.traffic.predict(self.scalers))
        return requirements.broken(scalers, {self.traffic.regions[self.index].name})

    def with_room(self, to: float) -> tuple[float, ...]:
        """The set with the region at `to`, its receivers opened as far as they receive well and capped there."""
        scalers = list(self.scalers)
        scalers[self.index] = to
        # 1. open what was lowered, up to what it receives well
        for j, (region, row) in enumerate(zip(self.traffic.regions, self.constraints.rows, strict=True)):
            if j == self.index or not region.movable or region.dead or scalers[j] <= 0.0:
                continue
            opened = min(self.ranges[j].high, scaler_for(region, row.receives))
            scalers[j] = max(scalers[j], opened)
        # 2. cap what is pushed; each cap may push the next, so at most once for every region
        requirements = self.constraints.against(self.traffic.predict(self.scalers))
        for _ in self.traffic.regions:
            caps = [
                (j, cap)
                for j, cap in requirements.pushed(self.traffic.predict(scalers))
                if j != self.index and self.ranges[j].low <= cap < scalers[j]
            ]
            if not caps:
                break
            for j, cap in caps:
                scalers[j] = cap
        return tuple(scalers)


def way_down(task: Emptying) -> Way:
    """The furthest way towards the goal that breaks no constraint; it may be to do nothing."""
    alone = tuple(task.goal if j == task.index else s for j, s in enumerate(task.scalers))
    lacking = task.broken(alone)
    if lacking is None:
        return Way(scalers=alone, reached=True, lacking=None)
    roomy = task.with_room(task.goal)
    if task.broken(roomy) is None:
        return Way(scalers=roomy, reached=True, lacking=None)
    if lacking.code == "last-backend":
        return Way(scalers=task.scalers, reached=False, lacking=lacking)
    return Way(scalers=_partly(task), reached=False, lacking=lacking)


def _partly(task: Emptying) -> tuple[float, ...]:
    """The deepest cut above the goal that breaks nothing, by bisection over the hundredths."""
    now = task.scalers[task.index]
    if not task.traffic.regions[task.index].graded:
        return task.scalers  # no part of it can be taken
    low, high = round(max(task.goal, SCALER_FLOOR) * HUNDREDTHS), round(now * HUNDREDTHS)
    best = task.scalers
    while low < high:
        middle = (low + high) // 2
        found = task.with_room(middle / HUNDREDTHS)
        if task.broken(found) is None:
            best, high = found, middle
        else:
            low = middle + 1
    return best if best[task.index] <= now - LEAST_STEP else task.scalers


def emptying(limits: Limits, scalers: tuple[float, ...], region: RegionName, goal: float) -> Emptying:
    """The task for one region of a service."""
    model = limits.model
    return Emptying(
        constraints=model.constraints,
        scalers=scalers,
        ranges=tuple(bounds.allowed(Purpose.MAKE_ROOM) for bounds in limits.scalers),
        index=model.traffic.index(region),
        goal=goal,
    )


def with_standbys(task: Emptying, regions: Sequence[tuple[int, float]]) -> Emptying:
    """The same task once these regions, (index, scaler), have joined: their ceiling is their target's or a typical one."""
    joined = dict(regions)
    members = tuple(
        r._replace(member=True, movable=True, scaler=joined[i]) if i in joined else r
        for i, r in enumerate(task.traffic.regions)
    )
    nominal = tuple(members[i].ceiling if i in joined else n for i, n in enumerate(task.constraints.nominal))
    traffic = replace(task.traffic, regions=members)
    return replace(
        task,
        constraints=replace(task.constraints, traffic=traffic, nominal=nominal),
        scalers=tuple(joined.get(i, s) for i, s in enumerate(task.scalers)),
        ranges=tuple(Allowed() if i in joined else r for i, r in enumerate(task.ranges)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """Standby regions that would make room, and whether they make enough."""

    joins: tuple[tuple[int, float], ...]
    """(index, scaler) of each, the most useful first."""
    enough: bool


def helpers(limits: Limits, task: Emptying) -> Help:
    """The fewest standby regions, in the order of their use, with which the goal is reached; all of them where it is not."""
    model = limits.model
    first = hundredths(model.policy.membership.join_scaler)
    joins: list[tuple[int, float]] = []
    ranked = sorted(
        (_with_helper(task, i).score, i)
        for i in range(len(model.beliefs))
        if i != task.index and _may_join(limits, i)
    )
    for _, i in ranked:
        for scaler in (first, 1.0) if model.beliefs[i].backend.graded else (1.0,):
            tried = [*joins, (i, scaler)]
            if way_down(with_standbys(task, tried)).reached:
                return Help(joins=tuple(tried), enough=True)
        joins.append((i, 1.0))
    return Help(joins=tuple(joins), enough=False)


def _with_helper(task: Emptying, i: int) -> Prediction:
    """What is expected once the standby at `i` has joined; with the region emptied where it goes as a whole."""
    if task.traffic.regions[task.index].graded:
        return task.traffic.predict_with(i, 1.0)
    then = {i: 1.0, task.index: task.goal}
    return task.traffic.predict([then.get(j, s) for j, s in enumerate(task.scalers)])


def _may_join(limits: Limits, i: int) -> bool:
    """Whether a standby waits to be called, and neither people nor the calendar keep it out."""
    model, belief = limits.model, limits.model.beliefs[i]
    if not belief.waiting or not belief.backend.movable or belief.dead:
        return False
    if model.policy.planned_in(belief.region, model.at) is not None:
        return False
    kinds = (OrderKind.HOLD, OrderKind.PIN, OrderKind.DRAIN)
    return limits.orders.find(model.service.name, belief.region, *kinds) is None


def _newcomer(model: ServiceModel, belief: BackendBelief) -> bool:
    """Whether a region has joined so lately that nobody can have been sent there yet."""
    joined = belief.memory.joined_at
    return belief.setting.member and joined is not None and model.at - joined < model.policy.timing.effect


def receivers(task: Emptying, way: Way, service: str) -> list[Change]:
    """The changes of a way beside the cut itself: what is opened, and what is capped before the cut."""
    emptied = task.traffic.regions[task.index].name
    changes = []
    for j, (region, now, then) in enumerate(
        zip(task.traffic.regions, task.scalers, way.scalers, strict=True)
    ):
        if j == task.index or then == now:
            continue
        why = reason("room-for-drain", region=region.name, scaler=then, other=emptied)
        changes.append(
            Change(
                service=service,
                region=region.name,
                lever=Lever.SCALER,
                purpose=Purpose.MAKE_ROOM,
                before=now,
                after=then,
                reason=why,
                ahead=then < now,
            )
        )
    return changes


def standby_joins(model: ServiceModel, found: Help, emptied: RegionName) -> list[Change]:
    """The joins of the standbys that make room."""
    changes = []
    for i, scaler in found.joins:
        belief = model.beliefs[i]
        member = belief.setting.member
        changes.append(
            Change(
                service=model.service.name,
                region=belief.region,
                lever=Lever.MEMBERSHIP,
                purpose=Purpose.JOIN,
                before=belief.setting.scaler if member else 0.0,
                after=scaler,
                reason=reason("join-for-drain", region=belief.region, other=emptied),
                was_member=member,
            )
        )
    return changes


def told(violation: Violation) -> Reason:
    """A violation as a reason."""
    return reason(violation.code, **violation.numbers)


def without_newcomers(task: Emptying, model: ServiceModel) -> Emptying:
    """The same task without regions that have joined so lately that nobody can have been sent there yet."""
    new = {i for i, f in enumerate(model.beliefs) if _newcomer(model, f)}
    if not new:
        return task
    away = tuple(
        r._replace(member=False, movable=False, scaler=0.0) if i in new else r
        for i, r in enumerate(task.traffic.regions)
    )
    rules = replace(
        task.constraints,
        traffic=replace(task.traffic, regions=away),
        nominal=tuple(0.0 if i in new else n for i, n in enumerate(task.constraints.nominal)),
    )
    return replace(
        task, constraints=rules, scalers=tuple(0.0 if i in new else s for i, s in enumerate(task.scalers))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What is to be expected of an emptying: what can be done now, and who must come first."""

    task: Emptying
    way: Way
    help: Help | None
    """None where nobody else is needed."""
    soon: bool
    """Whether the goal is reached once those who have just joined can be sent load."""

    @property
    def possible(self) -> bool:
        """Whether the goal will be reached: now, or once those who are called or on the way have come."""
        return self.way.reached or self.soon or (self.help is not None and self.help.enough)

    @property
    def partly(self) -> bool:
        """Whether a part of it can be done now, which is worth a write because the rest is not in sight."""
        return not self.possible and self.way.scalers != self.task.scalers


def prospect(limits: Limits, scalers: tuple[float, ...], region: RegionName, goal: float) -> Prospect:
    """Look at how `region` may come down to `goal`, from `scalers` as they stand."""
    counted = emptying(limits, scalers, region, goal)
    task = without_newcomers(counted, limits.model)
    way = way_down(task)
    soon = not way.reached and task is not counted and way_down(counted).reached
    called = None if way.reached or soon else helpers(limits, counted)
    return Prospect(task=task, way=way, help=called, soon=soon)


def outcome_of(limits: Limits, found: Prospect) -> tuple[TrafficModel, Prediction]:
    """What is expected once the goal is reached: with those who are called or on the way, or by force where it is reached in no other way."""
    task, way = found.task, found.way
    if found.soon:
        task = emptying(
            limits, limits.model.traffic.scalers, task.traffic.regions[task.index].name, task.goal
        )
        way = way_down(task)
    elif found.help is not None and found.help.enough:
        task = with_standbys(task, found.help.joins)
        way = way_down(task)
    alone = tuple(task.goal if j == task.index else s for j, s in enumerate(task.scalers))
    return task.traffic, task.traffic.predict(way.scalers if way.reached else alone)


def make_way(limits: Limits, found: Prospect, cut: Change, part: Change) -> list[Proposal]:
    """What is proposed for one region that is to be emptied.

    Args:
        limits: Of its service.
        found: How it may come down.
        cut: The whole way.
        part: The same as far as the floors allow; its scaler is filled in.
    """
    model, service = limits.model, limits.model.service.name
    if found.way.reached:
        return [Proposal(changes=(*receivers(found.task, found.way, service), cut))]
    proposals = []
    if found.help is not None and cut.region is not None:
        joins = standby_joins(model, found.help, cut.region)
        proposals += [Proposal(changes=(join,)) for join in joins]
    if cut.forced:
        return [*proposals, Proposal(changes=(cut,))]
    refused = (refusal(cut.move(), told(found.way.lacking)),) if found.way.lacking is not None else ()
    changes: tuple[Change, ...] = ()
    if found.partly:
        part = replace(part, after=found.way.scalers[found.task.index])
        changes = (*receivers(found.task, found.way, service), part)
    return [*proposals, Proposal(changes=changes, refusals=refused)]
