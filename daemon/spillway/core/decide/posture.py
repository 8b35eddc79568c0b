"""Failover posture: plenty of headroom spills early, scarce headroom avoids cascades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spillway.core.decide.proposals import Accepted, Context, Proposal, each
from spillway.core.estimate.dwell import current_backoff
from spillway.core.estimate.failover import auto_drained, ceiling_factor, posture_set
from spillway.core.estimate.sample import Window
from spillway.core.explain.reasons import reason
from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import Change, Lever, Purpose
from spillway.core.values.overlay import Posture
from spillway.core.values.state import ServiceMemory

RETURN_BAND = 0.1
"""Headroom beyond a threshold that is needed to go back to the easier posture."""

STEADY_SECONDS = 240.0
"""Seconds for which another posture must be called for before it is wanted: one sample is noise."""

FLAPPING = 2.0
"""Backoff of a backend from which the posture is at least guarded."""

HARM = 0.002
"""Share of the demand that a change of posture may be expected to make bad."""

_ORDER = (Posture.NORMAL, Posture.GUARDED, Posture.SCARCE)


def called_for(model: ServiceModel) -> tuple[Posture, float] | None:
    """(posture, headroom) for the present headroom, or None where too little is known."""
    traffic, policy = model.traffic, model.policy.postures
    known = [f for f in model.facts if isinstance(f.window, Window)]
    serving = [f for f in model.facts if f.serving and not f.dead]
    if traffic.forecast <= 0.0 or len(known) * 2 < len(serving):
        return None
    headroom = traffic.potential / traffic.forecast - 1.0
    rank = 2 if headroom < policy.scarce_below else 1 if headroom < policy.guarded_below else 0
    now = _ORDER.index(model.posture)
    if rank < now:
        eased = 2 if headroom < policy.scarce_below + RETURN_BAND else 1
        eased = eased if headroom < policy.guarded_below + RETURN_BAND else 0
        rank = min(now, eased)
    if rank == 0 and any(
        current_backoff(f.memory, model.policy.rhythm, model.at) > FLAPPING
        for f in model.facts
        if f.memory.backoff > FLAPPING
    ):
        rank = 1
    return _ORDER[rank], headroom


def _harms(model: ServiceModel, posture: Posture) -> bool:
    """Whether more requests would go bad: a lower threshold sends load back to a region that has lost endpoints."""
    old, new = posture_set(model.policy, model.posture), posture_set(model.policy, posture)
    traffic, drained = model.traffic, auto_drained(model.facts, new)
    regions = []
    for region, facts in zip(traffic.regions, model.facts, strict=True):
        was = ceiling_factor(facts, old, drained=False)
        factor = ceiling_factor(facts, new, drained=facts.region in drained)
        regions.append(
            region._replace(ceiling=region.ceiling * factor / was) if factor != was > 0.0 else region
        )
    after = replace(traffic, regions=tuple(regions)).base
    return after.bad > traffic.base.bad + HARM * traffic.forecast


def with_posture_timer(model: ServiceModel) -> ServiceMemory:
    """The memory with the posture that is called for, and since when."""
    memory, found = model.memory, called_for(model)
    if found is None:
        return memory
    posture, _ = found
    if posture is model.posture:
        return memory if memory.posture_wanted is None else replace(memory, posture_wanted=None)
    if memory.posture_wanted is posture:
        return memory
    return replace(memory, posture_wanted=posture, posture_since=model.at)


def postures(context: Context, _: Accepted) -> Iterable[Proposal]:
    """Another posture, once it has been called for long enough and by prediction harms nobody."""
    model = context.model
    memory, at = model.memory, model.at
    if memory.posture_wanted is None:
        return ()
    found = called_for(model)
    if found is None or found[0] is model.posture:
        return ()
    posture, headroom = found
    if at - memory.posture_since < STEADY_SECONDS:
        return ()
    if memory.posture_at and at - memory.posture_at < model.policy.postures.dwell:
        return ()
    if _harms(model, posture):
        return ()
    change = Change(
        service=model.service.name,
        region=None,
        lever=Lever.POSTURE,
        purpose=Purpose.POSTURE,
        before=0.0,
        after=0.0,
        reason=reason("posture", headroom=headroom),
        posture=posture,
        was_posture=model.posture,
    )
    return each([change])
