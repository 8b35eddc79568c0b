"""The ordered moves from one setting to the next: what adds capacity goes first, what removes it goes last.

A plan that is cut short after any move must itself be safe. Here the constraints are asserted, not applied: a plan that breaks
one is refused whole, and never made smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spillway.core.model.service import ServiceModel
from spillway.core.values.decision import GRADED, Change, Lever, ordered
from spillway.core.values.overlay import BackendSetting, ServiceSetting
from spillway.errors import UnsafePlan

REMEDY = "Nothing was written. The next tick decides anew."


def make_plan(
    setting: ServiceSetting, changes: Sequence[Change], model: ServiceModel
) -> tuple[tuple[Change, ...], ServiceSetting]:
    """The changes in their order, and the setting after all of them.

    Raises:
        UnsafePlan: some prefix of the order breaks a floor.
    """
    steps = ordered(changes)
    constraints = model.constraints
    # what an operator forces is no breach: the floors are those of the set that stands once it is made
    standing = setting
    for change in steps:
        if change.forced:
            standing = after(standing, change)
    requirements = constraints.against(model.traffic.predict(scalers_of(model, standing)))
    # all ceilings of a service travel in one call, which is never cut short half-way: only its end is a prefix
    last = max((i for i, c in enumerate(steps) if c.lever in GRADED), default=-1)
    for i, change in enumerate(steps):
        setting = after(setting, change)
        if not change.down or i < last:
            continue
        violation = requirements.broken_floor(scalers_of(model, setting), dead_drain=change.urgent)
        if violation is not None:
            numbers = ", ".join(f"{k} {v}" for k, v in violation.numbers.items())
            where = f"after {change.region} -> {change.after:.2f} {setting.service}"
            raise UnsafePlan(f"{where} breaks {violation.code} ({numbers})", remedy=REMEDY)
    return steps, setting


def after(setting: ServiceSetting, change: Change) -> ServiceSetting:
    """The setting of a service after one change."""
    if change.lever is Lever.POSTURE:
        return setting if change.posture is None else replace(setting, posture=change.posture)
    old = setting.backend(change.region or "")
    return setting.with_backend(
        BackendSetting(
            region=old.region,
            member=change.member,
            scaler=change.after if change.member else 0.0,
            preference=old.preference,
        )
    )


def scalers_of(model: ServiceModel, setting: ServiceSetting) -> tuple[float, ...]:
    """The scalers of a setting in the order of the model's regions; 0 for what is no member."""
    by_region = {b.region: b.scaler if b.member else 0.0 for b in setting.backends}
    return tuple(by_region[r.name] for r in model.traffic.regions)
