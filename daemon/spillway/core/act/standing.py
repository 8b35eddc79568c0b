"""What stands in the cloud before a build: it wins over what is remembered.

Two readings have agreed already (`control.standing`), so nothing is doubted here. What an open intent of ours was to leave is
ours, and what a write without an answer was to leave too; all else that differs from what is remembered is pinned as any
other edit by somebody else.
"""

from __future__ import annotations

from dataclasses import replace

from spillway.core.act.account import account
from spillway.core.act.posture_edits import reconcile_posture
from spillway.core.act.reconcile import accounted, adopt, resolve_unknown
from spillway.core.act.sightings import differences, listed
from spillway.core.values.alarms import Alarm
from spillway.core.values.foreign import Difference
from spillway.core.values.overlay import ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import ServiceView
from spillway.core.values.state import ServiceMemory


def stand(
    setting: ServiceSetting,
    memory: ServiceMemory,
    view: ServiceView,
    policy: Policy,
    *,
    at: float,
    intended: ServiceSetting | None,
) -> tuple[ServiceSetting, ServiceMemory, tuple[Alarm, ...]]:
    """The setting and the memory as the cloud has it, and what was taken over from others.

    Args:
        setting: What is remembered as wanted.
        memory: What is remembered.
        view: What two readings showed.
        policy: How the service is steered.
        at: UTC seconds.
        intended: What an open intent of ours was to leave; None where there is none.
    """
    memory = accounted(setting, memory, at)
    setting, memory, _ = resolve_unknown(setting, memory, view, policy, at)
    seen = listed(view)
    # 1. what our own write was to leave is ours, whether or not it has told
    foreign = []
    for found in differences(setting, memory, seen, policy, at):
        if intended is not None and _is(intended, found):
            taken = replace(setting.backend(found.region), member=found.member, scaler=found.scaler)
            setting = setting.with_backend(taken)
            ours = memory.backend(found.region)
            ours = account(ours, member=taken.member, scaler=taken.scaler, at=at, backoff=None)
            memory = memory.with_backend(ours)
        else:
            foreign.append(found)
    if intended is not None and intended.posture is not setting.posture:
        after = replace(setting, posture=intended.posture)
        taken_over, _, _, alarms = reconcile_posture(after, memory, view, policy, at=at, edit_told=True)
        setting = taken_over if not alarms else setting
    # 2. the rest is somebody else's
    setting, memory, told = adopt(tuple(foreign), setting, memory, policy, at)
    setting, memory, _, posture = reconcile_posture(setting, memory, view, policy, at=at, edit_told=True)
    complete = len(seen) == len(view.backends)
    memory = replace(
        memory, sighting=None, listed_fingerprint=view.fingerprint if complete else memory.listed_fingerprint
    )
    return setting, memory, (*[alarm for _, _, alarm in told], *posture)


def _is(intended: ServiceSetting, found: Difference) -> bool:
    """Whether a difference is what an intent of ours was to leave."""
    for backend in intended.backends:
        if backend.region == found.region:
            scaler = backend.scaler if backend.member else 0.0
            return (backend.member, scaler) == (found.member, found.scaler)
    return False
