"""Edits from outside that hurt: put back at once, because an edit is known the moment it is listed."""

from __future__ import annotations

from spillway.core.picture import Picture
from spillway.core.reasons import reason
from spillway.core.result import Lever
from spillway.core.wishes import Change

HURTS = 0.02
"""Share of the demand that an edit must be expected to make bad, beyond what was, to be put back. Below it a person's
will is left alone for a dwell."""


def wishes(picture: Picture) -> tuple[Change, ...]:
    """The way back to the scaler before the edit, for each edit that by prediction makes many more requests bad."""
    model = picture.model
    if model.forecast <= 0.0:
        return ()
    found = []
    for i, (facts, region) in enumerate(zip(picture.facts, model.regions, strict=True)):
        before = facts.memory.before_edit
        if before is None or before <= region.scaler or picture.at >= facts.memory.held_until:
            continue
        if facts.dead or not region.movable:
            continue
        bad, then = model.base().bad, model.outcome_with(i, before).bad
        if bad - then < HURTS * model.forecast:
            continue
        found.append(
            Change(
                service=picture.service.name,
                region=region.name,
                lever=Lever.SCALER,
                before=region.scaler,
                after=before,
                reason=reason(
                    "revert-edit",
                    region=region.name,
                    bad_before=bad / model.forecast,
                    bad_after=then / model.forecast,
                ),
            )
        )
    return tuple(found)
