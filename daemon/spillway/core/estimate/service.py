"""The belief about all backends of one service: what was observed, put beside what was remembered.

Services may stand on the same groups, as a global pool and a pinned service do: each sees what the others send there (`SharedBackends`).
They are steered one after the other. What the others' moves in flight will send or shed counts as done, as it does with a
service's own. Otherwise all of them would shed the same overload, and fill the same free capacity.

A region may fall silent because nobody is sent there any more, and not because its metrics are missing (`drop_departed_traffic`).
Cloud Monitoring shows nothing in both cases. They are told apart by where the demand is seen:

1. All demand that is known is seen in the other regions, and one of them was opened lately. Clients that have a nearer region than
   before are sent there whole, so nothing is missing.
2. The region had no more than a trickle, what others could not take. It has none once they can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from spillway.core.estimate.backend import add, believe, remember, scaled
from spillway.core.estimate.belief import BackendBelief, looks_bad, posture_set
from spillway.core.estimate.demand import TREND_NOISE
from spillway.core.estimate.origins import update_origins
from spillway.core.estimate.sample import Blind, Window
from spillway.core.estimate.update import REMEMBERED
from spillway.core.values.overlay import ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, Minute, Seen, ServiceView, Snapshot
from spillway.core.values.state import ControllerMemory, Estimate, OriginMemory, ServiceMemory
from spillway.core.values.topology import Fleet, Peer, Service

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
        belief = believe(
            backend,
            settings[name],
            memories[name],
            views[name],
            policy,
            estimate=estimates.get(name, UNKNOWN),
            at=at,
            others=shared.minutes(service.name, name),
            load_from_peers=shared.load_from_peers(service.name, name, policy.timing.sample_period),
            newest_end=newest_end,
        )
        known = remember(belief, policy, at)
        found.append(belief if known is belief.memory else belief._replace(memory=known))
    return tuple(drop_departed_traffic(found, memory.origins, newest_end))


def estimate_demand(
    memory: ServiceMemory,
    beliefs: tuple[BackendBelief, ...],
    view: ServiceView,
    policy: Policy,
    setting: ServiceSetting,
) -> ServiceMemory:
    """The memory with the origins of demand as this snapshot shows them."""
    return update_origins(memory, beliefs, view.places, posture_set(policy, setting.posture), policy)


def unlearned(
    memory: ServiceMemory, before: ServiceMemory, beliefs: Sequence[BackendBelief]
) -> ServiceMemory:
    """The memory without what this snapshot's minutes taught of regions that look bad, while the measurement is suspected.

    Their minutes stay new: they are learned once they are believed, as far back as traffic is read, and otherwise what is
    read in their place. The demand is left as it was with them, as it comes from the same minutes.

    Args:
        memory: With what was learned.
        before: Before the snapshot.
        beliefs: After it.
    """
    suspects = {f.region: f.estimate.health for f in beliefs if looks_bad(f) and not f.dead}
    if not suspects:
        return memory
    known = dict(before.estimates)
    estimates = [
        (
            region,
            replace(known.get(region, UNKNOWN), health=suspects[region]) if region in suspects else estimate,
        )
        for region, estimate in memory.estimates
    ]
    return replace(
        memory,
        estimates=tuple(estimates),
        origins=before.origins,
        origins_at=before.origins_at,
        demand_since=before.demand_since,
        slow_average=before.slow_average,
        days=before.days,
    )


TRICKLE = 0.05
"""Share of what is seen in the others up to which a region's traffic is so little that its end is likelier than a hole in its metrics, and
that it would hardly be missed if it is one."""


def drop_departed_traffic(
    beliefs: Sequence[BackendBelief], origins: Iterable[OriginMemory], newest: float
) -> Sequence[BackendBelief]:
    """The beliefs, with no traffic left in regions whose requests have gone to others.

    Args:
        beliefs: Of all regions of a service.
        origins: Its demand as remembered.
        newest: UTC end of the newest minute that any of them shows.
    """
    silent = {f.region for f in beliefs if _silent(f)}
    if not silent:
        return beliefs
    seen = sum([f.window.newest for f in beliefs if isinstance(f.window, Window) and f.window.end >= newest])
    opened = any(_opened(f, newest) for f in beliefs if f.region not in silent)
    # demand swings by so much from minute to minute
    complete = opened and seen >= (1.0 - TREND_NOISE) * sum([o.level for o in origins])
    return [
        _departed(f) if f.region in silent and (complete or f.estimate.served <= TRICKLE * seen) else f
        for f in beliefs
    ]


def _silent(belief: BackendBelief) -> bool:
    """Whether a region that is open and healthy had traffic, and shows none in minutes in which others show theirs."""
    window = belief.window
    absent = isinstance(window, Blind) and window.absence is Absence.NO_SERIES
    return absent and belief.serving and belief.health is not None and not belief.dead and not belief.idle


def _opened(belief: BackendBelief, newest: float) -> bool:
    """Whether a region was joined or raised lately."""
    memory = belief.memory
    raised = memory.moved_at if memory.direction > 0 else None
    return belief.serving and any(
        at is not None and newest - at <= REMEMBERED for at in (memory.joined_at, raised)
    )


def _departed(belief: BackendBelief) -> BackendBelief:
    """The region with no traffic left."""
    return belief._replace(estimate=replace(belief.estimate, served=0.0))


Pair = tuple[str, str]
"""(service, region)."""


class SharedBackends:
    """What services send to groups that they share, over one step.

    Of a service that shares a part of its groups only that share of its requests comes here (`topology.Peer`).
    """

    def __init__(self, fleet: Fleet, snapshot: Snapshot | None, memory: ControllerMemory) -> None:
        """Look at all services; without a snapshot there is nothing to be seen of any."""
        self._others: Mapping[Pair, tuple[Peer, ...]] = {}
        self._minutes: dict[Pair, dict[float, Minute]] = {}
        self._expected: dict[Pair, float] = {}
        if snapshot is None or not fleet.peers:
            return
        self._others = fleet.peers
        for view in snapshot.services:
            for backend in view.backends:
                pair = view.service, backend.region
                if pair in self._others and isinstance(backend.traffic, Seen):
                    self._minutes[pair] = {minute.end: minute for minute in backend.traffic.value}
        for service in memory.services:
            self.expect(service)

    def expect(self, memory: ServiceMemory) -> None:
        """Take over what a service expects to send where, if it has moves in flight."""
        for region, rate in memory.expected_load:
            self._expected[memory.service, region] = rate

    def minutes(self, service: str, region: str) -> Mapping[float, Minute] | None:
        """What all others together had on the same groups, by the end of each minute; None where there are no others."""
        others = self._others.get((service, region))
        if others is None:
            return None  # the usual case
        sums: dict[float, Minute] = {}
        for peer in others:
            for end, minute in self._minutes.get(peer[:2], {}).items():
                here = scaled(minute, peer.share)
                sums[end] = add(sums[end], here) if end in sums else here
        return sums or None

    def load_from_peers(self, service: str, region: str, period: float) -> float:
        """Requests/s that all others together will have on the same groups, by samples of `period` seconds and by their moves in flight."""
        total = 0.0
        for peer in self._others.get((service, region), ()):
            other = peer[:2]
            if other in self._expected:
                total += peer.share * self._expected[other]
            elif self._minutes.get(other):
                minutes = self._minutes[other]
                total += peer.share * minutes[max(minutes)].total / period
        return total
