"""The ordered moves from one overlay to the next: what adds capacity goes first, what removes it goes last.

A plan that is cut short after any move must itself be safe; one that is not refuses itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spillway.core.model.constraints import (
    effective_of,
    floor_of,
    nominal_floor,
    nominal_of,
    scalers_of,
    serving_of,
    sure_of,
)
from spillway.core.model.service import Picture
from spillway.core.values.decision import Change, Lever
from spillway.core.values.overlay import BackendSetting, ServiceSetting
from spillway.errors import UnsafePlan

REMEDY = "Nothing was written. The next tick decides anew."

GRAIN = 1e-6
"""Rounding allowed to a floor, as a share of it."""


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


def check_prefixes(setting: ServiceSetting, changes: Sequence[Change], picture: Picture) -> ServiceSetting:
    """The setting after all changes, each prefix checked against the floors.

    Raises:
        UnsafePlan: a prefix leaves fewer open regions than the floor (and fewer than before), or none; or less
            effective capacity than demand x (1 + reserve) and than before.
    """
    scalers = scalers_of(picture, setting)
    open_least = min(max(1, picture.policy.floors.min_serving_regions), serving_of(picture, scalers))
    floor = floor_of(picture)
    grain = GRAIN * floor
    carries_least = min(floor, effective_of(picture, scalers))
    nominal_least = min(nominal_floor(picture), nominal_of(picture, scalers))
    sure_least = min(floor, sure_of(picture, scalers))
    last = max((i for i, c in enumerate(changes) if c.lever is Lever.SCALER), default=-1)
    for i, change in enumerate(changes):
        setting = after(setting, change)
        if not change.down or i < last:
            continue  # all ceilings of a service travel in one call, which is never cut short half-way
        scalers = scalers_of(picture, setting)
        where = f"after {change.region} -> {change.after:.2f} {setting.service}"
        opened, carries, nominal = (
            serving_of(picture, scalers),
            effective_of(picture, scalers),
            nominal_of(picture, scalers),
        )
        if opened < open_least or not any(scalers):
            raise UnsafePlan(f"{where} would serve from {opened} regions", remedy=REMEDY)
        if nominal < nominal_least - grain and sure_of(picture, scalers) < sure_least - grain:
            raise UnsafePlan(
                f"{where} would have {nominal:.0f} req/s of ceilings; the floor is {nominal_least:.0f}",
                remedy=REMEDY,
            )
        if carries < carries_least - grain and not change.urgent:
            raise UnsafePlan(
                f"{where} could carry {carries:.0f} req/s; the floor is {carries_least:.0f}", remedy=REMEDY
            )
    return setting
