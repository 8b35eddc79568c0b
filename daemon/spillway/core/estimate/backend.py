"""The belief about one backend: setting, health, window and estimate side by side, made of a snapshot and the memory.

`believe` joins the two in this order: health, the ceiling in requests/s, the judged window, the minutes that are new. `remember` keeps what the
next step needs of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from spillway.core.estimate.belief import AUTO_DRAIN_BELOW, BackendBelief, looks_well
from spillway.core.estimate.capacity import capacity_proven
from spillway.core.estimate.failures import fell_at, learn_health
from spillway.core.estimate.latency import SMOOTH
from spillway.core.estimate.sample import Blind, Window, judge, later
from spillway.core.estimate.update import Circumstances, learn, settled, smoothed_rate
from spillway.core.values.histogram import merge
from spillway.core.values.overlay import BackendSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, BackendView, HealthCount, Minute, Missing, Seen
from spillway.core.values.state import BackendMemory, Estimate
from spillway.core.values.topology import Backend, BalancingMode

ABSURD_LOAD = 4.0
"""Load over the ceiling at scaler 1 that Google sends to no region, short of a fleet overfilled fourfold."""


def believe(
    backend: Backend,
    setting: BackendSetting,
    memory: BackendMemory,
    view: BackendView,
    policy: Policy,
    *,
    estimate: Estimate,
    at: float,
    others: Mapping[float, Minute] | None,
    load_from_peers: float,
    newest_end: float,
) -> BackendBelief:
    """Put the view of one backend beside what is remembered of it, and learn from it.

    Args:
        backend: The backend.
        setting: What is wanted of it.
        memory: What is remembered of it.
        view: What was observed.
        policy: How its service is steered.
        estimate: What has been learned of it before.
        at: UTC seconds of the snapshot.
        others: Minutes of other services on the same groups, by their end; None where there are none.
        load_from_peers: Requests/s that those services will have there.
        newest_end: End of the newest minute of the whole service.
    """
    health, health_at = _health_of(view, policy, at)
    # 1. Health, and the ceiling that follows from it.
    before = estimate.health.share
    estimate = _with_health(settled(estimate, at), health, at)
    share, serving = estimate.health.share, setting.member and setting.scaler > 0.0
    target = _target(backend, estimate)
    # 2. The newest minutes, unless they cannot be true.
    window = judge(view, policy.evidence, policy.slo, policy.timing.sample_period, newest_end)
    if isinstance(window, Window):
        if target is not None and _absurd(window, target):
            why = f"far more than its ceiling of {target:.0f} requests/s"
            window = Blind(absence=Absence.GARBAGE, why=why, age=window.age)
        elif isinstance(view.traffic, Seen) and window.end > estimate.last_minute:
            # 3. What is new in them is learned.
            since = estimate.last_minute
            if since == 0.0 or share != before:
                since = max(since, window.start)  # nobody knows when endpoints came or went in a pause
            minutes = later(view.traffic.value, since)
            estimate = _learned(estimate, minutes, others, _known(backend, memory, target, policy))
    elif others and window.absence is Absence.NO_SERIES and not serving:
        estimate = _from_peers(estimate, others, _known(backend, memory, target, policy))
    return BackendBelief(
        backend=backend,
        setting=setting,
        memory=memory,
        estimate=estimate,
        window=window,
        health=health,
        health_at=health_at,
        share=share,
        target=target,
        capacity=capacity_proven(estimate, target, share) if _is_measured(backend, estimate) else None,
        load_from_peers=load_from_peers,
        region=backend.region,
        serving=serving,
        dead=health is not None and health.total > 0 and health.healthy < AUTO_DRAIN_BELOW * health.total,
    )


def _is_measured(backend: Backend, estimate: Estimate) -> bool:
    """Whether its estimate tells a capacity: of an autoscaled backend only while it has too much load."""
    return backend.has_scaler or estimate.saturation.rate is not None


def _health_of(view: BackendView, policy: Policy, at: float) -> tuple[HealthCount | None, float]:
    """What was read of its health and when, UTC seconds; (None, 0) where that is missing or stale."""
    read = view.health
    if isinstance(read, Missing) or read.age > policy.evidence.health_max_age:
        return None, 0.0
    return read.value, at - read.age


def _known(backend: Backend, memory: BackendMemory, target: float | None, policy: Policy) -> Circumstances:
    """What is known besides the minutes."""
    return Circumstances(
        target=target,
        slo=policy.slo,
        evidence=policy.evidence,
        period=policy.timing.sample_period,
        cut_at=memory.moved_at if memory.moved_at is not None and memory.direction < 0 else inf,
        autoscaled=not backend.has_scaler,
    )


def _learned(
    estimate: Estimate,
    minutes: tuple[Minute, ...],
    others: Mapping[float, Minute] | None,
    known: Circumstances,
) -> Estimate:
    """The estimate after these minutes: machines do not care whose requests they work on, but demand is each service's own."""
    if not others:
        return learn(estimate, minutes, known)
    found = learn(estimate, pooled(minutes, others), known)
    served = smoothed_rate(estimate.served, minutes, estimate.last_minute, known.period)
    return replace(found, served=served)


