"""Operators' pins and drains as wanted changes.

Drains of dead regions that Google's auto-drain leaves in service.

Edits from outside that hurt: put back at once, because an edit is known the moment it is listed.
"""

from __future__ import annotations

from spillway.core.estimate.failover import auto_drained, ceiling_factor, posture_set
from spillway.core.explain.reasons import reason
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Lever
from spillway.core.values.orders import HoldKind, Holds


def operator_changes(picture: Picture, holds: Holds) -> tuple[Change, ...]:
    """One change for each pinned or drained region that does not stand where its operator wants it."""
    if not holds.items:
        return ()
    found = []
    for facts in picture.facts:
        hold = holds.find(picture.service.name, facts.region, HoldKind.PIN, HoldKind.DRAIN)
        if hold is None or not facts.setting.member:
            continue
        after = hold.scaler if hold.kind is HoldKind.PIN and hold.scaler is not None else 0.0
        if after == facts.setting.scaler:
            continue
        if hold.kind is HoldKind.PIN:
            why = reason("operator-pin", region=facts.region, scaler=after, why=hold.reason)
        else:
            why = reason("operator-drain", region=facts.region, why=hold.reason)
        found.append(
            Change(
                service=picture.service.name,
                region=facts.region,
                lever=Lever.SCALER,
                before=facts.setting.scaler,
                after=after,
                reason=why,
                ordered=True,
            )
        )
    return tuple(found)


DEAD_READS = 2
"""Health reads in a row that must agree before a region counts as dead."""


DEAD_LOAD = 0.005
"""Share of the forecast that a dead region must still be getting for a drain to be worth a write."""


def dead_drains(picture: Picture) -> tuple[Change, ...]:
    """Drains of dead regions that would still get traffic: Google's auto-drain is off, or holds its half already."""
    if not any(f.dead for f in picture.facts):
        return ()
    settings = posture_set(picture.policy, picture.posture)
    drained = auto_drained(picture.facts, settings)
    alive = any(f.serving and not f.dead for f in picture.facts)
    loads = picture.model.base.flow.loads
    found = []
    for facts, load in zip(picture.facts, loads, strict=True):
        if not (facts.dead and facts.serving and alive) or facts.health is None:
            continue
        gets = (
            load > DEAD_LOAD * picture.model.forecast and ceiling_factor(facts, settings, drained=False) > 0.0
        )
        if facts.memory.dead_seen < DEAD_READS or facts.region in drained:
            continue
        if gets or not settings.auto_drain:
            why = reason(
                "drain-dead", region=facts.region, healthy=facts.health.healthy, total=facts.health.total
            )
            found.append(
                Change(
                    service=picture.service.name,
                    region=facts.region,
                    lever=Lever.SCALER,
                    before=facts.setting.scaler,
                    after=0.0,
                    reason=why,
                    urgent=True,
                )
            )
    return tuple(found)


HURTS = 0.02
"""Share of the demand that an edit must be expected to make bad, beyond what was, to be put back. Below it a person's
will is left alone for a dwell."""


def edit_reverts(picture: Picture) -> tuple[Change, ...]:
    """The way back to the scaler before the edit, for each edit that by prediction makes many more requests bad."""
    model = picture.model
    if model.forecast <= 0.0:
        return ()
    found = []
    for i, (facts, region) in enumerate(zip(picture.facts, model.regions, strict=True)):
        before = facts.memory.before_edit
        if before is None or before <= region.scaler or picture.at >= facts.memory.edit_grace_until:
            continue
        if facts.dead or not region.movable:
            continue
        bad, then = model.base.bad, model.outcome_with(i, before).bad
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
