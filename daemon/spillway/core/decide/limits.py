"""What a guard may look at.

Guards of capacity: floors, the last backend, and what receivers can take; and the scaler's own law.

Guards of evidence: what is missing, late, thin or absurd can stop a move and never causes one.

Guards of people's will: operator holds, freezes, outside edits; and of unknown outcomes.

Guards of rhythm: rests, steps, budgets, one drain at a time.

Run the chain over all changes of one service.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from spillway.core.decide.reopen import may_sink
from spillway.core.decide.verify import PATIENCE, SHOWS, arrived
from spillway.core.estimate.dwell import required_dwell
from spillway.core.estimate.sample import Blind, Window
from spillway.core.explain.reasons import reason
from spillway.core.model.constraints import (
    GRAIN,
    capped,
    effective_of,
    floor_of,
    nominal_floor,
    nominal_of,
    serving_of,
    sure_of,
    tight,
)
from spillway.core.model.service import Picture
from spillway.core.values.decision import BackendState, Change, Lever, Reason, Refusal, ordered
from spillway.core.values.orders import HoldKind, Holds
from spillway.core.values.snapshot import Absence
from spillway.core.values.units import HOUR, SCALER_FLOOR, is_legal_scaler, legal_scaler


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A guard's objection: the scaler that is left, or None if the change is gone, and why."""

    left: float | None
    why: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The service as it stands with the changes that were let through so far."""

    picture: Picture
    holds: Holds
    panic: Reason | None
    scalers: tuple[float, ...]
    """In the order of the model's regions, accepted changes included."""
    accepted: tuple[Change, ...] = ()

    def index(self, change: Change) -> int:
        """Position of the changed region in the model.

        Raises:
            ValueError: a change of posture has none.
        """
        return self.picture.model.index(change.region or "")

    def with_scaler(self, change: Change, value: float) -> tuple[float, ...]:
        """The scalers if the changed region had `value`."""
        i = self.index(change)
        return (*self.scalers[:i], value, *self.scalers[i + 1 :])

    def accept(self, change: Change) -> Situation:
        """The situation with one more change let through."""
        if change.region is None:
            return replace(self, accepted=(*self.accepted, change))
        return replace(
            self, scalers=self.with_scaler(change, change.after), accepted=(*self.accepted, change)
        )


def refused(why: Reason) -> Ruling:
    """The change is gone."""
    return Ruling(left=None, why=why)


ROUNDING = 1e-7
"""Rounding allowed to a floor, as a share of it: less than the plan's own check allows."""

WORTH = 0.4
"""Share of a cut's gain that must be left for it to be made at all: a trifle would use up the region's rest."""

Objection = Callable[[Sequence[float]], Reason | None]


def legal(change: Change, now: Situation) -> Ruling | None:
    """Google takes 0 or 0.1 to 1.0: what lies between goes to the legal value on the side of the present one."""
    del now
    if change.lever is Lever.POSTURE or is_legal_scaler(change.after):
        return None
    left = min(1.0, max(0.0, legal_scaler(change.after)))
    if 0.0 < change.after < SCALER_FLOOR:
        left = SCALER_FLOOR if change.before >= SCALER_FLOOR else 0.0
    return Ruling(left=left, why=reason("legal-value", value=change.after, left=left))


def regions(change: Change, now: Situation) -> Ruling | None:
    """At least `min_serving_regions` stay open, and never is the last one closed."""
    if not change.down or change.after > 0.0:
        return None
    before = serving_of(now.picture, now.scalers)
    left = serving_of(now.picture, now.with_scaler(change, 0.0))
    keeps = SCALER_FLOOR if change.before > SCALER_FLOOR and change.lever is Lever.SCALER else None
    still_open = sum(1 for s in now.with_scaler(change, 0.0) if s > 0.0)
    if still_open == 0 or (left == 0 and not _lost_anyway(change, now)):
        return Ruling(left=keeps, why=reason("last-backend", region=change.region))
    floor = now.picture.policy.floors.min_serving_regions
    if left < floor and left < before:
        return Ruling(left=keeps, why=reason("floor-regions", left=left, floor=floor))
    return None


def _lost_anyway(change: Change, now: Situation) -> bool:
    return now.picture.fact(change.region or "").dead


