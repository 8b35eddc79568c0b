"""What the sandbox asks of the world behind it. `spillway.sim` provides one; tests bring their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from spillway.sim.control import RouteControl, ServiceControl


class WriteFault(Protocol):
    """What becomes of a write that arrives now."""

    @property
    def kind(self) -> str:
        """`refused`, `slow`, `hung` or `unknown`."""
        ...

    @property
    def factor(self) -> float:
        """How many times longer a `slow` write takes; 1 for the others."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideEdit:
    """Somebody else sets a region's scaler."""

    at: float
    """World seconds since the start."""
    region: str
    scaler: float
    service: str | None = None
    """Name of the backend service; None for all that have the region."""


class Plant(Protocol):
    """The simulated world. Times are seconds since its start; the caller serialises all calls."""

    @property
    def time(self) -> float:
        """Seconds since the start."""
        ...

    @property
    def epoch(self) -> float:
        """UTC seconds at the start."""
        ...

    def advance(self, to: float) -> None:
        """Run the world up to this time."""
        ...

    def apply(self, control: ServiceControl, at: float) -> None:
        """From this time on the balancer distributes this service's requests so; regions that it does not have are left out."""
        ...

    def route(self, routes: tuple[RouteControl, ...], at: float) -> None:
        """From this time on requests reach services by these routes; the first match wins."""
        ...

    def health(self, region: str) -> tuple[tuple[int, int], ...]:
        """Per zone of the region: endpoints that pass their checks, and all endpoints; empty for a region it does not have."""
        ...

    def write_fault(self) -> WriteFault | None:
        """What becomes of a write at the present time; None for nothing unusual."""
        ...

    def outside_edits(self, since: float, until: float) -> tuple[OutsideEdit, ...]:
        """What somebody else sets in `since <= at < until`, in order of time."""
        ...

    @property
    def over(self) -> bool:
        """Whether the scenario has ended: traffic goes on, and the report stays as it stood at the end."""
        ...

    def report(self) -> Mapping[str, object]:
        """The world's totals so far, ready for JSON."""
        ...

    def inject(self, fault: Mapping[str, object], at: float) -> str:
        """Add a fault of the scenario vocabulary from this time on and return its id.

        Raises:
            ValueError: the fault is not one of the vocabulary; the message says what is wrong.
        """
        ...

    def faults(self) -> tuple[Mapping[str, object], ...]:
        """All faults that are planned or acting, each with its `id`, ready for JSON."""
        ...

    def withdraw(self, fault_id: str) -> bool:
        """End a fault now; False where there is none of this id."""
        ...
