"""Policies: that thresholds for leaving and returning do not cross, and that no loop acts faster than it can see."""

from __future__ import annotations

from spillway.config.draft import POLICIES, REGIONS, SERVICES, Draft
from spillway.config.fields import format_duration, parse_duration
from spillway.config.services import LONGEST_DRAINING
from spillway.config.suggest import did_you_mean
from spillway.config.tree import Location
from spillway.core.estimate.belief import AUTO_DRAIN_BELOW
from spillway.core.values.policy import LONGEST_DRAIN_WAIT, CalendarWindow, Policy, Triggers


def check(draft: Draft) -> None:
    """Judge every policy, and how its times fit the services that follow it."""
    for name, policy in draft.policies.items():
        at = (*POLICIES, name)
        _rhythm(draft, at, policy)
        _evidence(draft, at, policy)
        _triggers(draft, at, policy.triggers)
        _postures(draft, at, policy)
        _membership(draft, at, policy)
        _windows(draft, at, policy)
    _requests(draft)


def _rhythm(draft: Draft, at: Location, policy: Policy) -> None:
    dead = policy.timing.dead_time
    timing = ((*at, "timing"),)
    for where, dwell, what in (
        ((*at, "rhythm", "dwell"), policy.rhythm.dwell, "a backend may be moved again"),
        ((*at, "postures", "dwell"), policy.postures.dwell, "the posture may change again"),
    ):
        if dwell < dead:
            draft.error(
                where,
                f"after {format_duration(dwell)} {what}, but the effect of a move is seen only after the dead time of "
                f"{format_duration(dead)} (timing: sample_period + visibility_delay + write_time + propagation). "
                "The loop would act on what it cannot see, and swing.",
                f"Write {format_duration(dead)} or more.",
                uses=timing,
            )
    blind = policy.timing.sample_period + policy.timing.visibility_delay
    if policy.rhythm.up_wait < blind:
        draft.error(
            (*at, "rhythm", "up_wait"),
            f"samples are up to {format_duration(blind)} old, so {format_duration(policy.rhythm.up_wait)} of looking well "
            "may all lie before the last move.",
            f"Write {format_duration(blind)} or more; the dead time of {format_duration(dead)} is better.",
            uses=timing,
        )
    if policy.rhythm.backoff_max < policy.rhythm.dwell:
        draft.error(
            (*at, "rhythm", "hold_max"),
            f"the longest rest ({format_duration(policy.rhythm.backoff_max)}) is shorter than the shortest, `dwell` ({format_duration(policy.rhythm.dwell)}).",
            f"Write {format_duration(policy.rhythm.dwell)} or more.",
            uses=((*at, "rhythm", "dwell"),),
        )


def _evidence(draft: Draft, at: Location, policy: Policy) -> None:
    timing = policy.timing
    least = timing.visibility_delay + 2 * timing.sample_period
    if policy.evidence.max_age < least:
        draft.error(
            (*at, "evidence", "max_age"),
            f"samples become visible up to {format_duration(timing.visibility_delay)} late and come every "
            f"{format_duration(timing.sample_period)}: with {format_duration(policy.evidence.max_age)} all of them would count as stale.",
            f"Write {format_duration(least)} or more (visibility_delay + two samples).",
            uses=((*at, "timing"),),
        )
    daemon = draft.daemon
    if daemon is None:
        return
    if policy.evidence.health_max_age < daemon.health_pass:
        draft.error(
            (*at, "evidence", "health_max_age"),
            f"health is read every {format_duration(daemon.health_pass)} (daemon.health_pass), "
            f"and would be stale after {format_duration(policy.evidence.health_max_age)}.",
            f"Write {format_duration(daemon.health_pass)} or more.",
            uses=(("daemon", "health_pass"),),
        )
    span = timing.visibility_delay + (policy.evidence.minutes + 1) * timing.sample_period
    if daemon.observe.window < span:
        draft.error(
            ("daemon", "observe", "window"),
            f"queries reach back {format_duration(daemon.observe.window)}, and {policy.evidence.minutes} trusted samples "
            f"(policies.{at[-1]}.evidence.minutes) need {format_duration(span)}.",
            f"Write {format_duration(span)} or more.",
            uses=((*at, "timing"), (*at, "evidence", "minutes")),
        )


def _triggers(draft: Draft, at: Location, triggers: Triggers) -> None:
    low, high = triggers.return_error_ratio, triggers.drain_error_ratio
    if low >= high:
        draft.error(
            (*at, "triggers", "return_error_ratio"),
            f"return_error_ratio ({low:g}) must be less than drain_error_ratio ({high:g}): without a gap a region leaves and returns in turns.",
            "Lower return_error_ratio, or raise drain_error_ratio.",
            uses=((*at, "triggers", "drain_error_ratio"),),
        )
    if triggers.return_healthy_share <= AUTO_DRAIN_BELOW:
        draft.error(
            (*at, "triggers", "return_healthy_share"),
            f"return_healthy_share ({triggers.return_healthy_share:g}) must be more than {AUTO_DRAIN_BELOW:g}, under which Google drains a "
            "region by itself: without a gap it leaves and returns in turns.",
            f"Write more than {AUTO_DRAIN_BELOW:g}; Google takes a region back at 0.35.",
        )


