"""Changes that the core wants before the guards have had their say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from spillway.core.overlay import Posture
from spillway.core.result import Lever, Move, Reason
from spillway.core.units import RegionName, ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One wanted change of one lever; a `Move` with numbers in place of words."""

    service: ServiceName
    region: RegionName | None
    lever: Lever
    before: float
    """Scaler before; 0 where the backend is no member."""
    after: float
    reason: Reason
    urgent: bool = False
    """A drain of a dead region: passes rests, budgets and freezes."""
    ordered: bool = False
    """An operator or the calendar wants it: needs no evidence, but keeps the floors."""
    member: bool = True
    """Membership after."""
    was_member: bool = True
    ahead: bool = False
    """A cap above the present load, for what others are about to send: comes before their cuts."""
    leaving: bool = False
    """First half of a leave: its scaler goes to 0 so that it can be detached."""
    posture: Posture | None = None
    was_posture: Posture | None = None

    @property
    def down(self) -> bool:
        """True if it takes ceiling away."""
        return self.lever is not Lever.POSTURE and self.after < self.before

    @property
    def up(self) -> bool:
        """True if it adds ceiling."""
        return self.lever is not Lever.POSTURE and self.after > self.before

    def move(self) -> Move:
        """The same in words."""
        if self.lever is Lever.POSTURE:
            before, after = str(self.was_posture), str(self.posture)
        else:
            before = f"{self.before:.2f}" if self.was_member else "detached"
            after = f"{self.after:.2f}" if self.member else "detached"
        return Move(
            service=self.service,
            region=self.region,
            lever=self.lever,
            before=before,
            after=after,
            reason=self.reason,
            urgent=self.urgent,
        )


def heard(*wishes: Iterable[Change]) -> tuple[Change, ...]:
    """At most one change for each region, and one of posture: of several the first is heard."""
    chosen: dict[RegionName | None, Change] = {}
    for change in chain.from_iterable(wishes):
        chosen.setdefault(change.region, change)
    return tuple(chosen.values())
