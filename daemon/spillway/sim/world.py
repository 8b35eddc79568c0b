"""The simulated cloud: clients, balancer, regions, faults, in whole steps of virtual time.

The world knows no wall clock and no chance of its own: it is a function of setup, seed and what is applied to it.
How calls of `advance` cut the time changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from spillway.sim.accounting import Balance, Report
from spillway.sim.arrays import Goodness, RegionArrays
from spillway.sim.balancer import Balancer
from spillway.sim.books import Books, Sums
from spillway.sim.control import RouteControl, ServiceControl
from spillway.sim.demand import Demand, Rates
from spillway.sim.fault_models import FaultModel
from spillway.sim.faults import Fault, Schedule, from_model
from spillway.sim.flow import Flow
from spillway.sim.plant import DETECTION, RegionState, zone_health
from spillway.sim.retries import Retries
from spillway.sim.samples import SampleStore
from spillway.sim.setup import Setup
from spillway.sim.states import States
from spillway.sim.tally import StepSums

LONGEST_BLOCK = 64
"""Steps computed at once, at most."""

BLOCK_SIZE = 40_000
"""Steps x clients x regions computed at once: few enough to stay in the processor's cache."""

_EPSILON = 1e-6
"""Seconds within which a moment counts as the start of a step."""


class World:
    """One simulated cloud. Times are seconds since time zero unless they say UTC."""

    def __init__(
        self,
        setup: Setup,
        seed: int | None = None,
        *,
        controls: Sequence[ServiceControl] | None = None,
        routes: Sequence[RouteControl] | None = None,
    ) -> None:
        """Build the world at time zero.

        Args:
            setup: from `sim.setup.build`.
            seed: the scenario's own where none is given.
            controls: what the balancer is told at time zero; the scenario's own where none are given.
            routes: likewise. While there are no routes, clients have no address and send nothing.
        """
        scenario = setup.scenario
        self.setup = setup
        self.seed = scenario.seed if seed is None else seed
        self.epoch = scenario.start
        """UTC seconds of time zero."""
        self.step = scenario.step
        self._names = {plant.name: i for i, plant in enumerate(setup.regions)}
        self._demand: Rates = Demand(setup.sources, seed=self.seed, start=self.epoch, step=self.step)
        self._goodness = Goodness.of(scenario.slo.latency, setup.rtt)
        self._balancer = Balancer(setup.regions, scenario.clients, setup.rtt, setup.continents)
        self._faults = Schedule(setup.faults)
        self._flow = Flow(
            regions=len(setup.regions),
            clients=len(setup.sources),
            step=self.step,
            timeout=max(p.timeout for p in setup.regions),
        )
        self._longest = max(6, min(LONGEST_BLOCK, BLOCK_SIZE // setup.rtt.size))
        self._retries = Retries.of(scenario.clients, self.step)
        if self._retries is not None:
            self._longest = min(self._longest, self._retries.foreknown)
        self._at = 0
        self._pending: list[tuple[float, int, ServiceControl | tuple[RouteControl, ...]]] = []
        self._applied = 0
        self._next_event = -1.0
        for control in setup.controls if controls is None else controls:
            self._balancer.apply(control)
        self._balancer.route(setup.routes if routes is None else routes)
        self._known = States(setup.regions, self._goodness)
        self._states: tuple[RegionState, ...] = ()
        self._arrays = self._look_up(0.0)
        self._books: Books | Sums = Books(setup, self.seed, self._faults, self._balancer.groups)
        self._parts = 1
        self._widen()

    @property
    def time(self) -> float:
        """Seconds since time zero."""
        return self._at * self.step

    @property
    def samples(self) -> SampleStore | None:
        """Closed sample periods, for monitoring; None in a fork."""
        return self._books.samples

    @property
    def controls(self) -> dict[str, ServiceControl]:
        """What is in effect now."""
        return dict(self._balancer.controls)

    @property
    def waiting(self) -> NDArray[np.float64]:
        """Requests in each region's queue."""
        return self._flow.waiting

    def advance(self, to: float) -> None:
        """Let time pass in whole steps, up to `to` or less than one step before it."""
        last = floor(to / self.step + _EPSILON)
        while self._at < last:
            if self.time >= self._next_event - _EPSILON:
                self._refresh()
            until = min(last, self._at + self._longest, max(self._at + 1, self._event_step()))
            self._pass(self._at, until)
            self._at = until

    def apply(self, control: ServiceControl, at: float) -> int:
        """Have the levers of one service take effect at `at`, or now where that is past.

        Returns:
            a ticket by which `fork` can leave this change out.

        Raises:
            ValueError: the world does not have one of the regions.
        """
        unknown = sorted({b.region for b in control.backends} - set(self._names))
        if unknown:
            raise ValueError(f"service {control.service}: no region {', '.join(unknown)} in this world")
        return self._push(at, control)

    def route(self, routes: Sequence[RouteControl], at: float) -> None:
        """Have routes take effect at `at`, or now where that is past; the first match wins."""
        self._push(at, tuple(routes))

    def inject(self, fault: FaultModel | Fault) -> Fault:
        """Add a fault at run time; it starts at its `at`, or now where that is past."""
        made = fault if isinstance(fault, Fault) else from_model(fault, not_before=self.time)
        self._faults = self._faults.with_fault(made)
        if self.samples is not None:
            self.samples.faults = self._faults
        self._next_event = self.time
        return made

    def withdraw(self, fault: Fault) -> None:
        """End a fault now."""
        self._faults = self._faults.without(fault, self.time)
        if self.samples is not None:
            self.samples.faults = self._faults
        self._next_event = self.time

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, past ones too."""
        return self._faults.faults

    def health(self, region: str) -> tuple[tuple[int, int], ...]:
        """(passing, all) endpoints of each zonal group, as health checks know now.

        Raises:
            KeyError: no such region.
        """
        return zone_health(self.setup.regions[self._names[region]], self._faults, self.time)

    def state(self, region: str) -> RegionState:
        """The truth about a region in the step that passed last.

        Raises:
            KeyError: no such region.
        """
        return self._states[self._names[region]]

    def write_fault(self) -> Fault | None:
        """What a write that begins now meets; None where all is well."""
        return self._faults.write(self.time)

    def outside_edits(self, since: float, until: float) -> tuple[Fault, ...]:
        """Edits by somebody else with since <= at < until. Whoever keeps the listing applies them after propagation."""
        return self._faults.edits(since, until)

    def demand(self) -> NDArray[np.float64]:
        """The truth about demand in the step that begins now, first attempts alone: requests/s by client, 0 without a route."""
        rates: NDArray[np.float64] = (
            self._demand.rates(self._at, self._at + 1)[0] * self._balancer.groups.asks
        )
        return rates

    def suppose(self, demand: Rates, faults: Sequence[Fault]) -> None:
        """Let this demand and these faults be all from now on: for forks that ask what would happen if."""
        self._demand, self._faults = demand, Schedule(faults)
        self._next_event = self.time

    def service_of(self) -> tuple[str | None, ...]:
        """The service that each client asks; of several the one that gets most."""
        groups = self._balancer.groups
        first = groups.service_of[: groups.clients].tolist()
        return tuple(groups.services[s] if s >= 0 else None for s in first)

    def drained(self, service: str) -> frozenset[str]:
        """Regions of which Google's automatic drain keeps at least one zonal group at zero."""
        return frozenset(self.setup.regions[r].name for r, _ in self._balancer.drained(service))

    def balance(self) -> Balance:
        """Where all requests are."""
        return self._books.balance(float(self._flow.waiting.sum()))

    def bad_requests(self) -> float:
        """Requests failed or answered too late so far."""
        return self._books.bad

    def report(self) -> Report:
        """The sums so far.

        Raises:
            TypeError: a fork has no report.
        """
        retries = self._retries.sent if self._retries is not None else 0.0
        return self._whole.report(float(self._flow.waiting.sum()), self._arrays, retries)

    def trace_hash(self) -> str:
        """A hash of all that happened so far, by sample period, in thousandths of a request.

        Raises:
            TypeError: a fork has none.
        """
        return self._whole.trace_hash(self._flow.waiting)

    @property
    def _whole(self) -> Books:
        if isinstance(self._books, Sums):
            raise TypeError(
                "a fork keeps no more than what its balance says; ask the world that it came from"
            )
        return self._books

    def fork(self, *, without: tuple[int, ...] = ()) -> World:
        """A copy that goes its own way from here, with sums alone for books, and without these changes still to come."""
        twin = object.__new__(World)
        twin.__dict__.update(self.__dict__)
        twin._flow = self._flow.copy()
        twin._balancer = self._balancer.copy()
        twin._demand = self._demand.copy()
        twin._retries = self._retries.copy() if self._retries is not None else None
        twin._books = self._books.fork()
        twin._pending = sorted(p for p in self._pending if p[1] not in without)
        return twin

    def _push(self, at: float, change: ServiceControl | tuple[RouteControl, ...]) -> int:
        self._applied += 1
        heappush(self._pending, (max(at, self.time), self._applied, change))
        self._next_event = min(self._next_event, at)
        return self._applied

    def _event_step(self) -> int:
        """The first step that may begin with a change."""
        if self._next_event == float("inf"):
            return self._at + self._longest
        return ceil(self._next_event / self.step - _EPSILON)

    def _refresh(self) -> None:
        """Put into effect what is due at the start of this step."""
        now = self.time
        self._books.settle(self._arrays)
        while self._pending and self._pending[0][0] <= now + _EPSILON:
            change = heappop(self._pending)[2]
            if isinstance(change, ServiceControl):
                self._balancer.apply(change)
            else:
                self._balancer.route(change)
        self._books.regroup(self._balancer.groups)
        self._widen()
        before = [s.dead for s in self._states]
        self._arrays = self._look_up(now)
        for i, (was, state) in enumerate(zip(before, self._states, strict=True)):
            if state.dead > was:
                self._flow.fail_waiting(i, (state.dead - was) / (1.0 - was), self._at)

    def _widen(self) -> None:
        """Make room for routes that part requests among more services than any before."""
        groups = self._balancer.groups
        if groups.parts <= self._parts:
            return
        self._parts = groups.parts
        rtt = np.tile(self.setup.rtt, (self._parts, 1))
        self._goodness = Goodness.of(self.setup.scenario.slo.latency, rtt)
        self._known = States(self.setup.regions, self._goodness)
        self._flow.widen(len(rtt))
        self._books.widen(rtt, self._arrays)
        self._arrays = self._look_up(self.time)

    def _look_up(self, now: float) -> RegionArrays:
        moment = now + _EPSILON
        found = self._known.at(self._faults, moment, self._balancer.ejections())
        self._states = found.states
        self._balancer.update(now, found.health, found.arrays.mean)
        self._next_event = min(
            self._faults.next_change(moment),
            self._faults.next_change(moment - DETECTION) + DETECTION,
            self._balancer.next_change(),
            self._pending[0][0] if self._pending else float("inf"),
        )
        return found.arrays

    def _pass(self, first: int, last: int) -> None:
        """Compute the steps first <= k < last, in which nothing changes but demand."""
        groups = self._balancer.groups
        asks = groups.asks
        fresh, again = self._demand.rates(first, last) * asks, self._retries
        rates = groups.spread(fresh if again is None else fresh + again.rates(first, last) * asks)
        sent, arrived, unassigned = self._balancer.send(rates)
        args = (first, sent * self.step, self._arrays, groups, self._goodness)
        result = self._flow.run(*args, by_client=again is not None)
        if again is not None and result.fates is not None:
            nowhere = np.maximum(0.0, rates - sent.sum(axis=2)) * self.step
            answered = groups.gather(result.fates.answered)
            failed = groups.gather(result.fates.failed + nowhere)
            again.take(first, fresh * self.step, asks, answered, failed)
        sums = StepSums(
            result=result,
            arrived=arrived * self.step,
            unassigned=unassigned * self.step,
            opened=self._balancer.opened,
        )
        self._books.take(sums, self._arrays, groups)
