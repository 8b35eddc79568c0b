"""Whether the traffic and the health that a pass read agree with what the passes before have read.

One look convinces nobody:

    what is read of a backend is believed where it agrees with what was believed last, or with what the pass before read.

Where it agrees with neither, the signal is missing in this pass.

A trusted minute is complete. It does not change any more, apart from a few that came late. So an answer that tells most minutes
otherwise than before comes from a broken measurement, now or then. Two readings of traffic disagree where

    more than half of the minutes that both have differ by the factor `_APART` in a count or in the mean latency;
    more than half of those that have latencies in both differ so in the mean latency;
    the newest minute of the older one is not in the newer one, although it ended less than `_REACH` ago.

Latencies come from a query of their own, which can fail alone. A minute that is read without its latency keeps the one that was
read before, in what the next pass compares with.

Two readings of health disagree where the healthy shares are more than `_SHARE_APART` apart. A region whose endpoints fail for
good is so believed to be dead one health pass later. Health that goes up and down at every look is no evidence. A turn is a step by
more than `_SHARE_APART` against the step before it; with t turns in the last `_LOOKS` readings

    another healthy share is believed where the last 2 + 2 t readings, `_LOOKS` at most, lie within `_SHARE_APART` of each other.

What falls or rises in several steps has no turn, and is believed as before. After two turns nothing is believed before that, also
what is near to the share that was believed last. Where the shares of more than half of a service's regions, three or more, are far
from what was believed, the measurement is suspected rather than all of them: that is believed once it has stood for `_LOOKS` readings.

Health that says "none" is contradicted by traffic: nobody sends requests to a region without a healthy endpoint. It is missing
as long as the newest minute that began after the first such reading has at least `_STILL` of the good answers a minute of the time
before. Answers that were under way become fewer from minute to minute.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Generic, TypeVar

from spillway.core.observe.minutes import Traffic, far_apart
from spillway.core.values.snapshot import (
    FEW,
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    Seen,
    Snapshot,
)
from spillway.core.values.topology import RegionName, ServiceName

_APART = 1.5
"""Readings of one complete minute come from the same samples; this far apart, one of them is wrong."""
_SHARE_APART = 0.1
"""Healthy shares: of ten endpoints one that fails is no news."""
_LOOKS = 12
"""Readings of health that are remembered: three minutes of health passes."""
_RESTLESS = 2
"""Turns in the last readings from which also a share that is near to the one believed last is no evidence."""
_MANY = 3
"""Regions of a service whose health changes at once, from which that is much; they are more than half of its regions, too."""
_STILL = 0.5
"""Share of the good answers a minute of the time before."""
_REACH = 330.0
"""Seconds since the end of a minute within which every query reaches back to it: the visibility delay and two samples, which
`daemon.observe.window` covers."""

_end = attrgetter("end")

_ROUNDING = 1e-9
"""Shares are quotients: 0.4 - 0.3 is a little more than a tenth."""

Place = tuple[ServiceName, RegionName]

_ANSWERING = Missing(
    absence=Absence.GARBAGE,
    detail="no endpoint is told to be healthy, and yet as many answers are good as before",
)

Minutes = tuple[Minute, ...]
"""Of one backend, oldest first; none where the query had nothing for it."""

_DOUBTED = Missing(
    absence=Absence.GARBAGE,
    detail="most of its minutes are told otherwise than in the pass before; they are believed when two passes agree",
)
_HEALTH_DOUBTED = Missing(
    absence=Absence.GARBAGE,
    detail="far from what the pass before read; it is believed when two passes agree",
)


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings(Generic[Value]):
    """What has been read of one signal of each backend, by service and region."""

    last: Mapping[Place, Value] = field(default_factory=dict)
    """By the newest pass that could read it."""
    believed: Mapping[Place, Value] = field(default_factory=dict)

    def judge(self, now: Mapping[Place, Value], agree: Callable[[Value, Value], bool]) -> set[Place]:
        """The places of which nothing is believed in this pass: `now` agrees neither with `believed` nor with `last`."""
        return {
            place
            for place, value in now.items()
            if place in self.believed
            and not agree(value, self.believed[place])
            and not agree(value, self.last[place])
        }

    def after(self, now: Mapping[Place, Value], doubted: set[Place]) -> Readings[Value]:
        """With what this pass read."""
        believed = {place: value for place, value in now.items() if place not in doubted}
        return Readings(last={**self.last, **now}, believed={**self.believed, **believed})


def doubt_traffic(snapshot: Snapshot, before: Readings[Minutes]) -> tuple[Snapshot, Readings[Minutes]]:
    """The snapshot without the traffic that is not believed yet, and what the next pass compares with."""
    read = _by_place(snapshot, lambda backend: _minutes(backend.traffic))
    doubted = before.judge(read, lambda now, then: agree(now, then, snapshot.at))
    last = {place: _timed(now, before.last.get(place, ())) for place, now in read.items()}
    believed = {
        place: _timed(now, before.believed.get(place, ()))
        for place, now in read.items()
        if place not in doubted
    }
    after = Readings(last={**before.last, **last}, believed={**before.believed, **believed})
    return _changed(snapshot, doubted, lambda backend: replace(backend, traffic=_DOUBTED)), after


def _timed(now: Minutes, then: Minutes) -> Minutes:
    """The newer minutes, with the latencies of the older ones where the newer ones have none."""
    if not then or all(minute.latency is not None or minute.ok <= 0.0 for minute in now):
        return now  # the usual case
    known = {minute.end: minute.latency for minute in then}
    return tuple(
        [
            replace(minute, latency=known.get(minute.end))
            if minute.latency is None and minute.ok > 0.0
            else minute
            for minute in now
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A backend of which readings say that it has no healthy endpoint."""

    since: float
    """UTC seconds of the first of these readings."""
    usual: float = 0.0
    """Good answers a minute before, as far back as traffic is read; 0 where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReadings:
    """What has been read of the health of each backend."""

    shares: Readings[float] = field(default_factory=Readings)
    """Healthy shares of endpoints."""
    recent: Mapping[Place, tuple[float, ...]] = field(default_factory=dict)
    """The last `_LOOKS` of them, oldest first."""
    deaths: Mapping[Place, Death] = field(default_factory=dict)
    """Where the newest reading has no healthy endpoint."""
    answering: frozenset[Place] = frozenset()
    """Those of them whose traffic contradicts it, by the newest pass that read traffic."""


def doubt_health(
    snapshot: Snapshot, before: HealthReadings, *, period: float = 60.0
) -> tuple[Snapshot, HealthReadings]:
    """The snapshot without the health that is not believed yet, and what the next pass compares with.

    Args:
        snapshot: of a full pass or of a health pass; the latter reads no traffic.
        before: of the pass before.
        period: seconds of a minute of traffic.
    """
    read = _by_place(snapshot, lambda backend: _share(backend.health))
    recent = {place: (*before.recent.get(place, ())[1 - _LOOKS :], share) for place, share in read.items()}
    far = {
        place
        for place, share in read.items()
        if abs(share - before.shares.believed.get(place, share)) > _SHARE_APART + _ROUNDING
    }
    regions, changed = Counter(service for service, _ in read), Counter(service for service, _ in far)
    doubted = {
        place
        for place, shares in recent.items()
        if (place in far or _turns(shares) >= _RESTLESS)
        and not _stands(shares, much=changed[place[0]] > max(_MANY - 1, regions[place[0]] / 2))
    }
    dead = {place for place, share in read.items() if share <= 0.0}
    # what could not be read in this pass is as dead as it was
    told_dead = {*dead, *[place for place in before.deaths if place not in read]}
    traffic = _by_place(snapshot, lambda backend: _minutes(backend.traffic)) if told_dead else {}
    deaths = {
        place: _death(before.deaths.get(place, Death(since=snapshot.at)), traffic.get(place, ()))
        for place in told_dead
    }
    answering = {
        place
        for place, death in deaths.items()
        if (_answers(traffic[place], death, period) if place in traffic else place in before.answering)
    }
    found = _changed(snapshot, doubted, lambda backend: replace(backend, health=_HEALTH_DOUBTED))
    after = HealthReadings(
        shares=before.shares.after(read, doubted),
        recent={**before.recent, **recent},
        deaths=deaths,
        answering=frozenset(answering),
    )
    return _changed(
        found, answering & dead - doubted, lambda backend: replace(backend, health=_ANSWERING)
    ), after


def _stands(shares: tuple[float, ...], *, much: bool) -> bool:
    """Tell if the newest readings of a healthy share agree: as many as its turns ask for, or all where `much` has changed at once."""
    needed = _LOOKS if much else min(_LOOKS, 2 + 2 * _turns(shares))
    newest = shares[-needed:]
    return len(newest) == needed and max(newest) - min(newest) <= _SHARE_APART + _ROUNDING


def _turns(shares: tuple[float, ...]) -> int:
    """How often a share went the other way, by more than `_SHARE_APART` each time."""
    turns, direction, level = 0, 0, shares[0]
    for share in shares[1:]:
        if abs(share - level) <= _SHARE_APART + _ROUNDING:
            continue
        way = 1 if share > level else -1
        turns += direction == -way
        direction, level = way, share
    return turns


def _death(known: Death, minutes: Minutes) -> Death:
    """The same with what was usual before, while traffic reaches back to it."""
    before = [minute.ok for minute in minutes if minute.end <= known.since]
    return replace(known, usual=sum(before) / len(before)) if before else known


def _answers(minutes: Minutes, death: Death, period: float) -> bool:
    """Tell if the newest minute that began after a death has good answers as before; minutes are oldest first."""
    if not minutes or minutes[-1].end - period < death.since:
        return False
    return death.usual >= FEW and minutes[-1].ok >= _STILL * death.usual


def _by_place(snapshot: Snapshot, read: Callable[[BackendView], Value | None]) -> dict[Place, Value]:
    """What was read of each backend; nothing of those of which nothing could be, which agrees with all."""
    found: dict[Place, Value] = {}
    for view in snapshot.services:
        for backend in view.backends:
            value = read(backend)
            if value is not None:
                found[view.service, backend.region] = value
    return found


def _changed(
    snapshot: Snapshot, places: set[Place], change: Callable[[BackendView], BackendView]
) -> Snapshot:
    """The snapshot with the backends at these places changed."""
    if not places:
        return snapshot
    services = [
        replace(
            view,
            backends=tuple(
                [
                    change(backend) if (view.service, backend.region) in places else backend
                    for backend in view.backends
                ]
            ),
        )
        for view in snapshot.services
    ]
    return replace(snapshot, services=tuple(services))


def _share(health: Seen[HealthCount] | Missing) -> float | None:
    """The healthy share; None where it could not be read."""
    return health.value.healthy / health.value.total if isinstance(health, Seen) else None


def _minutes(traffic: Traffic) -> Minutes | None:
    """The minutes that were read; None where nothing could be, which agrees with all."""
    if isinstance(traffic, Seen):
        return traffic.value
    return () if traffic.absence is Absence.NO_SERIES else None


def agree(now: Minutes, then: Minutes, at: float) -> bool:
    """Tell if two readings of one backend can both be true.

    Args:
        now: the newer one, oldest minute first.
        then: the older one.
        at: UTC seconds of the newer one.
    """
    if not then:
        return True
    # 1. The newest minute of the older reading is there, unless the newer one does not reach back to it.
    newest = then[-1].end
    end = bisect_left(now, newest, key=_end)
    if end == len(now) or now[end].end != newest:
        return (not now or now[0].end > newest) and newest < at - _REACH
    # 2. Most minutes of both say the same. In the usual case all are the same objects.
    newer, older = now[: end + 1], then[bisect_left(then, now[0].end, key=_end) :]
    if newer == older:
        return True
    common = {minute.end: minute for minute in older}
    pairs = [(minute, common[minute.end]) for minute in newer if minute.end in common]
    others = [(one, other) for one, other in pairs if one is not other]
    slower = sum([_times_differ(one, other) for one, other in others])
    changed = sum([_counts_differ(one, other) or _times_differ(one, other) for one, other in others])
    timed = sum([_is_timed(one) and _is_timed(other) for one, other in pairs]) if slower else 0
    return 2 * changed <= len(pairs) and 2 * slower <= timed


def _counts_differ(one: Minute, other: Minute) -> bool:
    """Tell if the counts of two readings of one minute are too far apart to be both true."""
    counts = (
        (one.ok, other.ok),
        (one.client_error, other.client_error),
        (one.too_many, other.too_many),
        (one.server_error, other.server_error),
    )
    return any(far_apart(a, b, _APART) for a, b in counts)


def _is_timed(minute: Minute) -> bool:
    """Tell if a minute has latencies enough to be compared."""
    return minute.latency is not None and minute.latency.count >= FEW


def _times_differ(one: Minute, other: Minute) -> bool:
    """The same of their mean latencies, where both are known."""
    a, b = one.latency, other.latency
    if a is None or b is None or min(a.count, b.count) < FEW:
        return False
    return max(a.mean, b.mean) > _APART * min(a.mean, b.mean)
