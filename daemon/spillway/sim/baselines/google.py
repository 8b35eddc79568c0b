"""`google`: scalers at 1, with Google's automatic capacity drain and failover threshold. A careful set-up left alone."""

from __future__ import annotations

from dataclasses import replace

from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.setup import Setup

FAILOVER_THRESHOLD = 0.7
"""Google's default (reference gcp.md 2.3)."""


class Google:
    """Knows health checks through the balancer, and nothing else."""

    name = "google"
    interval = None

    def initial(self, _setup: Setup, controls: tuple[ServiceControl, ...]) -> tuple[ServiceControl, ...]:
        """The scenario's own, with automatic drain on and the failover threshold at its default."""
        return tuple(
            replace(c, failover_threshold=FAILOVER_THRESHOLD, auto_drain=True, outlier_ejection=0.0)
            for c in controls
        )

    def tick(self, _sight: Sight) -> tuple[ServiceControl, ...] | None:
        """Nothing, ever: what Google does, it does by itself."""
        return None
