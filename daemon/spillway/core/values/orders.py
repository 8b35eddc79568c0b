"""What operators have asked for: holds, pins, drains and modes, each with its sender and mostly with an end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spillway.core.values.policy import Mode
from spillway.core.values.topology import RegionName, ServiceName, is_legal_scaler

MOST_ORDERS = 64
"""Orders in force at the same time, at most: each is shown on the page and in the metrics."""

_END_OF_TIME = 253_402_300_800.0
"""UTC seconds of the year 10000: calendars end before, and every order is shown with its end."""


class OrderKind(StrEnum):
    """What the operator wants."""

    HOLD = "hold"
    """Nothing moves."""
    PIN = "pin"
    """The scaler goes to a value and stays there."""
    DRAIN = "drain"
    """The scaler goes to 0 and stays there."""
    MODE = "mode"
    """The service is steered in another mode than its policy says."""


_WITH_REGION = frozenset({OrderKind.PIN, OrderKind.DRAIN})
"""Kinds that speak of one region; all others speak of whole services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command of an operator.

    Raises:
        ValueError: a pin without a legal scaler, a pin or drain that names no region, a mode that names none, or a time
            that no calendar has.
    """

    kind: OrderKind
    until: float | None
    """UTC seconds at which it expires; None where it lasts until it is taken back."""
    reason: str
    service: ServiceName | None = None
    """None for all services."""
    region: RegionName | None = None
    """None for all regions (holds and modes alone)."""
    scaler: float | None = None
    """The value of a pin."""
    mode: Mode | None = None
    """The value of a mode."""
    force: bool = False
    """Whether it may break floors. The last open region stays open all the same."""
    by: str = ""
    """Who sent it; empty where nobody knows."""
    at: float = 0.0
    """UTC seconds at which it was accepted."""
    number: int = 0
    """Counts the orders of one state folder; 0 for one that was never accepted."""

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if self.kind in _WITH_REGION and self.region is None:
            raise ValueError(f"a {self.kind} must name a region")
        if self.kind is OrderKind.PIN and (self.scaler is None or not is_legal_scaler(self.scaler)):
            raise ValueError(f"a pin needs a scaler of 0 or 0.1 to 1.0, not {self.scaler}")
        if self.kind is OrderKind.MODE and self.mode is None:
            raise ValueError("a mode must be observe, recommend or act")
        for name, time in (("begins", self.at), ("ends", self.until)):
            if time is not None and not 0.0 <= time < _END_OF_TIME:
                raise ValueError(f"it {name} at {time:g} s, a time that no calendar has")

    @property
    def goal(self) -> float | None:
        """The scaler that it wants; None where it wants none."""
        if self.kind is OrderKind.DRAIN:
            return 0.0
        return self.scaler if self.kind is OrderKind.PIN else None

    def covers(self, service: ServiceName, region: RegionName | None) -> bool:
        """Tell whether it speaks of this backend; `region` None asks for the service as a whole."""
        if self.service is not None and self.service != service:
            return False
        return self.region is None or self.region == region

    def in_force(self, at: float) -> bool:
        """Tell whether it has not expired at UTC second `at`."""
        return self.until is None or self.until > at

    def replaces(self, other: Order) -> bool:
        """Tell whether both speak of the same lever, so that the newer one ends the other."""
        same_lever = self.kind is other.kind or {self.kind, other.kind} <= _WITH_REGION
        return same_lever and (self.service, self.region) == (other.service, other.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All commands in force, newest last."""

    items: tuple[Order, ...] = ()

    def active(self, at: float) -> Orders:
        """Those that have not expired at UTC second `at`."""
        return Orders(items=tuple(order for order in self.items if order.in_force(at)))

    def find(self, service: ServiceName, region: RegionName | None, *kinds: OrderKind) -> Order | None:
        """The newest of `kinds` that covers this backend."""
        for order in reversed(self.items):
            if order.kind in kinds and order.covers(service, region):
                return order
        return None

    def mode_of(self, service: ServiceName, configured: Mode) -> Mode:
        """The mode of a service: what an operator says, else what its policy says."""
        order = self.find(service, None, OrderKind.MODE)
        return configured if order is None or order.mode is None else order.mode

    def with_order(self, order: Order) -> Orders:
        """These with one more, which ends those on the same lever."""
        return Orders(items=(*(o for o in self.items if not order.replaces(o)), order))
