"""Which alarms one step sees in a service: about its users, its capacity, its measurement, and what others have set.

A loss of capacity alarms only as far as Spillway cannot make up for it. Standby regions that it may join are counted in:

    shortage      forecast > sum of min(ceiling, capacity) of the members + of the standbys that may join now
    no-survival   forecast > the same sum without the largest member, all standbys counted in
"""

from __future__ import annotations

from collections.abc import Iterator

from spillway.core.estimate.belief import BackendBelief
from spillway.core.estimate.sample import Blind
from spillway.core.explain.reasons import alarm
from spillway.core.explain.slo import broken
from spillway.core.model.service import ServiceModel
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import PinnedLever
from spillway.core.values.policy import Drift, DriftAnswer, Mode
from spillway.core.values.snapshot import Absence, Minute, Missing, Seen, ServiceView
from spillway.core.values.state import ServiceMemory
from spillway.core.values.topology import RegionName, ServiceName

UNASSIGNED_RATE = 0.1
"""Requests/s without a backend from which the alarm rises."""

SILENCE = 50.0
"""Requests expected in a sample from which none at all is an alarm: chance leaves so many out once in 10^21 samples."""

BLIND_SECONDS = 900.0
"""Seconds past the age at which data are stale, from which blindness in mode `act` needs a person: most gaps of Cloud Monitoring are over
by then, and a region may have failed unseen."""

_MOST_DECIMALS = 6
"""Decimals of a rate that are tried before all digits are told."""


def service_alarms(
    model: ServiceModel,
    view: ServiceView,
    pins: tuple[PinnedLever, ...],
    *,
    may_join: bool,
    loss: Alarm | None,
    silent: float | None,
) -> list[Alarm]:
    """The alarms that the state of one service raises; those about orders and plans are raised where these are judged.

    Args:
        model: The service.
        view: What was observed of it.
        pins: What somebody else has set and is left alone.
        may_join: Whether Spillway may join standby regions at present.
        loss: The alarm that demand would not fit after a loss (`survival`); None where it would.
        silent: Requests that the newest sample should have and has not; None where it is as it should be.
    """
    service = model.service.name
    missed = broken(service, model.beliefs, model.policy)
    found = [
        *([] if missed is None else [missed]),
        *_dead(model),
        *_unassigned(model, view),
        *_blind(model),
        *(edit_alarm(service, p.region, model.policy.drift, value=p.value, wanted=p.wanted) for p in pins),
        *_capacity(model, loss, may_join=may_join),
    ]
    if silent is not None:
        found.append(alarm("silent-service", service=service, expected=silent))
    return found


# --- capacity


def _capacity(model: ServiceModel, loss: Alarm | None, *, may_join: bool) -> list[Alarm]:
    """Too little for the demand, or for the demand after a loss."""
    traffic, service = model.traffic, model.service.name
    if traffic.forecast <= 0.0:
        return []
    potential = traffic.potential + (standby_room(model) if may_join else 0.0)
    if potential < traffic.forecast:
        capacity, demand = told_apart(potential, traffic.forecast)
        return [alarm("shortage", service=service, demand=demand, capacity=capacity)]
    return [] if loss is None else [loss]


def standby_room(model: ServiceModel) -> float:
    """Requests/s that the standby regions could carry which wait to be called and are not kept out by planned work."""
    return sum(
        [
            min(region.capacity, region.lets_in(1.0)) * (1.0 - region.bad)
            for region, belief in zip(model.traffic.regions, model.beliefs, strict=True)
            if belief.waiting
            and belief.backend.movable
            and not belief.dead
            and belief.memory.pin is None
            and model.policy.planned_in(region.name, model.at) is None
        ]
    )


def survival(model: ServiceModel) -> tuple[bool | None, Alarm | None]:
    """N-1: whether demand still fits after the largest region is lost; None where nothing is known.

    A service with one backend never survives, and no alarm says so: that is how it was configured, and no event.
    """
    traffic = model.traffic
    if traffic.forecast <= 0.0:
        return None, None
    parts = [
        (min(r.capacity, r.lets_in(1.0)) * (1.0 - r.bad), r.name)
        for r in traffic.regions
        if r.member and not r.dead
    ]
    if not parts:
        return False, None
    largest, name = max(parts)
    left = sum(p for p, _ in parts) - largest + standby_room(model)
    if left >= traffic.forecast:
        return True, None
    if len(model.beliefs) < 2:
        return False, None
    room, demand = told_apart(left, traffic.forecast)
    return False, alarm("no-survival", service=model.service.name, lost=name, left=room, demand=demand)


