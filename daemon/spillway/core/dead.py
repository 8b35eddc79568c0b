"""Drains of dead regions that Google's auto-drain leaves in service."""

from __future__ import annotations

from spillway.core.picture import Picture, auto_drained, posture_set
from spillway.core.reasons import reason
from spillway.core.regions import ceiling_factor
from spillway.core.result import Lever
from spillway.core.wishes import Change

DEAD_READS = 2
"""Health reads in a row that must agree before a region counts as dead."""


DEAD_LOAD = 0.005
"""Share of the forecast that a dead region must still be getting for a drain to be worth a write."""


def drains(picture: Picture) -> tuple[Change, ...]:
    """Drains of dead regions that would still get traffic: Google's auto-drain is off, or holds its half already."""
    if not any(f.dead for f in picture.facts):
        return ()
    settings = posture_set(picture.policy, picture.posture)
    drained = auto_drained(picture.facts, settings)
    alive = any(f.serving and not f.dead for f in picture.facts)
    loads = picture.model.base().flow.loads
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
