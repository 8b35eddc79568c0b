"""The ordered moves from one overlay to the next: what adds capacity goes first, what removes it goes last.

A plan that is cut short after any move must itself be safe; one that is not refuses itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spillway.core.floors import effective, floor_of, serving
from spillway.core.overlay import BackendSetting, Overlay, ServiceSetting
from spillway.core.picture import Picture
from spillway.core.result import Lever, Plan
from spillway.core.wishes import Change
from spillway.errors import UnsafePlan


def ordered(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Joins, raises, posture, cuts, closures, detachments; by service and region inside each."""

    def rank(change: Change) -> tuple[int, str, str]:
        if change.lever is Lever.POSTURE:
            place = 2
        elif change.up:
            place = 0 if not change.was_member else 1
        elif not change.member:
            place = 5
        else:
            place = 4 if change.after == 0.0 else 3
        return place, change.service, change.region or ""

    return tuple(sorted(changes, key=rank))


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
    regions_floor = min(picture.policy.floors.min_serving_regions, serving(picture, setting))
    start = effective(picture, setting)
    least = min(start, floor_of(picture))
    for change in changes:
        setting = after(setting, change)
        if change.urgent:
            least = min(least, effective(picture, setting))
            regions_floor = min(regions_floor, max(1, serving(picture, setting)))
        if serving(picture, setting) < max(1, regions_floor) and change.down:
            raise UnsafePlan(
                f"after {change.region} -> {change.after:.2f} only {serving(picture, setting)} regions of {setting.service} would serve",
                remedy="Nothing was written. The next tick decides anew.",
            )
        if change.down and effective(picture, setting) < least * (1 - 1e-6):
            raise UnsafePlan(
                f"after {change.region} -> {change.after:.2f} {setting.service} could carry "
                f"{effective(picture, setting):.0f} req/s; the floor is {least:.0f}",
                remedy="Nothing was written. The next tick decides anew.",
            )
    return setting


def plan_of(overlay: Overlay, changes: Sequence[Change], settings: Sequence[ServiceSetting]) -> Plan:
    """The plan: the overlay with the changed services, and the moves in order."""
    for setting in settings:
        overlay = overlay.with_service(setting)
    return Plan(overlay=overlay, moves=tuple(c.move() for c in ordered(changes)))