def capacity(change: Change, now: Situation) -> Ruling | None:
    """Effective capacity stays at demand x (1 + reserve), or is no worse than before."""
    if not change.down:
        return None
    return _narrowed(change, now, floors(now.picture, now.scalers, urgent=change.urgent))


def floors(picture: Picture, before: Sequence[float], *, urgent: bool = False) -> Objection:
    """What the capacity floors object to in scalers that follow `before`.

    Both as Google's terms have it (target x scaler x healthy share) and as it was learned. Less of the first is no loss where
    a region was found to take no more. A dead region's drain need only keep the first, because nothing was learned that
    it could still give.
    """
    floor = floor_of(picture)
    nominal, carries = nominal_of(picture, before), effective_of(picture, before)
    nominal_least = min(nominal_floor(picture), nominal)
    rounding = ROUNDING * floor
    sure_least = min(floor, sure_of(picture, before)) - rounding

    def objection(scalers: Sequence[float]) -> Reason | None:
        left = nominal_of(picture, scalers)
        if left < nominal_least - rounding and sure_of(picture, scalers) < sure_least:
            return reason("floor-capacity", after=left, before=nominal, floor=floor)
        left = effective_of(picture, scalers)
        if left < min(floor, carries) - rounding and not urgent:
            return reason("floor-capacity", after=left, before=carries, floor=floor)
        return None

    return objection


def receivers(change: Change, now: Situation) -> Ruling | None:
    """What is shed must fit elsewhere, by prediction; in a shortage it must at least make fewer requests bad."""
    if not change.down or change.urgent:
        return None
    return _narrowed(change, now, pushes(now, now.scalers, {change.region or ""}))


def pushes(now: Situation, scalers_before: Sequence[float], shed: Collection[str]) -> Objection:
    """What receivers object to in scalers that follow `scalers_before`; the regions in `shed` are the ones that give."""
    picture, model = now.picture, now.picture.model
    limit = picture.policy.floors.receiver_limit
    before = model.outcome(scalers_before)
    short = model.forecast > limit * model.potential or tight(picture)

    def objection(scalers: Sequence[float]) -> Reason | None:
        after = model.outcome(scalers)
        if short and after.bad < before.bad * (1.0 - picture.policy.rhythm.margin):
            return None
        for load, was, region in zip(after.flow.loads, before.flow.loads, model.regions, strict=True):
            if region.name in shed or load <= was * GRAIN + 1e-6:
                continue
            takes = region.receives(limit)
            if load > takes * GRAIN:
                return reason(
                    "receiver-limit", receiver=region.name, load=load, capacity=region.likely, limit=limit
                )
        return None

    return objection


def _narrowed(change: Change, now: Situation, objection: Objection) -> Ruling | None:
    """The smallest cut towards the wanted one that meets no objection."""
    first = objection(now.with_scaler(change, change.after))
    if first is None:
        return None
    if change.lever is not Lever.SCALER or change.before - change.after < 0.02:
        return refused(first)
    value = _nearest(change, lambda v: objection(now.with_scaler(change, v)) is None)
    if value is None:
        return refused(first)
    model = now.picture.model
    before, wanted = model.outcome(now.scalers).bad, model.outcome(now.with_scaler(change, change.after)).bad
    gain = before - model.outcome(now.with_scaler(change, value)).bad
    if not change.ordered and gain < WORTH * (before - wanted):
        return refused(first)
    return Ruling(left=value, why=first)


def _nearest(change: Change, holds: Callable[[float], bool]) -> float | None:
    """The legal scaler nearest to the wanted one that `holds`, to a hundredth; deeper cuts never hold where shallower do not."""
    low, high = round(100.0 * change.after), round(100.0 * change.before)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(legal_scaler(middle / 100.0)) else (middle, high)
    value = legal_scaler(high / 100.0)
    return value if change.after < value < change.before else None


def panic(change: Change, now: Situation) -> Ruling | None:
    """Too much looks bad at once: suspect the measurement."""
    if now.panic is None or change.ordered:
        return None
    return refused(now.panic)


