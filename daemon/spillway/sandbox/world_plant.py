"""The simulated world as the sandbox's plant: the same world as the backtest's, asked through `plant.Plant`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite

from pydantic import TypeAdapter, ValidationError

from spillway.sim.control import RouteControl, ServiceControl
from spillway.sim.fault_models import FaultModel
from spillway.sim.faults import Fault
from spillway.sim.world import World

_FAULT: TypeAdapter[FaultModel] = TypeAdapter(FaultModel)
_SOON = 1e-3
"""World seconds: the world's edits are asked for with since <= at, the sandbox asks with since < at."""


@dataclass(frozen=True, slots=True)
class PlantWriteFault:
    """What becomes of a write that arrives now."""

    kind: str
    factor: float = 1.0


class WorldPlant:
    """Implements `plant.Plant` over a world, and keeps the report of the scenario's own hours."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ids: dict[str, Fault] = {}
        self._number = 0
        self._writes = 0
        self._final: dict[str, object] | None = None
        for fault in world.faults:
            self._remember(fault)

    @property
    def time(self) -> float:
        """World seconds since the start."""
        return self.world.time

    @property
    def epoch(self) -> float:
        """UTC seconds at the start."""
        return self.world.epoch

    def advance(self, to: float) -> None:
        """Run the world up to `to`; the report is kept as it stands when the scenario's duration is over."""
        end = self.world.setup.scenario.duration
        if self._final is None and to >= end:
            self.world.advance(end)
            self._final = self._totals()
        self.world.advance(to)

    def apply(self, control: ServiceControl, at: float) -> None:
        """Put one service's levers into effect at `at`."""
        self._writes += self.world.time > 0
        self.world.apply(control, at)

    def route(self, routes: tuple[RouteControl, ...], at: float) -> None:
        """Put routes into effect at `at`."""
        self.world.route(routes, at)

    def health(self, region: str) -> tuple[tuple[int, int], ...]:
        """(passing, all) endpoints by zone; nothing for a region that this world does not have."""
        try:
            return self.world.health(region)
        except KeyError:
            return ()

    def write_fault(self) -> PlantWriteFault | None:
        """What becomes of a write now."""
        fault = self.world.write_fault()
        return None if fault is None else PlantWriteFault(fault.kind.removeprefix("write-"), fault.factor)

    def outside_edits(self, since: float, until: float) -> tuple[tuple[float, str, float], ...]:
        """(time, region, scaler) of edits with since < time <= until."""
        edits = self.world.outside_edits(since + _SOON, until + _SOON)
        return tuple((edit.at, edit.region or "", edit.scaler) for edit in edits)

    def report(self) -> Mapping[str, object]:
        """The totals of the scenario's hours: so far, or as they stood at its end."""
        return self._final if self._final is not None else self._totals()

    def inject(self, fault: Mapping[str, object], at: float) -> str:
        """Add a fault from `at` on; its id.

        Raises:
            ValueError: not one of the vocabulary.
        """
        try:
            model = _FAULT.validate_python({**fault, "at": f"{at:.3f}s"})
        except ValidationError as error:
            raise ValueError(
                "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            ) from error
        return self._remember(self.world.inject(model))

    def faults(self) -> tuple[Mapping[str, object], ...]:
        """All faults that are planned or acting."""
        return tuple(
            {
                "id": name,
                **{k: v for k, v in asdict(fault).items() if not isinstance(v, float) or isfinite(v)},
            }
            for name, fault in self._ids.items()
            if fault.until > self.world.time
        )

    def withdraw(self, fault_id: str) -> bool:
        """End a fault now."""
        fault = self._ids.pop(fault_id, None)
        if fault is None or fault.until <= self.world.time:
            return False
        self.world.withdraw(fault)
        return True

    def _remember(self, fault: Fault) -> str:
        self._number += 1
        name = f"f{self._number}"
        self._ids[name] = fault
        return name

    def _totals(self) -> dict[str, object]:
        """The world's sums with the field names of `spillway backtest --json`."""
        report = asdict(self.world.report())
        return {
            **report,
            "failed_by_code": {str(code): count for code, count in report["failed_by_code"]},
            "latency_ms": dict(report["latency_ms"]),
            "writes": self._writes,
            "trace_hash": self.world.trace_hash(),
        }
