"""Operators' pins and drains as wanted changes."""

from __future__ import annotations

from spillway.core.holds import HoldKind, Holds
from spillway.core.picture import Picture
from spillway.core.reasons import reason
from spillway.core.result import Lever
from spillway.core.wishes import Change


def wishes(picture: Picture, holds: Holds) -> tuple[Change, ...]:
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
