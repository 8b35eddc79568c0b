"""The way of a write: it takes time, may be refused, hang or end unknown, and then traffic follows later.

The listing is what Compute would show. It changes when a write is done or somebody else edits; traffic follows after
the propagation time of the scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from spillway.core.values.topology import is_legal_scaler
from spillway.ports import Outcome
from spillway.sim.balancer import with_scaler
from spillway.sim.control import ServiceControl
from spillway.sim.faults import Fault
from spillway.sim.world import World

WRITE_DEADLINE = 900.0
"""Seconds after which a write without an answer counts as unknown: the engine's default deadline (`config.model`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A write that was carried out."""

    begun: float
    """Seconds since time zero."""
    done: float
    effective: float
    """When traffic follows."""
    before: tuple[ServiceControl, ...]
    after: tuple[ServiceControl, ...]
    tickets: tuple[int, ...]
    """By which a fork of the world can leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """A write under way."""

    begun: float
    done: float
    """When it is carried out; infinity if never."""
    answered: float
    outcome: Outcome
    controls: tuple[ServiceControl, ...]


class WritePath:
    """One writer, one write at a time."""

    def __init__(self, world: World, listing: Sequence[ServiceControl]) -> None:
        self._world = world
        self._listing = {c.service: c for c in listing}
        self._flight: _Flight | None = None
        self._carried_out = False
        self._seen_edits = 0.0
        self.attempts = 0
        """Writes begun, whatever became of them."""

    @property
    def listing(self) -> tuple[ServiceControl, ...]:
        """What Compute lists now."""
        return tuple(self._listing.values())

    @property
    def busy(self) -> bool:
        """True while a write is not answered."""
        return self._flight is not None

    def begin(self, controls: Sequence[ServiceControl]) -> bool:
        """Start a write of these services; False where nothing differs or another write is under way."""
        changed = tuple(c for c in controls if self._listing.get(c.service) != c)
        if self.busy or not changed:
            return False
        self.attempts += 1
        self._flight = self._launch(changed)
        self._carried_out = False
        return True

    def _launch(self, controls: tuple[ServiceControl, ...]) -> _Flight:
        now, fault = self._world.time, self._world.write_fault()
        done = now + self._world.setup.scenario.actuation.write_time
        answered, outcome = done, Outcome.DONE
        if not all(self._is_legal(c) for c in controls) or _kind(fault) == "write-refused":
            done, outcome = inf, Outcome.REFUSED
        elif fault is not None and fault.kind == "write-slow":
            done = answered = now + self._world.setup.scenario.actuation.write_time * fault.factor
        elif _kind(fault) == "write-hung":
            done, answered, outcome = inf, now + WRITE_DEADLINE, Outcome.UNKNOWN
        elif _kind(fault) == "write-unknown":
            answered, outcome = max(done, now + WRITE_DEADLINE), Outcome.UNKNOWN
        return _Flight(begun=now, done=done, answered=answered, outcome=outcome, controls=controls)

    def _is_legal(self, control: ServiceControl) -> bool:
        """What the API would take: legal scalers, known regions, no single backend at 0 (reference gcp.md 1.1)."""
        known = {p.name for p in self._world.setup.regions}
        regions = [b.region for b in control.backends]
        alone = len(regions) == 1 and control.backends[0].scaler == 0
        legal = all(is_legal_scaler(b.scaler) for b in control.backends)
        return legal and not alone and set(regions) <= known and len(set(regions)) == len(regions)

    def next_event(self) -> float:
        """When something happens next here; infinity if nothing will."""
        moments = [e.at for e in self._world.outside_edits(self._seen_edits, inf)[:1]]
        if self._flight is not None:
            moments += (
                [self._flight.answered] if self._carried_out else [self._flight.done, self._flight.answered]
            )
        return min(moments, default=inf)

    def poll(self) -> tuple[Outcome | None, tuple[Written, ...]]:
        """Let happen what is due: the answer to the write under way, if it came, and what was carried out."""
        now = self._world.time
        written: list[Written] = []
        self._edit(now)
        flight = self._flight
        if flight is None:
            return None, ()
        if not self._carried_out and flight.done <= now:
            self._carried_out = True
            written.append(self._carry_out(flight))
        if flight.answered > now:
            return None, tuple(written)
        self._flight = None
        return flight.outcome, tuple(written)

    def _carry_out(self, flight: _Flight) -> Written:
        effective = flight.done + self._world.setup.scenario.actuation.propagation
        before = tuple(self._listing[c.service] for c in flight.controls if c.service in self._listing)
        tickets = tuple(self._world.apply(c, effective) for c in flight.controls)
        self._listing |= {c.service: c for c in flight.controls}
        return Written(
            begun=flight.begun,
            done=flight.done,
            effective=effective,
            before=before,
            after=flight.controls,
            tickets=tickets,
        )

    def _edit(self, now: float) -> None:
        """Somebody else's edits that were made meanwhile."""
        edits = self._world.outside_edits(self._seen_edits, now + 1e-9)
        self._seen_edits = now + 1e-9
        for edit in edits:
            for name, control in list(self._listing.items()):
                changed = with_scaler(control, edit.region or "", edit.scaler)
                if edit.service in {None, name} and changed != control:
                    self._listing[name] = changed
                    self._world.apply(changed, edit.at + self._world.setup.scenario.actuation.propagation)


def _kind(fault: Fault | None) -> str:
    return fault.kind if fault is not None else ""
