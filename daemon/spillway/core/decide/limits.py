"""The limits of one service, before anything is searched: for each lever the allowed values, each bound with its reason.

`BOUNDS` is the whole list, in the order in which a refusal names them: people first, then evidence, then rhythm. Each gives
a `Bound` on one region, or nothing. None of them looks at a proposed change: who may pass which is in `values.limits.PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import Blind, Window
from spillway.core.explain.reasons import ending, reason
from spillway.core.model.constraints import capped, hundredths
from spillway.core.model.predict import Region
from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import PATIENCE, SHOWS, arrived, still_overloaded
from spillway.core.values.decision import BackendState, Reason
from spillway.core.values.lifecycle import has_dwelt, required_dwell
from spillway.core.values.limits import (
    WHOLE,
    Allowed,
    Bound,
    LimitKind,
    ScalerLimits,
    Trust,
    at_least,
    at_most,
    only,
)
from spillway.core.values.orders import OrderKind, Orders
from spillway.core.values.policy import HOUR
from spillway.core.values.snapshot import Absence
from spillway.core.values.state import Flight
from spillway.core.values.topology import SCALER_FLOOR, SCALER_STEP

LATE_SHARE = 0.35
"""Share of its lateness that a trouble must have lasted, in what is seen of it, to be believed to last still: what has lasted
for long goes on for long (Lindy's rule), what has begun just before the sample was taken may be over."""

LEAST_STEP = 0.05
"""Smallest rise worth a write, unless it opens the ceiling fully."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one service. Each region's bounds are worked out when first asked for: calm services ask for none."""

    model: ServiceModel
    orders: Orders
    panic: Reason | None
    """Why the measurement is suspected; None where it is not."""
    trust: Trust = field(default_factory=Trust)
    """What the readings of this pass allow to be written."""

    @cached_property
    def scalers(self) -> tuple[ScalerLimits, ...]:
        """One for each region, in the order of the model's regions. Joins and leaves go by them too."""
        return tuple([self._region(i) for i in range(len(self.model.beliefs))])

    @cached_property
    def emptying(self) -> tuple[str, ...]:
        """Regions that are being emptied; a dead one is empty already, and one that an operator drains is the operator's business."""
        return tuple(
            [
                f.region
                for f in self.model.beliefs
                if f.memory.state in {BackendState.DRAINING, BackendState.LEAVING}
                and (f.setting.member or f.closed)
                and not f.dead
                and self.orders.find(self.model.service.name, f.region, OrderKind.DRAIN) is None
            ]
        )

    @cached_property
    def posture(self) -> tuple[Bound, ...]:
        """What keeps the posture as it is."""
        found = (
            people(self, None),
            frozen(self, None),
            doubted(self, None),
            unknown(self),
            pinned_posture(self),
            unread_anywhere(self),
            panicking(self),
            budget(self),
        )
        return tuple(b for bounds in found for b in bounds)

    def of(self, region: str) -> ScalerLimits:
        """The limits of `region`.

        Raises:
            ValueError: the service has no backend there.
        """
        return self.scalers[self.model.traffic.index(region)]

    def _region(self, i: int) -> ScalerLimits:
        place = Place(limits=self, i=i, belief=self.model.beliefs[i], region=self.model.traffic.regions[i])
        found = tuple(b for bounds in BOUNDS for b in bounds(place))
        return ScalerLimits(
            region=place.region.name,
            now=place.now,
            bounds=found,
            graded=place.belief.backend.graded,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One region whose bounds are worked out."""

    limits: Limits
    i: int
    belief: BackendBelief
    region: Region

    @property
    def now(self) -> float:
        """Its scaler as it stands; 0 for what is no member."""
        return self.region.scaler

    @property
    def model(self) -> ServiceModel:
        """Its service."""
        return self.limits.model

    def bound(self, kind: LimitKind, allowed: Allowed, why: Reason) -> tuple[Bound]:
        """One bound."""
        return (Bound(kind=kind, allowed=allowed, reason=why),)

    def stays(self, kind: LimitKind, why: Reason) -> tuple[Bound]:
        """The bound that nothing moves."""
        return self.bound(kind, only(self.now), why)


Bounds = tuple[Bound, ...]


NO_DOUBT = Trust()
"""All was read, and stands as wanted."""


def limits_of(model: ServiceModel, orders: Orders, panic: Reason | None, trust: Trust = NO_DOUBT) -> Limits:
    """The limits of a service, by its model, the orders in force, a suspected measurement and what the listing shows."""
    return Limits(model=model, orders=orders, panic=panic, trust=trust)


# --- people


def people(limits: Limits, region: str | None) -> Bounds:
    """A hold stops everything; a pin or a drain stops everything but itself, in both directions."""
    if not limits.orders.items:
        return ()
    service, now = limits.model.service.name, _now(limits, region)
    held = limits.orders.find(service, region, OrderKind.HOLD)
    if held is not None:
        what = held.region or held.service or "everything"
        why = reason("operator-hold", what=what, why=held.reason)
        return (Bound(kind=LimitKind.OPERATOR_HOLD, allowed=only(now), reason=why),)
    order = None if region is None else limits.orders.find(service, region, OrderKind.PIN, OrderKind.DRAIN)
    if order is None:
        return ()
    why = reason("operator-hold", what=region, why=order.reason)
    return (Bound(kind=LimitKind.OPERATOR_ORDER, allowed=only(now), reason=why),)


def frozen(limits: Limits, region: str | None) -> Bounds:
    """Nothing moves in a freeze of the calendar."""
    for span in limits.model.policy.freezes:
        if span.start <= limits.model.at < span.end and span.region in {None, region}:
            why = reason("freeze", why=span.reason)
            return (Bound(kind=LimitKind.FREEZE, allowed=only(_now(limits, region)), reason=why),)
    return ()


def drain_lead(model: ServiceModel) -> float:
    """Seconds before planned work at which its region is drained, and from which on nothing opens it."""
    return model.dead_time + model.policy.membership.drain_wait


def planned(place: Place) -> Bounds:
    """Where planned work is about to begin, or has begun, nothing is opened."""
    model, name = place.model, place.region.name
    window = model.policy.planned_in(name, model.at, drain_lead(model)) if model.policy.planned else None
    if window is None:
        return ()
    why = reason("planned-work", region=name, why=window.reason)
    return (Bound(kind=LimitKind.PLANNED, allowed=at_most(place.now), reason=why),)


def _now(limits: Limits, region: str | None) -> float:
    return 0.0 if region is None else limits.model.traffic.regions[limits.model.traffic.index(region)].scaler


def unknown(limits: Limits, now: float = 0.0) -> Bounds:
    """After a write of unknown outcome, nothing is written before the listing has told."""
    if not limits.model.memory.unknown:
        return ()
    return (Bound(kind=LimitKind.UNKNOWN_OUTCOME, allowed=only(now), reason=reason("unknown-outcome")),)


def doubted(limits: Limits, region: str | None) -> Bounds:
    """Nothing is written on the strength of what the same pass saw, or while the listing is not believed."""
    trust, now = limits.trust, _now(limits, region)
    if trust.panic is not None:
        return (Bound(kind=LimitKind.LISTING_PANIC, allowed=only(now), reason=trust.panic),)
    if trust.doubt is None:
        return ()
    kind = LimitKind.DOUBTED if region in trust.doubted else LimitKind.UNCONFIRMED
    return (Bound(kind=kind, allowed=only(now), reason=trust.doubt),)


def pinned(place: Place) -> Bounds:
    """What somebody else has set is left alone while its pin lasts, also in a shortage."""
    pin = place.belief.memory.pin
    if pin is None:
        return ()
    why = reason(
        "foreign-pin", what=place.region.name, value=pin.shown, ends=ending(pin.until, place.model.at)
    )
    return place.stays(LimitKind.FOREIGN_PIN, why)


def pinned_posture(limits: Limits) -> Bounds:
    """The same for the failover policy."""
    pin, at = limits.model.memory.posture_pin, limits.model.at
    if pin is None or not pin.holds(at):
        return ()
    why = reason("foreign-pin", what="the failover policy", value=pin.shown, ends=ending(pin.until, at))
    return (Bound(kind=LimitKind.FOREIGN_PIN, allowed=only(0.0), reason=why),)


def unread(place: Place) -> Bounds:
    """A change of membership needs a listing, policies and health that were read just now."""
    for region, why in place.limits.trust.unread:
        if region == place.region.name:
            return place.stays(LimitKind.UNREAD, why)
    return ()


def unread_anywhere(limits: Limits) -> Bounds:
    """A change of posture needs all of them: it follows from what the regions can carry together."""
    return tuple(
        Bound(kind=LimitKind.UNREAD, allowed=only(0.0), reason=why) for _, why in limits.trust.unread[:1]
    )


# --- evidence


def panicking(limits: Limits, now: float = 0.0) -> Bounds:
    """Too much looks bad at once: suspect the measurement."""
    why = limits.panic
    return () if why is None else (Bound(kind=LimitKind.PANIC, allowed=only(now), reason=why),)


def movable(place: Place) -> Bounds:
    """Some backends have no lever, and that of a single one may not move."""
    if not place.belief.backend.movable:
        return place.stays(LimitKind.NOT_MOVABLE, reason("not-movable", region=place.region.name))
    if sum(1 for r in place.model.traffic.regions if r.member) < 2:
        return place.stays(LimitKind.ALONE, reason("alone", region=place.region.name))
    return ()


def whole(place: Place) -> Bounds:
    """A backend without a scaler is attached or detached."""
    if place.belief.backend.graded:
        return ()
    why = reason("no-scaler", region=place.region.name)
    return (Bound(kind=LimitKind.NO_SCALER, allowed=WHOLE, reason=why),)


def evidence(place: Place) -> Bounds:
    """A region is moved on its own fresh, plentiful samples; a return from 0 on a fresh health read."""
    name, belief = place.region.name, place.belief
    if place.now == 0.0:
        if not place.region.member:
            return ()  # nobody measures it: what it needs is in `unread`
        if belief.health_known:
            return ()
        return place.stays(LimitKind.EVIDENCE, reason("stale-data", region=name, age="missing (health)"))
    window = belief.window
    if isinstance(window, Blind):
        allowed = at_least(place.now) if belief.silent else only(place.now)  # nobody is sent there
        return (Bound(kind=LimitKind.EVIDENCE, allowed=allowed, reason=_blind(name, window)),)
    needed, answers = place.model.policy.evidence.min_requests, window.answers
    if answers >= needed:
        return ()
    return (
        Bound(
            kind=LimitKind.EVIDENCE,
            allowed=at_least(place.now),
            reason=reason("thin-evidence", region=name, seen=answers, needed=needed),
        ),
    )


def _blind(name: str, window: Blind) -> Reason:
    if window.absence is Absence.GARBAGE:
        return reason("garbage-data", region=name, why=window.why)
    age = f"{window.age:.0f} s old" if window.age is not None else f"missing ({window.why})"
    return reason("stale-data", region=name, age=age)


def late(place: Place) -> Bounds:
    """Late samples: a cut needs trouble that has lasted, and nothing is raised but to make room.

    A cap above the present load takes nothing away, so it needs no such trouble.
    """
    window, timing = place.belief.window, place.model.policy.timing
    if place.now == 0.0 or not isinstance(window, Window):
        return ()
    lateness = window.age - timing.visibility_delay - 2.0 * timing.sample_period
    if lateness <= 0.0:
        return ()
    lasted = place.belief.estimate.failures.bad_minutes * timing.sample_period
    needed = LATE_SHARE * lateness
    allowed = at_most(place.now)
    if lasted < needed:
        load, ceiling = place.model.traffic.base.flow.loads[place.i], place.region.ceiling
        above = hundredths(load / ceiling) + SCALER_STEP if ceiling > 0.0 else place.now
        allowed = Allowed(closed=False, low=min(place.now, above), high=place.now)
    return (
        Bound(
            kind=LimitKind.LATE_EVIDENCE,
            allowed=allowed,
            reason=reason(
                "late-evidence", region=place.region.name, age=window.age, lasted=lasted, needed=needed
            ),
        ),
    )


def least_share(place: Place) -> Bounds:
    """A service in a split keeps the part of its weight that the configuration says; one that is closed may stay so."""
    least = place.belief.backend.least_scaler
    if least <= 0.0:
        return ()
    low = min(least, place.now) if place.now > 0.0 else least
    why = reason("least-share", region=place.region.name, least=least)
    allowed = Allowed(closed=place.now == 0.0, low=max(SCALER_FLOOR, low))
    return place.bound(LimitKind.LEAST_SHARE, allowed, why)


def keeps_capacity(place: Place) -> Bounds:
    """A region is closed only for being bad at any load: one that is short of machines keeps what it can carry."""
    if place.now == 0.0 or place.region.bad >= place.model.policy.triggers.drain_error_ratio:
        return ()
    why = reason("keeps-capacity", region=place.region.name)
    return place.bound(LimitKind.KEEPS_CAPACITY, at_least(SCALER_FLOOR), why)


# --- rhythm


def dwelling(place: Place) -> Bounds:
    """A backend dwells after a move for at least the dead time: down for the plain dwell, up for the one that backoff lengthened.

    Two ways out: a cut that turns out far too small may be made deeper at once, and a raise within what the region was
    proven to take waits for the plain dwell only.
    """
    model, memory = place.model, place.belief.memory
    if memory.moved_at is None:
        return ()
    at = model.at
    scaled = place.belief.backend.graded
    down_ok, proven_ok, up_ok = (
        has_dwelt(memory, model.policy, at, direction, model.dead_time, whole=not scaled)
        for direction in (-1, 0, 1)
    )
    proven_ok = proven_ok and scaled  # of a backend without a scaler nothing is proven but as a whole
    down_ok = down_ok or still_overloaded(model, place.belief)
    if down_ok and up_ok:
        return ()
    high = 1.0
    if not up_ok:
        proven = capped(place.region) if proven_ok else 0.0
        high = proven if proven >= place.now + LEAST_STEP else place.now
    low = SCALER_FLOOR if down_ok else place.now
    allowed = Allowed(closed=down_ok or place.now == 0.0, low=low, high=high)
    direction = -1 if not down_ok else 1
    rest = required_dwell(memory, model.policy, at, direction, model.dead_time, whole=not scaled)
    ago = at - memory.moved_at
    why = reason("resting", region=place.region.name, ago=ago, rest=rest)
    return place.bound(LimitKind.DWELL, allowed, why)


def well(place: Place) -> Bounds:
    """What is raised because it looks well must have looked well for a while."""
    model, since = place.model, place.belief.memory.well_since
    lasted = model.at - since if since is not None else 0.0
    needed = model.policy.rhythm.up_wait
    if since is not None and lasted >= needed:
        return ()
    why = reason("not-well-yet", region=place.region.name, well=lasted, needed=needed)
    return place.bound(LimitKind.NOT_WELL_YET, at_most(place.now), why)


def awaited(place: Place) -> Bounds:
    """A cut that has not arrived yet is waited for, up to several dead times: the real delay may be longer."""
    model = place.model
    for flight in model.memory.flights:
        ago = model.at - flight.made_at
        if flight.region != place.region.name or ago >= PATIENCE * model.dead_time:
            continue
        if ago >= model.dead_time and not arrived(flight, model):
            return place.stays(LimitKind.EFFECT_AWAITED, _awaited(place, flight))
    return ()


def _awaited(place: Place, flight: Flight) -> Reason:
    window = place.belief.window
    return reason(
        "effect-awaited",
        region=flight.region,
        ago=place.model.at - flight.made_at,
        load=window.rate if isinstance(window, Window) else 0.0,
        ceiling=SHOWS * flight.after * (place.belief.target or 0.0),
    )


def step(place: Place) -> Bounds:
    """One move changes a scaler by at most a step; a backend without one has none."""
    if not place.belief.backend.graded:
        return ()
    rhythm, now = place.model.policy.rhythm, place.now
    high, low = min(1.0, round(now + rhythm.up_step, 2)), round(now - rhythm.down_step, 2)
    if high >= 1.0 and low <= 0.0:
        return ()
    size = rhythm.up_step if high < 1.0 else rhythm.down_step
    return (
        Bound(
            kind=LimitKind.STEP,
            allowed=Allowed(closed=low <= 0.0, low=max(SCALER_FLOOR, low), high=high),
            reason=reason("step-limit", step=size),
        ),
    )


def budget(limits: Limits, now: float = 0.0) -> Bounds:
    """Writes for one service in an hour."""
    model = limits.model
    writes = sum(1 for at in model.memory.writes if model.at - at < HOUR)
    most = model.policy.rhythm.moves_per_hour
    if writes < most:
        return ()
    return (
        Bound(
            kind=LimitKind.BUDGET,
            allowed=only(now),
            reason=reason("budget-spent", writes=writes, budget=most),
        ),
    )


def draining(place: Place) -> Bounds:
    """One region is emptied at a time."""
    others = [region for region in place.limits.emptying if region != place.region.name]
    if place.now == 0.0 or not others:
        return ()
    why = reason("one-drain", other=others[0])
    return place.bound(LimitKind.ONE_DRAIN, at_least(SCALER_FLOOR), why)


BOUNDS: tuple[Callable[[Place], Bounds], ...] = (
    lambda place: people(place.limits, place.region.name),
    lambda place: frozen(place.limits, place.region.name),
    planned,
    lambda place: doubted(place.limits, place.region.name),
    lambda place: unknown(place.limits, place.now),
    pinned,
    lambda place: panicking(place.limits, place.now),
    movable,
    whole,
    unread,
    evidence,
    late,
    dwelling,
    well,
    awaited,
    lambda place: budget(place.limits, place.now),
    draining,
    step,
    least_share,
    keeps_capacity,
)
"""Every bound of a region, in the order in which a refusal names them."""
