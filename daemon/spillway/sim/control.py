"""What the balancer is told, as the world understands it: the levers of each service, after propagation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendControl:
    """One region behind one service. A region that is not listed is no member."""

    region: str
    scaler: float
    """0, or 0.1 to 1."""
    preferred: bool = False
    weight: float | None = None
    """Weight at scaler 1 of a service that stands for this region in a split: requests are shared out by weight x scaler, and no
    ceiling holds. Either all backends of a service have one, or none."""
    target_rate: float | None = None
    """Requests/s that the balancer believes the region takes at scaler 1; None means the scenario's `target_rps`."""
    target_in_flight: float | None = None
    """Requests in flight at scaler 1 (IN_FLIGHT); the world turns it into a rate by Little's law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceControl:
    """All levers of one service."""

    service: str
    backends: tuple[BackendControl, ...]
    failover_threshold: float = 0.7
    """Share of healthy members under which a region's ceiling shrinks."""
    auto_drain: bool = False
    outlier_ejection: float = 0.0
    """Largest share of endpoints that outlier detection ejects; 0 is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteControl:
    """Where the requests of a client path go; the first match wins."""

    host: str
    path: str
    """A pattern of `sim.matching`."""
    service: str
    """The service that gets most of them; empty where the balancer answers itself, or a bucket does."""
    others: tuple[tuple[str, float], ...] = ()
    """Further services, and the share of the requests that each gets."""
    mirror: tuple[str, float] | None = None
    """The service that gets copies, and the share of the requests that is copied; clients do not see its answers."""