def movable(change: Change, now: Situation) -> Ruling | None:
    """Some backends have no scaler, and that of a single one may not move."""
    if change.region is None:
        return None
    facts = now.picture.fact(change.region)
    members = sum(1 for r in now.picture.model.regions if r.member)
    alone = change.lever is Lever.SCALER and members < 2
    if not facts.backend.movable:
        return refused(reason("not-movable", region=change.region))
    if alone:
        return refused(reason("alone", region=change.region))
    return None


LATE_SHARE = 0.35
"""Share of its lateness that a trouble must have lasted, in what is seen of it, to be believed to last still: what has lasted
for long goes on for long (Lindy's rule), what has begun just before the picture was taken may be over."""


def _late(change: Change, now: Situation, age: float) -> Ruling | None:
    """Old pictures: a cut needs trouble that has lasted, and nothing is raised but to make room."""
    timing = now.picture.policy.timing
    late = age - timing.visibility_delay - 2.0 * timing.sample_period
    if late <= 0.0 or change.ahead or change.reason.code in {"make-room", "undo"}:
        return None
    facts = now.picture.fact(change.region or "")
    lasted = facts.estimate.failures.bad_minutes * timing.sample_period
    needed = LATE_SHARE * late
    if change.down and lasted >= needed:
        return None
    return refused(reason("late-evidence", region=facts.region, age=age, lasted=lasted, needed=needed))


def fresh(change: Change, now: Situation) -> Ruling | None:
    """A region is moved on its own fresh, plentiful samples; a return from 0 on a fresh health read."""
    if change.region is None or change.ordered or change.lever is Lever.MEMBERSHIP:
        return None
    facts = now.picture.fact(change.region)
    if change.urgent or change.before == 0.0:
        if facts.health is not None:
            return None
        return refused(reason("stale-data", region=change.region, age="missing (health)"))
    window = facts.window
    if isinstance(window, Blind):
        if facts.silent and not change.down:
            return None  # nobody is sent there, so there is nothing to be seen
        if window.absence is Absence.GARBAGE:
            return refused(reason("garbage-data", region=change.region, why=window.why))
        age = f"{window.age:.0f} s old" if window.age is not None else f"missing ({window.why})"
        return refused(reason("stale-data", region=change.region, age=age))
    late = _late(change, now, window.age)
    if late is not None:
        return late
    needed = now.picture.policy.evidence.min_requests
    if change.down and window.answers < needed:
        return refused(reason("thin-evidence", region=change.region, seen=window.answers, needed=needed))
    return None


def operator(change: Change, now: Situation) -> Ruling | None:
    """A hold stops everything; a pin or a drain stops everything but itself."""
    held = now.holds.find(change.service, change.region, HoldKind.HOLD)
    if held is not None:
        what = held.region or held.service or "everything"
        return refused(reason("operator-hold", what=what, why=held.reason))
    if change.region is None or change.reason.code in {"operator-pin", "operator-drain"}:
        return None
    pinned = now.holds.find(change.service, change.region, HoldKind.PIN, HoldKind.DRAIN)
    if pinned is None:
        return None
    return refused(reason("operator-hold", what=change.region, why=pinned.reason))


def freeze(change: Change, now: Situation) -> Ruling | None:
    """Nothing moves in a freeze but drains of dead regions and what operators order."""
    if change.urgent or change.ordered:
        return None
    for span in now.picture.policy.freezes:
        if span.start <= now.picture.at < span.end and span.region in {None, change.region}:
            return refused(reason("freeze", why=span.reason))
    return None


def unknown(change: Change, now: Situation) -> Ruling | None:
    """After a write of unknown outcome, nothing is written before the listing has told."""
    del change
    return refused(reason("unknown-outcome")) if now.picture.memory.unknown else None


def outside_edit(change: Change, now: Situation) -> Ruling | None:
    """A person's edit is left alone for one dwell."""
    if change.region is None or change.urgent or change.ordered or change.reason.code == "revert-edit":
        return None
    if now.picture.at < now.picture.fact(change.region).memory.edit_grace_until:
        return refused(reason("outside-edit", region=change.region))
    return None


