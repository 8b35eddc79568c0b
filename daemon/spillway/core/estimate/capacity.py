"""Learning what a backend can take, from what is visible only.

The one law used is Little's: requests in work = rate x mean latency. A region has `slots` = capacity x service time,
so at a known service time its capacity is slots / service time, whether it is slow, short of machines, or both.
A saturated region's answer rate is its capacity. Machines that were missing may be back, and a quota may be lifted,
without anything that shows it before load comes: so what was lost is no number that creeps up again but a doubt, the
chance by now that all is as configured (`belief`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from math import inf
from types import MemberDescriptorType
from typing import Any, TypeVar

from spillway.core.estimate.health import share_in
from spillway.core.estimate.queueing import (
    CALM,
    NEARLY_FULL,
    crowding,
    ease,
    gives,
    learn_arrivals,
    learn_quota,
    learn_slope,
    sudden,
    usual_pace,
)
from spillway.core.estimate.sample import Judged, judged
from spillway.core.values.policy import Evidence, Slo
from spillway.core.values.snapshot import Minute
from spillway.core.values.state import Estimate

SATURATED_LATENCY = 1.5
"""Mean latency over its baseline from which full slots mean saturation, and not merely a larger region."""

FULL = 0.95
"""Share of the slots in work from which a region counts as full."""

OFFERED = 0.95
"""Share of a saturated region's answer rate below which so little is asked of it that its answers measure nothing."""

STEADY = 0.1
"""Share by which the mean latency of a slow region changes from minute to minute at most; that of a queue falls faster."""

HEAVY = 0.65
"""Share of the slots in work, by the target, from which it may be: targets flatter by no more than a third."""

QUEUED = 0.97
"""Share of a minute's answers that took longer than the usual mean, from which all of them had to wait."""

SETTLING = 300.0
"""Seconds after a cut in which less arrives already, while what is answered has still waited as long as before."""

DRAINING = 0.95
"""Mean latency over that of the saturated minute before from which a queue is being worked off."""

EXPLAINED = 0.6
"""Share of its slots in work, at its pace now, from which a region's slowness explains that it was saturated; readings are
good to no more, as what is cut off has worked in vain."""

SLOW_MINUTES = 3
"""Minutes after saturation in which a region answers as slowly with room to spare: then it is slow, and its machines are
all there. A queue that only has to drain is gone by then, and with it the long latency: then machines are missing."""

SMOOTH = 0.6
"""Weight of the newest minute in service time and base shares: two minutes carry 84 %."""

PLAIN = 500.0
PLAIN_STEP = 0.2
"""A jump by this much (of the ratio, or of the baseline) over this many answers is no noise: it is believed at once."""

BAD_MINUTE = 0.1
"""Share of bad answers that makes a minute a bad one."""

SAME_RATE = 0.2
"""Share by which two saturated rates may differ and be the same finding."""

SATURATED_SECONDS = 1200.0
"""Age at which a finding of saturation that nothing has confirmed since is only a doubt: its queue is long gone."""

REMEMBERED = 3600.0
"""Seconds for which a region without series is believed to have the traffic that it had. A hole in the metrics is filled by then;
a region to which nobody is sent, as a standby is nearer, stays silent."""

UNPROVEN = 1.5
"""Room assumed above the load first seen, where no target in requests/s is configured."""

UNKNOWN_SLOW = 0.05
"""Slow share assumed of a region that was never seen unsaturated: full regions hide their service time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known besides the minutes."""

    target: float | None
    """Requests/s at scaler 1 for all endpoints, the prior of the capacity."""
    slo: Slo
    evidence: Evidence
    period: float
    """Seconds of a sample."""
    cut_at: float = inf
    """UTC seconds at which its ceiling was lowered last; infinite where it was raised since, or never moved."""


T = TypeVar("T")


def drafter(kind: Any) -> Callable[[Any], Any]:
    """A function that makes an open copy of a value of `kind`: to be changed field by field, and then `closed`.

    Args:
        kind: A dataclass whose fields are slots.

    Raises:
        TypeError: it is none.
    """
    copy = copier(kind)
    if copy is None:
        raise TypeError(f"{kind.__name__} is no dataclass of slots")
    return copy


def closed(draft: Any, kind: type[T]) -> T:
    """The draft as the value of `kind` that it has become: frozen. Checks of the class are not run."""
    draft.__class__ = kind
    made: T = draft
    return made


@cache
def copier(kind: Any) -> Callable[[Any], Any] | None:
    """A function that makes an open copy of a value of the dataclass `kind`, or None where its fields are no slots.

    Whoever takes one changes it as needed and then sets its `__class__` to `kind`.
    """
    lines = [f"_made.{field.name} = _value.{field.name}" for field in fields(kind)]
    return _compiled("_value", lines, kind, {}) if _has_slots(kind) else None


