"""The belief about all backends of one service: what was observed, put beside what was remembered."""

from __future__ import annotations

from operator import attrgetter

from spillway.core.estimate.backend import BackendBelief, believe, remember
from spillway.core.estimate.departed import drop_departed_traffic
from spillway.core.estimate.failover import posture_set
from spillway.core.estimate.origins import update_origins
from spillway.core.estimate.shared import SharedBackends
from spillway.core.values.overlay import ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Seen, ServiceView
from spillway.core.values.state import Estimate, ServiceMemory
from spillway.core.values.topology import Service

UNKNOWN = Estimate()
"""Of a backend that was not seen before."""


def estimate_backends(
    service: Service,
    policy: Policy,
    view: ServiceView,
    *,
    setting: ServiceSetting,
    memory: ServiceMemory,
    shared: SharedBackends,
    at: float,
) -> tuple[BackendBelief, ...]:
    """What is believed of each backend, sorted by region; each holds its memory and its estimate as they are after this snapshot.

    Args:
        service: The service.
        policy: How it is steered.
        view: What was observed of it.
        setting: What is wanted of it.
        memory: What is remembered of it.
        shared: What other services send to the same groups.
        at: UTC seconds of the snapshot.
    """
    settings = {b.region: b for b in setting.backends}
    views = {b.region: b for b in view.backends}
    memories = {b.region: b for b in memory.backends}
    estimates = dict(memory.estimates)
    # all backends of a service are judged over the same minutes, or traffic that has moved on would count twice
    ends = [b.traffic.value[-1].end for b in view.backends if isinstance(b.traffic, Seen) and b.traffic.value]
    newest_end = max(ends, default=0.0)
    found = []
    for backend in sorted(service.backends, key=attrgetter("region")):
        name = backend.region
        facts = believe(
            backend,
            settings[name],
            memories[name],
            views[name],
            policy,
            estimate=estimates.get(name, UNKNOWN),
            at=at,
            others=shared.minutes(service.name, name),
            elsewhere=shared.load_from_peers(service.name, name, policy.timing.sample_period),
            newest_end=newest_end,
        )
        known = remember(facts, policy, at)
        found.append(facts if known is facts.memory else facts._replace(memory=known))
    return tuple(drop_departed_traffic(found, memory.origins, newest_end))


def estimate_demand(
    memory: ServiceMemory,
    facts: tuple[BackendBelief, ...],
    view: ServiceView,
    policy: Policy,
    setting: ServiceSetting,
) -> ServiceMemory:
    """The memory with the origins of demand as this snapshot shows them."""
    return update_origins(memory, facts, view.places, posture_set(policy, setting.posture), policy)