def resting(change: Change, now: Situation) -> Ruling | None:
    """A backend rests after a move for at least the dead time; an undo comes after just that."""
    if (
        change.region is None
        or change.urgent
        or change.ordered
        or change.reason.code in {"undo", "revert-edit"}
    ):
        return None
    picture = now.picture
    memory = picture.fact(change.region).memory
    if memory.moved_at is None:
        return None
    ago = picture.at - memory.moved_at
    direction = -1 if change.down else 0 if _proven(change, now) else 1
    rhythm, timing = picture.policy.rhythm, picture.policy.timing
    rest = required_dwell(memory, rhythm, timing, picture.at, direction, picture.dead_time)
    if change.lever is Lever.MEMBERSHIP and not change.member:
        rest = 0.0
    if ago < rest and not (change.down and may_sink(picture, picture.fact(change.region))):
        return refused(reason("resting", region=change.region, ago=ago, rest=rest))
    return None


def _proven(change: Change, now: Situation) -> bool:
    """Whether a raise goes no further than what the region was proven to take."""
    region = now.picture.model.regions[now.index(change)]
    return change.lever is Lever.SCALER and change.after <= capped(region) + 1e-9


def well(change: Change, now: Situation) -> Ruling | None:
    """What is raised because it looks well must have looked well for a while; what makes room was weighed as a set."""
    if change.region is None or not change.up or change.lever is not Lever.SCALER or change.ordered:
        return None
    picture = now.picture
    memory = picture.fact(change.region).memory
    if change.reason.code in {"make-room", "foresee", "share-shortage", "undo", "revert-edit"}:
        return None
    since = picture.at - memory.well_since if memory.well_since is not None else 0.0
    needed = picture.policy.rhythm.up_wait
    if memory.well_since is None or since < needed:
        return refused(reason("not-well-yet", region=change.region, well=since, needed=needed))
    return None


def effect(change: Change, now: Situation) -> Ruling | None:
    """A cut that has not arrived yet is waited for, up to several dead times: the real delay may be longer."""
    if change.urgent or change.ordered:
        return None
    picture = now.picture
    for flight in picture.memory.flights:
        ago = picture.at - flight.made_at
        if flight.region is None or flight.region != change.region or ago >= PATIENCE * picture.dead_time:
            continue
        if ago < picture.dead_time or arrived(flight, picture):
            continue
        facts = picture.fact(flight.region)
        load = facts.window.rate if isinstance(facts.window, Window) else 0.0
        ceiling = SHOWS * flight.after * (facts.target or 0.0)
        return refused(reason("effect-awaited", region=flight.region, ago=ago, load=load, ceiling=ceiling))
    return None


def step(change: Change, now: Situation) -> Ruling | None:
    """One move changes a scaler by at most a step."""
    if change.lever is not Lever.SCALER or change.ordered or change.reason.code in {"undo", "revert-edit"}:
        return None
    rhythm = now.picture.policy.rhythm
    size = rhythm.up_step if change.up else rhythm.down_step
    if change.urgent or abs(change.after - change.before) <= size + 1e-9:
        return None
    left = change.before + size if change.up else change.before - size
    return Ruling(left=left, why=reason("step-limit", step=size))


def budget(change: Change, now: Situation) -> Ruling | None:
    """Writes for one service in an hour; drains of dead regions and operators' orders pass."""
    if change.urgent or change.ordered:
        return None
    rhythm = now.picture.policy.rhythm
    writes = sum(1 for at in now.picture.memory.writes if now.picture.at - at < HOUR)
    if writes >= rhythm.moves_per_hour:
        return refused(reason("budget-spent", writes=writes, budget=rhythm.moves_per_hour))
    return None


def one_drain(change: Change, now: Situation) -> Ruling | None:
    """One region is emptied at a time; a dead one is empty already."""
    if change.region is None or change.after > 0.0 or not change.down or change.urgent:
        return None
    for facts in now.picture.facts:
        busy = facts.memory.state in {BackendState.DRAINING, BackendState.LEAVING}
        if facts.region != change.region and busy and facts.setting.member and not facts.dead:
            return refused(reason("one-drain", other=facts.region))
    for other in now.accepted:
        if other.region != change.region and other.down and other.after == 0.0 and not other.urgent:
            return refused(reason("one-drain", other=other.region))
    return None


Guard = Callable[[Change, Situation], Ruling | None]

