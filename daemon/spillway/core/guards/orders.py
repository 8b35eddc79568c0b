"""Guards of people's will: operator holds, freezes, outside edits; and of unknown outcomes."""

from __future__ import annotations

from spillway.core.guards.situation import Ruling, Situation, refused
from spillway.core.holds import HoldKind
from spillway.core.reasons import reason
from spillway.core.wishes import Change


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
    if now.picture.at < now.picture.fact(change.region).memory.held_until:
        return refused(reason("outside-edit", region=change.region))
    return None
