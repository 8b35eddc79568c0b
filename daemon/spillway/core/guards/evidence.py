"""Guards of evidence: what is missing, late, thin or absurd can stop a move and never causes one."""

from __future__ import annotations

from spillway.core.guards.situation import Ruling, Situation, refused
from spillway.core.reasons import reason
from spillway.core.result import Lever
from spillway.core.snapshot import Absence
from spillway.core.window import Blind
from spillway.core.wishes import Change


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
    lasted = facts.estimate.bad_minutes * timing.sample_period
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