CHAIN: tuple[Guard, ...] = (
    operator,
    freeze,
    unknown,
    outside_edit,
    panic,
    movable,
    fresh,
    resting,
    well,
    effect,
    budget,
    one_drain,
    step,
    legal,
    regions,
    capacity,
    receivers,
    legal,
)
"""Cheap ones first; the scaler's law last, because narrowing may leave an illegal value."""

APART = tuple(g for g in CHAIN if g not in {capacity, receivers})
"""The chain without what is judged of a whole set."""

LEAST = 0.01
"""A change smaller than this is none (reference: no-op suppression)."""

ALONE = frozenset({"probe", "restore", "foresee"})
"""Reasons of changes that are no part of a set."""

HARM = 0.001
"""Share of the demand by which what is left of a set of changes may be worse than doing nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What is left of the wanted changes."""

    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]


def narrow(wanted: Sequence[Change], start: Situation) -> Guarded:
    """Let every change pass through the chain, what adds capacity first.

    The ceilings of a service are written in one call, so what they do is judged as a whole first; only a set that does
    not hold is taken apart and narrowed piece by piece.
    """
    now, refusals = _through(wanted, start, APART)
    if not _holds(now, start):
        now, refusals = _through(wanted, start, CHAIN)
    kept, harmful = _no_harm(now, start)
    return Guarded(changes=kept, refusals=(*refusals, *harmful))


def _through(
    wanted: Sequence[Change], start: Situation, chain: tuple[Guard, ...]
) -> tuple[Situation, list[Refusal]]:
    now, refusals = start, []
    for change in ordered(wanted):
        left, objections = _pass(change, now, chain)
        refusals.extend(objections)
        if left is not None:
            now = now.accept(left)
    return now, refusals


def _holds(now: Situation, start: Situation) -> bool:
    """Whether all accepted changes together keep the floors and push no receiver past its limit."""
    cuts = [c for c in now.accepted if c.down]
    if not cuts:
        return True
    if any(c.urgent for c in cuts):
        return False  # a drain of a dead region has rules of its own
    shed = {c.region for c in cuts if c.region is not None and not c.ahead}
    objections = (floors(now.picture, start.scalers), pushes(now, start.scalers, shed))
    return all(objection(now.scalers) is None for objection in objections)


def _pass(change: Change, now: Situation, chain: tuple[Guard, ...]) -> tuple[Change | None, list[Refusal]]:
    refusals: list[Refusal] = []
    left = change
    for guard in chain:
        ruling = guard(left, now)
        if ruling is None:
            continue
        value = None if ruling.left is None else round(ruling.left, 4)
        if value is not None and _gone(left, value):
            value = None
        refusals.append(_refusal(change, ruling.why, value))
        if value is None:
            return None, refusals
        left = replace(left, after=value)
    return left, refusals


def _gone(change: Change, value: float) -> bool:
    """Whether a narrowed value is no change any more, or not between before and after."""
    low, high = sorted((change.before, change.after))
    return abs(value - change.before) < LEAST or not low - 1e-9 <= value <= high + 1e-9


def _refusal(change: Change, why: Reason, value: float | None) -> Refusal:
    return Refusal(
        guard=why.code,
        move=change.move(),
        narrowed_to=None if value is None else f"{value:.2f}",
        sentence=why.sentence,
    )


def _no_harm(now: Situation, start: Situation) -> tuple[tuple[Change, ...], list[Refusal]]:
    """Half a set of moves can be worse than none: then those that belong to the set are dropped.

    Probes and restores are no part of a set: a probe is made to find out, and nobody expects it to pay; a restore was weighed
    alone.
    """
    parts = [
        c
        for c in now.accepted
        if c.lever is Lever.SCALER and not c.urgent and not c.ordered and c.reason.code not in ALONE
    ]
    model = now.picture.model
    if not parts or model.forecast <= 0.0:
        return now.accepted, []
    before, after = model.outcome(start.scalers), model.outcome(now.scalers)
    if after.bad <= before.bad + HARM * model.forecast:
        return now.accepted, []
    why = reason("no-gain", after=after.share(model.forecast), before=before.share(model.forecast))
    kept = tuple(c for c in now.accepted if c not in parts)
    return kept, [_refusal(c, why, None) for c in parts]
