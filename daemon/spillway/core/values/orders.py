"""What operators have asked for: holds, pins and drains, each with an end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spillway.core.values.topology import RegionName, ServiceName, is_legal_scaler


class OrderKind(StrEnum):
    """What the operator wants."""

    HOLD = "hold"
    """Nothing moves."""
    PIN = "pin"
    """The scaler goes to a value and stays there."""
    DRAIN = "drain"
    """The scaler goes to 0 and stays there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command of an operator.

    Raises:
        ValueError: a pin without a legal scaler, or a pin or drain that names no region.
    """

    kind: OrderKind
    until: float
    """UTC seconds at which it expires."""
    reason: str
    service: ServiceName | None = None
    """None for all services."""
    region: RegionName | None = None
    """None for all regions (holds alone)."""
    scaler: float | None = None
    """The value of a pin."""

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if self.kind is not OrderKind.HOLD and self.region is None:
            raise ValueError(f"a {self.kind} must name a region")
        if self.kind is OrderKind.PIN and (self.scaler is None or not is_legal_scaler(self.scaler)):
            raise ValueError(f"a pin needs a scaler of 0 or 0.1 to 1.0, not {self.scaler}")

    def covers(self, service: ServiceName, region: RegionName | None) -> bool:
        """Tell whether it speaks of this backend; `region` None asks for the service as a whole."""
        if self.service is not None and self.service != service:
            return False
        return self.region is None or self.region == region


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All commands in force, newest last."""

    items: tuple[Order, ...] = ()

    def active(self, at: float) -> Orders:
        """Those that have not expired at UTC second `at`."""
        return Orders(items=tuple(h for h in self.items if h.until > at))

    def find(self, service: ServiceName, region: RegionName | None, *kinds: OrderKind) -> Order | None:
        """The newest of `kinds` that covers this backend."""
        for hold in reversed(self.items):
            if hold.kind in kinds and hold.covers(service, region):
                return hold
        return None
