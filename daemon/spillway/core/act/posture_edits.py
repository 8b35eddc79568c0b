"""The failover policy of a service that somebody else has set: believed by two readings, then pinned.

A policy that is one of the three postures becomes the posture that the loop goes on with. One that is none of them cannot be
wanted: it is remembered and left alone, and the next change of posture of our own ends it.
"""

from __future__ import annotations

from dataclasses import replace

from spillway.core.act.sightings import LOOKS_APART, in_write
from spillway.core.estimate.belief import posture_set
from spillway.core.explain.alarms import edit_alarm
from spillway.core.explain.reasons import reason
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Reason
from spillway.core.values.foreign import ForeignPosture, PostureSighting, policy_words
from spillway.core.values.overlay import Posture, ServiceSetting
from spillway.core.values.policy import DriftAnswer, Policy
from spillway.core.values.snapshot import Missing, ObservedPolicy, ServiceView
from spillway.core.values.state import ServiceMemory


def reconcile_posture(
    setting: ServiceSetting,
    memory: ServiceMemory,
    view: ServiceView,
    policy: Policy,
    *,
    at: float,
    edit_told: bool,
) -> tuple[ServiceSetting, ServiceMemory, Reason | None, list[Alarm]]:
    """Take over the failover policy that somebody else has set, once it is believed; also why nothing is written meanwhile, and alarms."""
    pin, before = memory.posture_pin, memory.posture_sighting
    if isinstance(view.policy, Missing):
        doubt = None if before is None else _posture_doubt("unconfirmed", before.found)
        return setting, memory, doubt, []
    found = view.policy.value
    # 1. as wanted, or as it is known to stand
    own = posture_of(policy, found, setting.posture)
    if own is setting.posture:
        if pin is not None and (pin.wanted is setting.posture or not pin.holds(at)):
            pin = None
        return setting, replace(memory, posture_pin=pin, posture_sighting=None), None, []
    known = pin is not None and pin.found == found
    if known or in_write(memory, None, policy, at):
        return setting, replace(memory, posture_sighting=None), None, []
    # 2. a difference: two readings must agree
    seen_at = at - view.policy.age
    same = before is not None and (before.fingerprint, before.found) == (view.fingerprint, found)
    first = before.at if before is not None and same else seen_at
    if not edit_told and (not same or seen_at - first < LOOKS_APART):
        sighting = PostureSighting(at=first, fingerprint=view.fingerprint, found=found)
        return setting, replace(memory, posture_sighting=sighting), _posture_doubt("unconfirmed", found), []
    # 3. it is believed; a policy that no posture describes is left as it is, and remembered
    wanted = pin.wanted if pin is not None else setting.posture
    until = at + policy.drift.pin_for if policy.drift.levers is DriftAnswer.RESPECT else None
    pin = ForeignPosture(since=at, until=until, found=found, wanted=wanted)
    told = edit_alarm(setting.service, None, policy.drift, value=pin.shown, wanted=str(setting.posture))
    if own is not None:
        setting = replace(setting, posture=own)
    memory = replace(
        memory, posture_pin=None if own is wanted else pin, posture_sighting=None, posture_wanted=None
    )
    return setting, memory, _posture_doubt("just-adopted", found), [told]


def _posture_doubt(code: str, found: ObservedPolicy) -> Reason:
    return reason(code, what=f"the failover policy at {policy_words(found)}")


def posture_of(policy: Policy, found: ObservedPolicy, likely: Posture) -> Posture | None:
    """The posture that a failover policy is, or None; `likely` where several have the same settings."""
    candidates: tuple[Posture, ...] = (likely, *Posture)
    for posture in candidates:
        meant = posture_set(policy, posture)
        if (found.failover_threshold, found.auto_drain) == (meant.failover_threshold, meant.auto_drain):
            return posture
    return None
