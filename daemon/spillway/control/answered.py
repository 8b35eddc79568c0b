"""Counts what users got, from the samples of Monitoring: each sample once.

Every pass reads a window of some twenty samples of each backend, and nearly all of them were in the window before. What is
counted is what is new:

    a new sample            is added when it is trusted first, however late it comes, as long as it is in the window
    a corrected sample      adds the difference; one that was corrected downwards takes it off what comes next, so that a counter
                            never falls
    a sample without sense  counts nothing, until it is corrected
    a gap                   adds nothing. What the window still holds when the answers are back is counted then; what was older is lost
    a restart               goes on behind the last sample that was counted, which `state.json` remembers; the counters begin at 0, as
                            Prometheus expects. What came late or was corrected while no daemon ran is not counted
    the first start         counts samples that end after it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spillway.core.estimate.answers import NONE, Answers, answers_of, summed
from spillway.core.estimate.sample import later
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Minute, Seen, ServiceView, Snapshot
from spillway.core.values.topology import RegionName, ServiceName

NOBODY = ""
"""In the place of a region: what no backend answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Up to which sample the answers of a service were counted."""

    service: ServiceName
    to: float
    """UTC end of the newest sample that was counted, or the time of the first tick."""
    behind: tuple[tuple[RegionName, float], ...] = ()
    """The same of backends whose newest sample is older."""

    def of(self, region: RegionName) -> float:
        """The same of one backend."""
        return dict(self.behind).get(region, self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What users of a service got."""

    service: ServiceName
    total: Answers
    """Since the process began."""
    recent: Answers
    """In the judged minutes."""


class _Backend:
    """What was counted of one backend, for as long as its samples stay in the window."""

    __slots__ = ("answers", "floor", "minutes")

    def __init__(self, floor: float) -> None:
        self.floor = floor
        """UTC end up to which nothing is counted."""
        self.minutes: tuple[Minute, ...] = ()
        self.answers: tuple[Answers, ...] = ()
        """One for each of the minutes."""

    def take(self, seen: tuple[Minute, ...], latency: float, *, by_backend: bool) -> Answers:
        """What `seen` adds to what was counted."""
        older = seen[:-1]
        kept = len(older)
        if not kept or kept < len(self.minutes) - 1 or older != self.minutes[-kept:]:
            return self._mend(seen, latency, by_backend=by_backend)
        # the usual case: one more minute, and all others as they were
        newest = answers_of(seen[-1], latency, by_backend=by_backend)
        self.answers = (*self.answers[len(self.answers) - kept :], newest)
        self.minutes = seen
        return newest if newest.total and seen[-1].end > self.floor else NONE

    def _mend(self, seen: tuple[Minute, ...], latency: float, *, by_backend: bool) -> Answers:
        """The same where samples came late, were corrected or are missing."""
        if seen == self.minutes:
            return NONE
        known = dict(
            zip([m.end for m in self.minutes], zip(self.minutes, self.answers, strict=True), strict=True)
        )
        found, added = dict(known), NONE
        for minute in seen:
            before = known.get(minute.end)
            if before is not None and before[0] == minute:
                continue
            answers = answers_of(minute, latency, by_backend=by_backend)
            found[minute.end] = minute, answers
            if minute.end > self.floor:
                added = added.plus(answers)
                added = added if before is None else added.plus(before[1], -1.0)
        # samples that are missing in this answer stay known for as long as the longest window is: they may be back in the next one
        ends = sorted(found)
        span = max(last[-1].end - last[0].end for last in (seen, self.minutes or seen))
        kept = [found[end] for end in ends if end >= ends[-1] - span]
        self.minutes = tuple([minute for minute, _ in kept])
        self.answers = tuple([answers for _, answers in kept])
        return added

    def recent(self, start: float) -> tuple[Answers, ...]:
        """Of the minutes that ended after `start`."""
        count = len(later(self.minutes, start))
        return self.answers[len(self.answers) - count :]


class AnswerCounts:
    """The counts of this process.

    Args:
        counted: up to where the process before has counted.
    """

    def __init__(self, counted: tuple[Counted, ...] = ()) -> None:
        self._begun = {each.service: each for each in counted}
        """Up to where nothing is counted, by service."""
        self._backends: dict[ServiceName, dict[RegionName, _Backend]] = {}
        self._sums: dict[ServiceName, Answers] = {}
        """May fall where a sample was corrected downwards."""
        self._shown: dict[ServiceName, Answers] = {}
        """The largest sums so far."""

    def take(self, snapshot: Snapshot, policies: Mapping[ServiceName, Policy]) -> tuple[Answered, ...]:
        """Count what is new in a tick's snapshot; services that left are forgotten."""
        found = tuple(
            [self._service(view, policies[view.service], snapshot.at) for view in snapshot.services]
        )
        for gone in self._begun.keys() - {each.service for each in found}:
            for known in (self._begun, self._backends, self._sums, self._shown):
                known.pop(gone, None)
        return found

    def counted(self) -> tuple[Counted, ...]:
        """Up to where this process has counted; to be kept."""
        return tuple([self._counted(name) for name in sorted(self._begun)])

    def _service(self, view: ServiceView, policy: Policy, at: float) -> Answered:
        name, latency = view.service, policy.slo.latency
        begun = self._begun.get(name)
        if begun is None or begun.to > at:  # what ends after now was never counted: a clock was wrong
            begun = self._begun[name] = Counted(service=name, to=at)
        backends = self._backends.setdefault(name, {})
        signals = [(backend.region, backend.traffic) for backend in view.backends]
        # 1. what is new
        fresh = []
        for region, traffic in (*signals, (NOBODY, view.unassigned)):
            if isinstance(traffic, Seen) and traffic.value:
                backend = backends.get(region)
                if backend is None:
                    backend = backends[region] = _Backend(begun.of(region))
                more = backend.take(traffic.value, latency, by_backend=region != NOBODY)
                if more is not NONE:
                    fresh.append(more)
        # 2. counters never fall
        total = self._sums[name] = summed([self._sums.get(name, NONE), *fresh])
        shown = self._shown.get(name, NONE)
        shown = self._shown[name] = Answers(*map(max, total, shown))
        # 3. the judged minutes, the same of all backends
        newest = max([b.minutes[-1].end for b in backends.values()], default=0.0)
        start = newest - (policy.evidence.minutes - 0.5) * policy.timing.sample_period
        judged: list[Answers] = []
        if at - newest <= policy.evidence.max_age:
            for backend in backends.values():
                judged += backend.recent(start)
        return Answered(service=name, total=shown, recent=summed(judged))

    def _counted(self, name: ServiceName) -> Counted:
        begun = self._begun[name]
        ends = {
            region: max(backend.floor, backend.minutes[-1].end)
            for region, backend in self._backends.get(name, {}).items()
        }
        to = max([begun.to, *ends.values()])
        behind = dict(begun.behind) | ends
        return Counted(
            service=name,
            to=to,
            behind=tuple(sorted((region, end) for region, end in behind.items() if end < to)),
        )
