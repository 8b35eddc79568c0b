"""What acting has saved so far, and what advice that nobody followed would have saved: estimates by the model.

    acting      the ceilings that stand are compared with those that would stand without a move of Spillway's
    advising    the advised ceilings (modes `observe` and `recommend`) are compared with those that stand

Nothing is counted twice. Advice that is not followed is given again in every tick, and each tick counts only the requests that were
answered since the tick before. Each tick compares the sets that its newest sample was answered under, not those that it decides: an
incident counts from the moment at which a write would have had its effect, until it ends, and not until its end is seen.

A tick without a fresh sample counts nothing, and neither does the time in which no daemon ran. A tick in which the sets do harm by
the model counts nothing either. docs/measured.md has both estimates beside the truth of simulated stories.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from spillway.core.loop import Considered
from spillway.core.model.savings import (
    Scalers,
    answered_rate,
    saved_share,
    scalers_of,
    seen_under,
    without_moves,
)
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Mode
from spillway.core.values.topology import ServiceName

METHOD = "by the model: an estimate"
"""What is said of the figures wherever they are shown."""

VERSION = 1
"""Of the method. Sums that were made by another one begin anew."""

LONGEST_TICK = 300.0
"""Seconds between two ticks that are counted at most: what happened in a longer pause was seen by nobody."""

SETS = 120
"""Sets of one service that are remembered at most: two hours of one in each tick. Those older than a dead time are not needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """The sums of one service."""

    service: ServiceName
    since: float
    """UTC seconds of the first tick that was counted."""
    saved: float = 0.0
    """Requests that acting kept from being bad."""
    advised: float = 0.0
    """Requests that advice which was not followed would have kept from being bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """The sums of all services, as they survive a restart."""

    version: int = VERSION
    """Of the method; sums of another one are not gone on with."""
    services: tuple[Saving, ...] = ()


class _Sets(NamedTuple):
    """Two sets that are compared, from one tick on."""

    at: float
    """UTC seconds of the tick that decided."""
    under: Scalers
    """What acting leads to, or would lead to."""
    instead: Scalers
    """What stands without it."""
    mode: Mode


class SavingsLedger:
    """Adds up the savings of each tick.

    Args:
        kept: the sums so far.
    """

    def __init__(self, kept: Savings = Savings()) -> None:
        services = kept.services if kept.version == VERSION else ()
        self._sums = {saving.service: saving for saving in services}
        self._sets: dict[ServiceName, deque[_Sets]] = {}
        self._at: float | None = None
        """UTC seconds of the tick before."""

    def add(
        self,
        considered: Iterable[Considered],
        *,
        at: float,
        stands: Overlay,
        starting: Overlay,
        orders: Orders,
    ) -> Savings:
        """Add one tick, and give back the sums; services that left are forgotten.

        Args:
            considered: every service, as the step of this tick has it.
            at: UTC seconds of the tick.
            stands: what is wanted after the write of this tick.
            starting: what the configuration begins with.
            orders: operators' orders in force.
        """
        seconds = 0.0 if self._at is None else min(LONGEST_TICK, max(0.0, at - self._at))
        self._at = at
        wanted = {setting.service: setting for setting in stands.services}
        begins = {setting.service: setting for setting in starting.services}
        found: dict[ServiceName, Saving] = {}
        for each in considered:
            name = each.model.service.name
            saving = self._sums.get(name) or Saving(service=name, since=at)
            sets = self._sets.setdefault(name, deque(maxlen=SETS))
            found[name] = _with_tick(saving, each, sets, seconds)
            setting = wanted[name]
            stood = scalers_of(setting)
            if each.mode is Mode.ACT:
                pair = stood, without_moves(each.model, begins[name], setting, orders)
            else:
                pair = scalers_of(each.after), stood
            fresh = _Sets(at, *pair, each.mode)
            if not sets or sets[-1][1:] != fresh[1:]:
                sets.append(fresh)
        self._sums = found
        self._sets = {name: sets for name, sets in self._sets.items() if name in found}
        return Savings(services=tuple(found[name] for name in sorted(found)))


def _with_tick(saving: Saving, each: Considered, sets: deque[_Sets], seconds: float) -> Saving:
    """The sums with what the newest sample shows: its requests, compared under the sets that had taken effect by then."""
    until = seen_under(each.model)
    if until is None or seconds <= 0.0:
        return saving
    while len(sets) > 1 and sets[1].at <= until:
        sets.popleft()
    if not sets or sets[0].at > until or sets[0].under == sets[0].instead:
        return saving
    share = max(0.0, saved_share(each.model, sets[0].under, sets[0].instead))
    requests = share * answered_rate(each.model) * seconds
    if sets[0].mode is Mode.ACT:
        return replace(saving, saved=saving.saved + requests)
    return replace(saving, advised=saving.advised + requests)