def _has_slots(kind: Any) -> bool:
    return all(isinstance(getattr(kind, field.name, None), MemberDescriptorType) for field in fields(kind))


@cache
def _opened(kind: Any) -> type[Any]:
    """`kind` without its refusal to be changed: the same slots, so that a value can turn from one into the other."""
    usual = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(f"Open{kind.__name__}", (kind,), {"__slots__": (), "__module__": __name__, **usual})


def _compiled(parameters: str, lines: list[str], kind: Any, known: dict[str, Any]) -> Callable[..., Any]:
    """A function that makes an open value of `kind` and gives it back after `lines`; `dataclasses` makes its own like that.

    Its own names begin with an underscore, so that no field hides them.
    """
    space = {"_new": object.__new__, "_Open": _opened(kind), "_Kind": kind, **known}
    body = "\n    ".join(["_made = _new(_Open)", *lines, "return _made"])
    exec(f"def function({parameters}):\n    {body}", space)  # noqa: S102 - names of fields, nothing from outside
    made: Callable[..., Any] = space["function"]
    return made


_draft = drafter(Estimate)


def learn(estimate: Estimate, minutes: tuple[Minute, ...], setting: Setting) -> Estimate:
    """The estimate after all minutes that are newer than the last one learned; garbage teaches nothing."""
    for minute in minutes:
        if minute.end > estimate.last_minute:
            told = judged(minute, setting.slo.latency)
            if told.flaw is None:
                new = _draft(estimate)
                _learn_minute(estimate, new, minute, told, setting)
                estimate = closed(new, Estimate)
    return estimate


def following(served: float, minutes: tuple[Minute, ...], last: float, period: float) -> float:
    """Requests/s that one of several services on a region sends there, smoothed as `served` is.

    Args:
        served: Before.
        minutes: Its own.
        last: UTC end of the newest minute that is in `served` already.
        period: Seconds of a sample.
    """
    for minute in minutes:
        if minute.end > last and minute.total >= 0.0:
            served += SMOOTH * (minute.total / period - served)
    return served


def _learn_minute(old: Estimate, new: Any, minute: Minute, told: Judged, setting: Setting) -> None:
    """Fill the draft `new` with what this minute adds to `old`."""
    total = told.total
    rate = total / setting.period
    new.last_minute = minute.end
    new.served = old.served + SMOOTH * (rate - old.served)
    new.in_work, new.filling, new.arrived = None, 0.0, 0.0
    if total * setting.evidence.minutes < setting.evidence.min_requests:
        return
    learn_quota(old, new, minute, total, setting.target, setting.period)
    bad = (minute.server_error + minute.too_many + told.late * minute.ok) / total
    new.bad_minutes = old.bad_minutes + 1 if bad >= BAD_MINUTE else 0
    spread = minute.latency
    if spread is None or told.samples <= 0:
        new.errors = _errors(old, minute, total)
    else:
        _learn_latency(old, new, minute, spread.mean, told, setting)
        learn_arrivals(old, new, minute, rate, spread.mean)


def settled(estimate: Estimate, at: float) -> Estimate:
    """The estimate at UTC second `at`: what was saturated and has shown nothing since is in doubt, and no longer saturated.

    Nor is a region that has been silent for long believed to have its traffic still.
    """
    if estimate.served > 0.0 and at - estimate.last_minute > REMEMBERED:
        estimate = replace(estimate, served=0.0)
    if estimate.saturated_rate is None or at - estimate.low_at <= SATURATED_SECONDS:
        return estimate
    return replace(estimate, saturated_rate=None, doubt=estimate.saturated_rate, doubt_minutes=0, waiting=0.0)


def _errors(old: Estimate, minute: Minute, total: float) -> float:
    """5xx share that does not come from load, after this minute."""
    ratio = minute.server_error / total
    plain = total >= PLAIN and abs(ratio - old.errors) > PLAIN_STEP
    return ratio if plain else old.errors + SMOOTH * (ratio - old.errors)