def _from_peers(estimate: Estimate, others: Mapping[float, Minute], known: Circumstances) -> Estimate:
    """The estimate of a region that is closed here, after what other services on the same groups show of it.

    Without them, nothing would tell that it is well again but a probe.
    """
    minutes = tuple([others[end] for end in sorted(others) if end > estimate.last_minute])
    served = estimate.served * (1.0 - SMOOTH) ** len(minutes)
    return replace(learn(estimate, minutes, known), served=served) if minutes else estimate


def _with_health(estimate: Estimate, health: HealthCount | None, at: float) -> Estimate:
    """The estimate with the endpoints and the healthy share as they were read just now."""
    track = learn_health(estimate.health, health, at)
    return estimate if track is estimate.health else replace(estimate, health=track)


def _absurd(window: Window, target: float) -> bool:
    return window.peak > ABSURD_LOAD * target


def _target(backend: Backend, estimate: Estimate) -> float | None:
    """Requests/s of ceiling at scaler 1.

    In flight is turned into a rate by Little's law. A target in utilisation alone is no rate: what has been learned
    of the region stands for it.
    """
    if not backend.has_scaler:
        return None
    target, endpoints, latency = backend.target, estimate.health.endpoints, estimate.latency
    groups = len(backend.groups)
    if target.mode is BalancingMode.IN_FLIGHT:
        each = target.per_endpoint * (endpoints or 0) if target.per_endpoint is not None else 0.0
        flights = each or (target.per_group or 0.0) * groups
        return flights / latency.service_time if flights and latency.service_time else None
    if target.per_endpoint is not None and endpoints is None:
        return None
    rate = target.rate(endpoints or 0, groups)
    if rate is None and estimate.concurrency.limit is not None and latency.baseline:
        return estimate.concurrency.limit / latency.baseline
    return rate or None


def pooled(minutes: tuple[Minute, ...], others: Mapping[float, Minute] | None) -> tuple[Minute, ...]:
    """Own minutes plus what other services sent to the same groups: machines do not care whose requests they work on."""
    if not others:
        return minutes
    return tuple(add(m, others[m.end]) if m.end in others else m for m in minutes)


def add(a: Minute, b: Minute) -> Minute:
    """The sum of two minutes with the same end; distributions with other bounds are left out."""
    spread = a.latency
    if a.latency is not None and b.latency is not None and a.latency.bounds == b.latency.bounds:
        spread = merge((a.latency, b.latency))
    elif a.latency is None:
        spread = b.latency
    return Minute(
        end=a.end,
        ok=a.ok + b.ok,
        client_error=a.client_error + b.client_error,
        too_many=a.too_many + b.too_many,
        server_error=a.server_error + b.server_error,
        latency=spread,
    )


def scaled(minute: Minute, share: float) -> Minute:
    """The part of a minute that falls on a share of the groups: the same answers at the same speed, only fewer."""
    if share == 1.0:
        return minute
    spread = minute.latency
    return Minute(
        end=minute.end,
        ok=share * minute.ok,
        client_error=share * minute.client_error,
        too_many=share * minute.too_many,
        server_error=share * minute.server_error,
        latency=None
        if spread is None
        else replace(spread, counts=tuple([share * count for count in spread.counts])),
    )


def remember(belief: BackendBelief, policy: Policy, at: float) -> BackendMemory:
    """The memory with `well_since`, `dead_seen` and `empty_since` brought up to date.

    Whatever its share, a region that has just lost endpoints begins to look well anew: so a flapping one never does.
    """
    memory = belief.memory
    well = looks_well(belief, policy)
    since = memory.well_since
    if well is True and since is None:
        since = at
    elif well is False:
        since = None
    if since is not None:
        fell = fell_at(belief.estimate.health)
        if fell is not None and fell > since:
            since = fell
    dead, read_at = memory.dead_seen, memory.dead_read_at
    if belief.health is not None and not belief.dead:
        dead = 0
    elif belief.dead and belief.health_at > read_at:
        dead, read_at = min(99, dead + 1), belief.health_at
    closed = not belief.setting.member or belief.setting.scaler == 0.0
    empty = (memory.empty_since if memory.empty_since is not None else at) if closed else None
    if since == memory.well_since and dead == memory.dead_seen and empty == memory.empty_since:
        return memory
    return replace(memory, well_since=since, dead_seen=dead, dead_read_at=read_at, empty_since=empty)
