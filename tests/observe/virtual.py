"""The daemon's readers on a small load balancer in virtual time, whose answers a test may spoil."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tests.lies.cloud import (
    COMPUTE,
    NETWORK_SERVICES,
    PROJECT,
    Cloud,
    CloudDeployer,
    CloudMetrics,
    CloudSession,
    Sent,
)
from tests.sim.worlds import setup

from spillway.adapters.compute import ComputeReader
from spillway.adapters.monitoring import MonitoringReader
from spillway.adapters.observer import CloudObserver
from spillway.core.values.overlay import initial_overlay
from spillway.sim.pilot.fleet import fleet_of
from spillway.sim.pilot.pilot import policy_for

Rest = Callable[[str, str, dict[str, str], Any], Sent]
Series = Callable[[Any], bytes]


@cache
def cloud() -> Cloud:
    """A small load balancer after 20 minutes; nothing of it changes any more."""
    small = setup()
    fleet = fleet_of(small)
    made = Cloud(small, fleet, policy_for(small))
    CloudDeployer(made).build(initial_overlay(fleet))
    made.advance(1200.0)
    return made


def compute_reader(rest: Rest) -> ComputeReader:
    return ComputeReader(
        CloudSession(rest),
        project=PROJECT,
        deadline=30.0,
        parallel=2,
        compute=COMPUTE,
        network_services=NETWORK_SERVICES,
    )


def monitoring_reader(series: Series, descriptor: Callable[[str], bytes] | None = None) -> MonitoringReader:
    client: Any = CloudMetrics(series, descriptor or cloud().descriptor)
    return MonitoringReader(client, project=PROJECT, resources=["pool"], window=600.0, deadline=30.0)


def observer(rest: Rest | None = None, series: Series | None = None) -> CloudObserver:
    return CloudObserver(
        cloud().fleet,
        monitoring=monitoring_reader(series or cloud().series),
        compute=compute_reader(rest or cloud().rest),
        clock=cloud(),
        deadline=30.0,
    )
