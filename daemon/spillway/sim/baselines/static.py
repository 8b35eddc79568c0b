"""`static`: scalers at 1 for ever, and none of Google's reactions to health. What no automation at all costs."""

from __future__ import annotations

from dataclasses import replace

from spillway.sim.control import ServiceControl
from spillway.sim.controller import Sight
from spillway.sim.setup import Setup


class Static:
    """Knows nothing and does nothing."""

    name = "static"
    interval = None

    def initial(self, _setup: Setup, controls: tuple[ServiceControl, ...]) -> tuple[ServiceControl, ...]:
        """The scenario's own, with failover, automatic drain and outlier detection off."""
        return tuple(
            replace(c, failover_threshold=0.0, auto_drain=False, outlier_ejection=0.0) for c in controls
        )

    def tick(self, _sight: Sight) -> tuple[ServiceControl, ...] | None:
        """Nothing, ever."""
        return None
