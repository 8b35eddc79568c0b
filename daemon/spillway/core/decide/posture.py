"""Failover posture: plenty of headroom spills early, scarce headroom avoids cascades."""

from __future__ import annotations

from dataclasses import replace

from spillway.core.estimate.dwell import current_backoff
from spillway.core.estimate.failover import auto_drained, ceiling_factor, posture_set
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Lever
from spillway.core.values.overlay import Posture
from spillway.core.values.state import ServiceMemory

RETURN_BAND = 0.1
"""Headroom beyond a threshold that is needed to go back to the easier posture."""

STEADY_SECONDS = 240.0
"""Seconds for which another posture must be called for before it is wanted: one sample is noise."""

FLAPPING = 2.0
"""Hold multiplier of a backend from which the posture is at least guarded."""

HARM = 0.002
"""Share of the demand that a change of posture may be expected to make bad."""

_ORDER = (Posture.NORMAL, Posture.GUARDED, Posture.SCARCE)


def called_for(picture: Picture) -> tuple[Posture, float] | None:
    """(posture, headroom) for the present headroom, or None where too little is known."""
    model, policy = picture.model, picture.policy.postures
    known = [f for f in picture.facts if isinstance(f.window, Window)]
    serving = [f for f in picture.facts if f.serving and not f.dead]
    if model.forecast <= 0.0 or len(known) * 2 < len(serving):
        return None
    headroom = model.potential / model.forecast - 1.0
    rank = 2 if headroom < policy.scarce_below else 1 if headroom < policy.guarded_below else 0
    now = _ORDER.index(picture.posture)
    if rank < now:
        eased = 2 if headroom < policy.scarce_below + RETURN_BAND else 1
        eased = eased if headroom < policy.guarded_below + RETURN_BAND else 0
        rank = min(now, eased)
    if rank == 0 and any(
        current_backoff(f.memory, picture.policy.rhythm, picture.at) > FLAPPING
        for f in picture.facts
        if f.memory.backoff > FLAPPING
    ):
        rank = 1
    return _ORDER[rank], headroom


def _harms(picture: Picture, posture: Posture) -> bool:
    """Whether more requests would go bad: a lower threshold sends load back to a region that has lost endpoints."""
    old, new = posture_set(picture.policy, picture.posture), posture_set(picture.policy, posture)
    model, drained = picture.model, auto_drained(picture.facts, new)
    regions = []
    for region, facts in zip(model.regions, picture.facts, strict=True):
        was = ceiling_factor(facts, old, drained=False)
        factor = ceiling_factor(facts, new, drained=facts.region in drained)
        regions.append(
            replace(region, ceiling=region.ceiling * factor / was) if factor != was > 0.0 else region
        )
    after = replace(model, regions=tuple(regions)).base
    return after.bad > model.base.bad + HARM * model.forecast


def posture_change(picture: Picture) -> tuple[ServiceMemory, Change | None]:
    """The memory with the posture called for, and the change once it has been called for long enough."""
    memory, at = picture.memory, picture.at
    found = called_for(picture)
    if found is None:
        return memory, None
    posture, headroom = found
    if posture is picture.posture:
        if memory.posture_wanted is not None:
            memory = replace(memory, posture_wanted=None)
        return memory, None
    if memory.posture_wanted is not posture:
        return replace(memory, posture_wanted=posture, posture_since=at), None
    if at - memory.posture_since < STEADY_SECONDS:
        return memory, None
    if memory.posture_at and at - memory.posture_at < picture.policy.postures.dwell:
        return memory, None
    if _harms(picture, posture):
        return memory, None
    change = Change(
        service=picture.service.name,
        region=None,
        lever=Lever.POSTURE,
        before=0.0,
        after=0.0,
        reason=reason("posture", headroom=headroom),
        posture=posture,
        was_posture=picture.posture,
    )
    return memory, change
