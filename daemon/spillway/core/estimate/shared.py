"""Services that stand on the same groups, as a global pool and a pinned service do: each sees what the others send there.

They are steered one after the other. What the others' moves in flight will send or shed counts as done, as it does with a
service's own. Otherwise all of them would shed the same overload, and fill the same free capacity.
"""

from __future__ import annotations

from collections.abc import Mapping

from spillway.core.estimate.backend import add
from spillway.core.values.snapshot import Minute, Seen, Snapshot
from spillway.core.values.state import ControllerMemory, ServiceMemory
from spillway.core.values.topology import Fleet

Pair = tuple[str, str]
"""(service, region)."""


class SharedBackends:
    """What services send to groups that they share, over one step."""

    def __init__(self, fleet: Fleet, snapshot: Snapshot | None, memory: ControllerMemory) -> None:
        """Look at all services; without a snapshot there is nothing to be seen of any."""
        self._others: dict[Pair, list[Pair]] = {}
        self._minutes: dict[Pair, dict[float, Minute]] = {}
        self._expected: dict[Pair, float] = {}
        shared = () if snapshot is None else fleet.shared_groups
        if snapshot is None or not shared:
            return
        for pairs in shared:
            for pair in pairs:
                self._others[pair] = [other for other in pairs if other != pair]
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
        """What all others together had there, by the end of each minute; None where there are no others."""
        others = self._others.get((service, region))
        if others is None:
            return None  # the usual case
        sums: dict[float, Minute] = {}
        for other in others:
            for end, minute in self._minutes.get(other, {}).items():
                sums[end] = add(sums[end], minute) if end in sums else minute
        return sums or None

    def load_from_peers(self, service: str, region: str, period: float) -> float:
        """Requests/s that all others together will have there, by samples of `period` seconds and by their moves in flight."""
        total = 0.0
        for other in self._others.get((service, region), ()):
            if other in self._expected:
                total += self._expected[other]
            elif self._minutes.get(other):
                minutes = self._minutes[other]
                total += minutes[max(minutes)].total / period
        return total
