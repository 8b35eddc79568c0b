"""What a proposer is given, what it gives back, and how a proposal is accepted.

Proposers are asked in the order of `core.loop.PROPOSERS`. A proposal is a set of changes that belong together: it is accepted
whole or refused whole, and a refusal names the limit or the constraint that was active. What is accepted is fixed for all
proposers that follow, and at most one change is accepted for each region.

`cutting`, `may_move`, `well_for_long` and `may_reopen` are what several proposers ask before they propose a raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from spillway.core.decide.limits import Limits
from spillway.core.estimate.belief import BackendBelief
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import Violation
from spillway.core.model.predict import Region, TrafficModel
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import Review
from spillway.core.values.decision import Candidate, Change, Lever, Move, Reason, Refusal, ordered
from spillway.core.values.lifecycle import has_dwelt
from spillway.core.values.limits import PASSES, LimitKind
from spillway.core.values.orders import Orders
from spillway.core.values.topology import RegionName


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that a proposer may look at."""

    model: ServiceModel
    """The service with its belief, and the joint constraints."""
    limits: Limits
    verdicts: Review
    """What became of earlier moves."""
    edits: tuple[tuple[RegionName, Reason], ...] = ()
    """What others changed, as (region, note)."""
    orders: Orders = field(default_factory=Orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Changes that belong together, and what was looked at to find them."""

    changes: tuple[Change, ...]
    candidate: Candidate | None = None
    refusals: tuple[Refusal, ...] = ()
    """What the proposer itself left out, and why."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The changes accepted so far. Each step gives a new value."""

    context: Context
    scalers: tuple[float, ...]
    """In the order of the model's regions, accepted changes included."""
    changes: tuple[Change, ...] = ()
    wanted: tuple[Change, ...] = ()
    """All changes that were proposed."""
    refusals: tuple[Refusal, ...] = ()
    candidate: Candidate | None = None

    @cached_property
    def regions(self) -> frozenset[RegionName | None]:
        """Regions whose change is fixed; None is among them if the posture changes."""
        return frozenset(c.region for c in self.changes)

    @cached_property
    def traffic(self) -> TrafficModel:
        """The model with the accepted changes in force: what the next proposer starts from."""
        return with_changes(self.context.model.traffic, self.changes)

    def consider(self, proposal: Proposal) -> Accepted:
        """Accept a proposal whole, or refuse it whole."""
        considered = replace(
            self,
            candidate=proposal.candidate or self.candidate,
            refusals=(*self.refusals, *proposal.refusals),
        )
        # 1. at most one change for each region: the first proposer wins; a set of the search that lost a change is dropped
        changes = tuple(
            by_its_lever(self.context.model, c) for c in proposal.changes if c.region not in self.regions
        )
        if not changes or (len(changes) < len(proposal.changes) and proposal.candidate is not None):
            return considered
        considered = replace(considered, wanted=(*considered.wanted, *changes))
        # 2. the limits of each lever
        limited = tuple(r for c in changes if (r := _limited(self.context, c)) is not None)
        if limited:
            return replace(considered, refusals=(*considered.refusals, *limited))
        # 3. the joint constraints of the set
        violation = self._violation(changes)
        if violation is not None:
            why = reason(violation.code, **violation.numbers)
            refused = tuple(refusal(c.move(), why) for c in changes)
            return replace(considered, refusals=(*considered.refusals, *refused))
        return replace(considered, scalers=self._after(changes), changes=(*self.changes, *changes))

    def _after(self, changes: Sequence[Change]) -> tuple[float, ...]:
        scalers, traffic = list(self.scalers), self.context.model.traffic
        for change in changes:
            if change.region is not None:
                scalers[traffic.index(change.region)] = change.after
        return tuple(scalers)

    def _violation(self, changes: Sequence[Change]) -> Violation | None:
        cuts = [c for c in changes if c.down]
        if not cuts:
            return None
        # one drain at a time, counting those that were accepted before
        drains = [c.region for c in (*self.changes, *changes) if c.down and c.after == 0.0 and not c.urgent]
        if len(drains) > 1:
            return Violation(code="one-drain", numbers={"other": drains[0]})
        traffic = self.context.model.traffic
        requirements = self.context.model.constraints.against(traffic.predict(self.scalers))
        if all(c.forced for c in cuts):
            return requirements.closes_last(self._after(changes))
        shed = {c.region for c in cuts if c.region is not None and not c.ahead}
        return requirements.broken(self._after(changes), shed, dead_drain=all(c.urgent for c in cuts))


class Proposer(Protocol):
    """A function that proposes changes of one kind."""

    def __call__(self, context: Context, accepted: Accepted, /) -> Iterable[Proposal]:
        """Proposals in the order in which they are to be considered; none where there is nothing to propose."""


def propose(proposers: Sequence[Proposer], context: Context) -> Accepted:
    """Ask every proposer in turn; what is accepted is fixed for those that follow."""
    accepted = Accepted(context=context, scalers=context.model.traffic.scalers)
    for proposer in proposers:
        for proposal in proposer(context, accepted):
            accepted = accepted.consider(proposal)
    return accepted


def each(changes: Iterable[Change]) -> Iterable[Proposal]:
    """Every change as a proposal of its own, what adds capacity first."""
    return [Proposal(changes=(change,)) for change in ordered(tuple(changes))]


def with_changes(traffic: TrafficModel, changes: Sequence[Change]) -> TrafficModel:
    """The model after `changes`. A region that joins counts only once it is a member."""
    by_region = {c.region: c for c in changes if c.was_member and c.lever is not Lever.POSTURE}
    if not by_region:
        return traffic
    regions = tuple(r if (c := by_region.get(r.name)) is None else _changed(r, c) for r in traffic.regions)
    return replace(traffic, regions=regions)


def _changed(region: Region, change: Change) -> Region:
    """The region after one change; one that is detached for want of a scaler counts as a member with a scaler of 0."""
    member = change.member or not (region.graded or change.leaving)
    return region._replace(scaler=change.after, member=member, movable=region.movable and member)


def by_its_lever(model: ServiceModel, change: Change) -> Change:
    """The same change by the lever that its region has: where there is no scaler, 0 is detached and all else is attached.

    A service in a split stays a member: its weight alone goes to 0, also for planned work.
    """
    if change.region is None:
        return change
    backend = model.belief(change.region).backend
    if backend.weight is not None:
        return replace(change, lever=Lever.WEIGHT, member=True, leaving=False)
    if backend.has_scaler:
        return change
    return replace(change, lever=Lever.MEMBERSHIP, member=change.after > 0.0, was_member=change.before > 0.0)


def refusal(move: Move, why: Reason) -> Refusal:
    """A move that is not made, by the reason of the limit that was active."""
    return Refusal(limit=why.code, move=move, sentence=why.sentence)


def _limited(context: Context, change: Change) -> Refusal | None:
    """The limit that keeps this change from being made, or None."""
    if change.region is None:
        passed = PASSES[change.purpose]
        bound = next((b for b in context.limits.posture if b.kind not in passed), None)
    else:
        bound = context.limits.of(change.region).active(change.after, change.purpose)
    if bound is None:
        return None
    return replace(refusal(change.move(), bound.reason), ordered=bound.kind is LimitKind.OPERATOR_ORDER)


def may_move(model: ServiceModel, belief: BackendBelief, direction: int) -> bool:
    """Whether neither its dwell nor somebody else's edit forbids a move. -1 down, 1 up, 0 up as far as proven."""
    return belief.memory.pin is None and has_dwelt(
        belief.memory,
        model.policy,
        model.at,
        direction,
        model.dead_time,
        whole=not belief.backend.graded,
    )


def cutting(model: ServiceModel) -> bool:
    """Whether the effect of a cut is not seen yet."""
    return any(f.after < f.before for f in model.memory.flights)


def well_for_long(model: ServiceModel, belief: BackendBelief) -> bool:
    """Whether the region has been well for long enough for more load, and its dwell is over. The limits check both again."""
    since = belief.memory.well_since
    if since is None or model.at - since < model.policy.rhythm.up_wait:
        return False
    return may_move(model, belief, 1)


def may_reopen(model: ServiceModel, region: Region, belief: BackendBelief) -> bool:
    """Whether a region with a scaler of 0 may get load again: it has been well for long enough, and its dwell is over."""
    closed = region.member and region.scaler == 0.0 and region.movable and not belief.memory.leaving
    return closed and well_for_long(model, belief)