def _postures(draft: Draft, at: Location, policy: Policy) -> None:
    postures = policy.postures
    where = (*at, "postures")
    if postures.scarce_below >= postures.guarded_below:
        draft.error(
            (*where, "scarce_below"),
            f"scarce_below ({postures.scarce_below:g}) must be less than guarded_below ({postures.guarded_below:g}): "
            "headroom passes guarded on its way to scarce.",
            "Lower scarce_below, or raise guarded_below.",
            uses=((*where, "guarded_below"),),
        )
    for calmer, tighter in (("normal", "guarded"), ("guarded", "scarce")):
        before = getattr(postures, calmer).failover_threshold
        after = getattr(postures, tighter).failover_threshold
        if after > before:
            draft.error(
                (*where, tighter, "failover_threshold"),
                f"{tighter} spills sooner ({after} %) than {calmer} ({before} %), though the others have less room then.",
                f"Write {before} or less.",
                uses=((*where, calmer, "failover_threshold"),),
            )


def _membership(draft: Draft, at: Location, policy: Policy) -> None:
    membership = policy.membership
    if membership.leave_above <= membership.join_below:
        draft.error(
            (*at, "membership", "leave_above"),
            f"leave_above ({membership.leave_above:g}) must be more than join_below ({membership.join_below:g}): "
            "otherwise a standby region leaves at once when it has joined.",
            "Raise leave_above, or lower join_below.",
            uses=((*at, "membership", "join_below"),),
        )


def _windows(draft: Draft, at: Location, policy: Policy) -> None:
    for where, window in draft.items((*at, "planned"), policy.planned):
        _span(draft, where, window)
        if window.region is None:
            draft.error(
                where,
                "planned work names no region.",
                "Add `region`; to stop all moves for a time, write it under `freezes`.",
                uses=((*where, "region"),),
            )
        elif draft.lacks(REGIONS, window.region):
            draft.error(
                (*where, "region"),
                f"there is no region {window.region!r} in `topology.regions`.",
                did_you_mean(window.region, draft.names(REGIONS), "Name one of them."),
            )
    for where, window in draft.items((*at, "freezes"), policy.freezes):
        _span(draft, where, window)
        if window.region is not None:
            draft.error(
                (*where, "region"),
                "a freeze stops the moves of all regions.",
                "Remove `region`; to empty one region for work, write it under `planned`.",
            )


def _span(draft: Draft, at: Location, window: CalendarWindow) -> None:
    if window.start >= window.end:
        draft.error(
            (*at, "end"),
            "the window ends before it begins.",
            "Write an `end` after `start`; both are UTC.",
            uses=((*at, "start"),),
        )


def _at_least(timeout: float, given: float, most: float, whose: str = "service") -> str:
    """What to do about a wait that is shorter than the longest request, where no wait may be longer than `most` seconds.

    Args:
        timeout: seconds of the longest request.
        given: seconds of the wait.
        most: seconds of the longest wait.
        whose: who says how long a request may take, `service` or `route`.
    """
    if timeout <= most:
        return f"Write {format_duration(timeout)} or more, unless long requests may be cut."
    longest = format_duration(most)
    shorten = f"give the {whose} a `timeout` of {longest} or less, unless longer requests may be cut"
    if given < most:
        return f"Write {longest}, which is the most there is, and {shorten}."
    return f"There is no longer one than {longest}: {shorten}."


def _longest_request(draft: Draft, name: str) -> tuple[float, Location]:
    """Seconds that a request to a service may take, and where that is said: at the service, or at a route that leads there."""
    found: list[tuple[float, Location]] = [(draft.services[name].timeout, (*SERVICES, name, "timeout"))]
    for at, route in draft.routes:
        default = (draft.default_service,) if draft.default_service and not route.targets else ()
        inherited = route.services or default
        if route.timeout is not None and name in inherited:
            found.append((route.timeout, (*at, "timeout")))
        for where, entry in draft.items((*at, "paths"), route.paths):
            if entry.timeout is not None and name in (entry.services if entry.targets else inherited):
                found.append((entry.timeout, (*where, "timeout")))
    return max(found, key=lambda one: one[0])


def _requests(draft: Draft) -> None:
    """How the longest request of each service fits its draining, its policy's waits and its objective."""
    for name, service in draft.services.items():
        at = (*SERVICES, name)
        timeout = ((*at, "timeout"),)
        longest = format_duration(service.timeout)
        if service.draining < service.timeout:
            draft.warn(
                (*at, "draining"),
                f"requests may take {longest}, and one that is under way when its endpoint leaves is cut after {format_duration(service.draining)}.",
                _at_least(service.timeout, service.draining, parse_duration(LONGEST_DRAINING)),
                uses=timeout,
            )
        policy = draft.policies.get(service.policy)
        if policy is None:
            continue
        lasts, said_at = _longest_request(draft, name)
        if policy.membership.drain_wait < lasts and len(draft.members(name)) > 1:
            by_route = "" if said_at in timeout else " by the `timeout` of a route"
            draft.warn(
                (*POLICIES, service.policy, "membership", "drain_wait"),
                f"a region is removed {format_duration(policy.membership.drain_wait)} after it was drained, "
                f"and a request to {name} may take {format_duration(lasts)}{by_route}: removal can cut it.",
                _at_least(
                    lasts,
                    policy.membership.drain_wait,
                    LONGEST_DRAIN_WAIT,
                    "route" if by_route else "service",
                ),
                uses=(*timeout, said_at),
            )
        if policy.slo.latency >= service.timeout:
            draft.error(
                (*POLICIES, service.policy, "slo", "latency"),
                f"an answer within {format_duration(policy.slo.latency)} counts as good, but {name} gives up after {longest}.",
                f"Write less than {longest}, or make the service's `timeout` longer.",
                uses=timeout,
            )