def _learn_latency(
    old: Estimate, new: Any, minute: Minute, mean: float, told: Judged, setting: Setting
) -> None:
    baseline = mean if old.baseline is None else old.baseline
    slots = old.slots
    if slots is None and setting.target is not None:
        slots = setting.target * baseline
    share = share_in(old, minute.end, setting.period)
    if share is None or share <= 0.0:
        return
    answered = minute.ok / setting.period
    in_work = answered * mean
    if slots is None:
        slots = UNPROVEN * in_work / share
    busy, scale, healthy = answered * baseline, baseline * share, slots * share
    waited = mean / crowding(busy / healthy, healthy)
    if waited >= SATURATED_LATENCY * baseline and in_work >= FULL * healthy:
        _learn_saturated(old, new, minute, told, setting, (waited, baseline, slots, share))
        return
    pressed = False
    if old.saturated_rate is None and old.doubt is None:
        found, prior = old.low_rate * scale, (setting.target or 0.0) * scale
        eased, pressed = ease(old, new, busy, healthy, mean / baseline, found, prior)
        slots = eased / share
        if slots * share != healthy:
            healthy = slots * share
            waited = mean / crowding(busy / healthy, healthy)
    mean = baseline if pressed else waited
    doubt = old.doubt if old.saturated_rate is None else old.saturated_rate
    minutes = 0 if old.saturated_rate is not None else old.doubt_minutes
    if doubt is None and busy >= HEAVY * healthy and sudden(old, mean, baseline):
        doubt, minutes = answered / share, 0
    near = abs(mean - baseline) <= CALM * baseline
    if doubt is not None:
        slots, doubt, minutes = _doubted(old, slots, doubt, minutes, mean, baseline)
    crowded = busy >= NEARLY_FULL * slots * share
    usual = usual_pace(baseline, mean, crowded=crowded)
    # what is counted in slots is answers at the usual pace: a pace that is known better now does not change their rate
    if near and doubt is None:  # otherwise part of the latency may be a queue, and proves nothing
        slots = max(slots, answered * baseline / share)
    new.baseline, new.slots = usual, slots * (usual / baseline)
    new.saturated_rate, new.waiting = None, 0.0
    new.doubt, new.doubt_minutes = doubt, minutes
    if pressed:
        new.low_at = minute.end
    learn_slope(old, new, mean, usual, setting.period, queued=doubt is not None, crowded=crowded)
    _smooth(old, new, mean, told, leap=PLAIN_STEP * baseline)
    new.errors = _errors(old, minute, told.total)


def _smooth(old: Estimate, new: Any, mean: float, told: Judged, *, leap: float) -> None:
    """Service time and slow share after a minute of this mean latency; a change by `leap` seconds is believed at once."""
    known = old.service_time
    # what was smoothed until its doubt was over was a queue that drained
    resolved = old.saturated_rate is not None or (old.doubt is not None and new.doubt is None)
    if known is None or resolved or (told.total >= PLAIN and abs(mean - (known or mean)) > leap):
        new.service_time, new.slow = mean, told.late
    else:
        new.service_time = known + SMOOTH * (mean - known)
        new.slow = old.slow + SMOOTH * (told.late - old.slow)


def _doubted(
    old: Estimate, slots: float, doubt: float, minutes: int, mean: float, baseline: float
) -> tuple[float, float | None, int]:
    """(slots, doubt, minutes of doubt) after an unsaturated minute: as fast as usual, or steadily slow, it shows what was lost."""
    if mean <= (1.0 + CALM) * baseline:
        return min(slots, doubt * baseline), None, minutes
    minutes = minutes + 1 if abs(mean - old.mean) <= STEADY * mean else 0
    if minutes < SLOW_MINUTES:
        return slots, doubt, minutes
    return _unexplained(slots, doubt * mean), None, minutes


def _unexplained(slots: float, found: float) -> float:
    """The slots of a region that is slow, which was saturated with `found` of them in work, by Little's law at its pace now.

    Slowness explains what was found where that is about all of them; far fewer are not slow but lost, whatever else is slow.
    """
    return slots if found >= EXPLAINED * slots else found


def _learn_saturated(
    old: Estimate,
    new: Any,
    minute: Minute,
    told: Judged,
    setting: Setting,
    seen: tuple[float, float, float, float],
) -> None:
    """A minute in which all slots were taken; `seen` is (mean latency, baseline, slots, healthy share)."""
    mean, baseline, slots, share = seen
    answered = minute.ok / setting.period
    known, spread = old.saturated_rate, minute.latency
    rate = gives(answered, minute.server_error / setting.period) / share
    stood = spread is not None and spread.share_above(baseline) >= QUEUED
    if known is not None and not stood:
        falls = mean < DRAINING * (old.waiting + slots / known)  # against the minute before
        unsettled = setting.period < minute.end - setting.cut_at <= SETTLING
        if (falls or unsettled) and told.total / setting.period / share < OFFERED * known:
            rate = known  # it has worked off its queue and is not asked for more: no measure of what it can
    new.baseline, new.slots = baseline, slots
    new.service_time = old.service_time if old.service_time is not None else baseline
    new.saturated_rate = new.low_rate = rate
    new.low_at, new.low_count = minute.end, _again(old, rate, minute.end)
    new.waiting = max(0.0, mean - slots * share / max(answered, 1e-6))
    new.slow = old.slow if known is not None else max(old.slow, UNKNOWN_SLOW)


def _again(old: Estimate, rate: float, at: float) -> int:
    """How often it was found saturated at about this rate, this time included."""
    if old.low_at and at - old.low_at <= SATURATED_SECONDS:
        return max(1, old.low_count)  # the same finding still
    return old.low_count + 1 if abs(rate - old.low_rate) <= SAME_RATE * rate else 1
