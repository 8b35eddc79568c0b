"""The simulated world as the sandbox's plant."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter, ValidationError

from spillway.errors import PermanentError
from spillway.sandbox.plant import OutsideEdit
from spillway.sim.control import RouteControl, ServiceControl
from spillway.sim.fault_models import FaultModel
from spillway.sim.faults import Fault, from_model
from spillway.sim.world import World

_log = logging.getLogger(__name__)
_FAULT: TypeAdapter[FaultModel] = TypeAdapter(FaultModel)

_NO_CLOCK = "the sandbox cannot move the clock of those who ask it"


@dataclass(frozen=True, slots=True)
class _WriteFault:
    kind: str
    factor: float


class WorldPlant:
    """A `World` behind the protocol `Plant`. A fault's id is its number in the order in which the world learned of it."""

    def __init__(self, world: World) -> None:
        """Wrap a world. Give it no controls and no routes of its own: these come from the resources.

        Raises:
            PermanentError: the scenario moves the controller's clock, which a server cannot.
        """
        if any(fault.kind == "clock-step" for fault in world.faults):
            raise PermanentError(
                f"the scenario {world.setup.scenario.scenario!r} has a clock-step: {_NO_CLOCK}",
                remedy="Run it with `spillway backtest`, or take the fault out.",
            )
        self.world = world
        self._regions = {region.name for region in world.setup.regions}
        self._strangers: set[str] = set()
        self._final: Mapping[str, object] | None = None

    @property
    def time(self) -> float:
        """Seconds since the start."""
        return self.world.time

    @property
    def epoch(self) -> float:
        """UTC seconds at the start."""
        return self.world.epoch

    def advance(self, to: float) -> None:
        """Run the world up to this time, in whole steps; the report is kept as it stands when the scenario is over."""
        end = self.world.setup.scenario.duration
        if self._final is None and to >= end:
            self.world.advance(end)
            self._final = self._totals()
        self.world.advance(to)

    def apply(self, control: ServiceControl, at: float) -> None:
        """Hand the levers of a service over. Backends in regions that the world does not have get no traffic."""
        known = tuple(backend for backend in control.backends if backend.region in self._regions)
        for backend in control.backends:
            if backend.region not in self._regions | self._strangers:
                self._strangers.add(backend.region)
                _log.warning("the scenario has no region %s: backends there get no traffic", backend.region)
        self.world.apply(replace(control, backends=known), at)

    def route(self, routes: tuple[RouteControl, ...], at: float) -> None:
        """Hand the routes over."""
        self.world.route(routes, at)

    def health(self, region: str) -> tuple[tuple[int, int], ...]:
        """Endpoints that pass their checks and all endpoints, per zone."""
        return self.world.health(region) if region in self._regions else ()

    def write_fault(self) -> _WriteFault | None:
        """What becomes of a write now."""
        fault = self.world.write_fault()
        return None if fault is None else _WriteFault(fault.kind.removeprefix("write-"), fault.factor)

    def outside_edits(self, since: float, until: float) -> tuple[OutsideEdit, ...]:
        """Edits by somebody else."""
        found = self.world.outside_edits(since, until)
        return tuple(
            OutsideEdit(at=edit.at, region=edit.region, scaler=edit.scaler, service=edit.service)
            for edit in found
            if edit.region is not None
        )

    @property
    def over(self) -> bool:
        """Whether the scenario has ended."""
        return self._final is not None

    def report(self) -> Mapping[str, object]:
        """The totals of the scenario's hours: so far, or as they stood at its end."""
        return self._final if self._final is not None else self._totals()

    def _totals(self) -> Mapping[str, object]:
        report = asdict(self.world.report())
        pairs = {"failed_by_code", "latency_ms"}
        totals = {name: dict(value) if name in pairs else value for name, value in report.items()}
        return {**totals, "trace_hash": self.world.trace_hash()}

    def inject(self, fault: Mapping[str, object], at: float) -> str:
        """Add a fault.

        Raises:
            ValueError: it is none of the vocabulary, or its region is not in the scenario.
        """
        try:
            model = _FAULT.validate_python({**fault, "at": f"{at:.3f}s"})
        except ValidationError as error:
            raise ValueError(
                "; ".join(_words(problem["loc"], problem["msg"]) for problem in error.errors())
            ) from error
        made = from_model(model, not_before=self.world.time)
        if made.kind == "clock-step":
            raise ValueError(
                f"kind: clock-step: {_NO_CLOCK}; run a scenario that has it with `spillway backtest`"
            )
        if made.region is not None and made.region not in self._regions:
            raise ValueError(
                f"region: the scenario has no {made.region}; it has {', '.join(sorted(self._regions))}"
            )
        self.world.inject(made)
        return str(len(self.world.faults) - 1)

    def faults(self) -> tuple[Mapping[str, object], ...]:
        """All faults that are planned or acting."""
        found = enumerate(self.world.faults)
        found = enumerate(self.world.faults)
        return tuple(
            {"id": str(number), **_shown(fault)}
            for number, fault in found
            if _is_ahead(fault, self.world.time)
        )

    def withdraw(self, fault_id: str) -> bool:
        """End a fault now."""
        listed = {fault["id"] for fault in self.faults()}
        if fault_id not in listed:
            return False
        self.world.withdraw(self.world.faults[int(fault_id)])
        return True


def _is_ahead(fault: Fault, now: float) -> bool:
    """Whether a fault acts or will act; one that was withdrawn before its time has no length."""
    if fault.kind == "outside-edit":
        return fault.at > now and fault.until > fault.at
    return fault.until > max(now, fault.at)


def _words(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in place[1:])
    return f"{where}: {message}" if where else message


def _shown(fault: Fault) -> dict[str, object]:
    """A fault as JSON can hold it: without an end where it has none."""
    shown = {name: value for name, value in asdict(fault).items() if value is not None}
    if fault.until == float("inf"):
        del shown["until"]
    return shown