def told_apart(less: float, more: float) -> tuple[str, str]:
    """Two numbers that differ, with the fewest decimals that show it."""
    for decimals in range(_MOST_DECIMALS + 1):
        told = f"{less:.{decimals}f}", f"{more:.{decimals}f}"
        if told[0] != told[1]:
            return told
    return repr(less), repr(more)


# --- regions


def _dead(model: ServiceModel) -> Iterator[Alarm]:
    """Regions whose endpoints fail their health checks, and a service all of whose regions do."""
    service = model.service.name
    for f in model.beliefs:
        if f.setting.member and f.dead and f.health is not None:
            healthy, total = f.health.healthy, f.health.total
            yield alarm("region-dead", service=service, region=f.region, healthy=healthy, total=total)
    serving = [f for f in model.beliefs if f.serving]
    if serving and all(f.dead for f in serving):
        regions = ", ".join(f.region for f in serving)
        yield alarm("all-regions-dead", service=service, regions=regions)


def edit_alarm(
    service: ServiceName, region: RegionName | None, drift: Drift, *, value: str, wanted: str
) -> Alarm:
    """The alarm about a lever that somebody else has set, for as long as it is left alone.

    Args:
        service: Whose lever it is.
        region: None for the failover policy.
        drift: What the policy says of such edits.
        value: What was set, in words.
        wanted: What was wanted before, in words.
    """
    what = region or "failover policy"
    if drift.levers is DriftAnswer.ALARM:
        numbers = {"what": what, "value": value, "wanted": wanted}
        return alarm("foreign-pin-alarm", service=service, region=region, **numbers)
    numbers = {"what": what, "observed": value, "wanted": wanted}
    return alarm("outside-edit-alarm", service=service, region=region, **numbers)


# --- measurement


def _unassigned(model: ServiceModel, view: ServiceView) -> Iterator[Alarm]:
    """Requests for which Google found no backend, in the judged minutes."""
    if isinstance(view.unassigned, Missing) or not view.unassigned.value:
        return
    minutes = view.unassigned.value[-model.policy.evidence.minutes :]
    rate = sum(m.total for m in minutes) / (model.policy.timing.sample_period * len(minutes))
    if rate > UNASSIGNED_RATE:
        yield alarm("unassigned", service=model.service.name, rate=rate)


def _blind(model: ServiceModel) -> Iterator[Alarm]:
    """No region whose traffic can be judged, although there was some."""
    # a region that was closed a moment ago still has the newest samples
    anybody = any(f.serving for f in model.beliefs)
    if not anybody or not model.memory.origins or any(unseen(f) is None for f in model.beliefs):
        return
    service = model.service.name
    yield alarm("blind", service=service)
    newest = max(f.estimate.last_minute for f in model.beliefs)
    age = model.at - newest
    if newest and model.policy.mode is Mode.ACT and age > model.policy.evidence.max_age + BLIND_SECONDS:
        yield alarm("blind-long", service=service, age=age)


def unseen(belief: BackendBelief) -> Blind | None:
    """Why its traffic cannot be judged; None where it can, or where it was not read, as in a health pass."""
    window = belief.window
    return window if isinstance(window, Blind) and window.absence is not Absence.NOT_ASKED else None


def expected_in_silence(model: ServiceModel, view: ServiceView, before: ServiceMemory) -> float | None:
    """Requests that the newest sample should have, where no backend has any; None where some has, or nobody knows.

    A sample is due half a sample period after the longest visibility delay: clocks and reads differ by seconds. What a query
    did not answer is not silence, and neither is a sample that the balancer itself or a region closed since has answered.
    Samples that are late are none either: while they still come, this step has learned from one that the step before had not.

    Args:
        model: The service.
        view: What was observed of it.
        before: What was remembered of it before this step.
    """
    timing = model.policy.timing
    expected = model.traffic.demand * timing.sample_period
    if expected < SILENCE:
        return None
    due = model.at - timing.visibility_delay - 1.5 * timing.sample_period
    serving = {f.region for f in model.beliefs if f.serving}
    signals = [b.traffic for b in view.backends if b.region in serving]
    answered = (view.unassigned, *(b.traffic for b in view.backends if b.region not in serving))
    heard = any(isinstance(traffic, Seen) and not _is_silent(traffic, due) for traffic in answered)
    known = {region: estimate.last_minute for region, estimate in before.estimates}
    still_coming = any(f.estimate.last_minute > known.get(f.region, 0.0) for f in model.beliefs)
    if not signals or heard or still_coming:
        return None
    return expected if all(_is_silent(signal, due) for signal in signals) else None


def _is_silent(traffic: Seen[tuple[Minute, ...]] | Missing, due: float) -> bool:
    if isinstance(traffic, Missing):
        return traffic.absence in {Absence.NO_SERIES, Absence.STALE}
    return not traffic.value or traffic.value[-1].end < due
