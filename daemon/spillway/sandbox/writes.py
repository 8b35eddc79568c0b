"""How a write goes: it takes time, may meet a fault, may be sent twice, and reaches the world after propagation."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.kinds.base import Resource
from spillway.sandbox.links import Key
from spillway.sandbox.operations import Operation, Operations
from spillway.sandbox.plant import Plant
from spillway.sandbox.refusals import invalid, not_ready, rate_limited, timed_out
from spillway.sandbox.store import Store

HUNG_SECONDS = 600.0
"""World seconds after which a hung write answers: the longest default time-out of Google's clients (gcp.md 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How slow actuation is, in world seconds (`actuation` in a scenario file)."""

    write_time: float = 20.0
    propagation: float = 90.0


class Writes:
    """Carries out writes one at a time per resource, and holds each answer for the scaled write time.

    Operations are DONE in the first answer, because the real provider sleeps ten seconds of real time otherwise
    (pulumi.md 8).
    """

    def __init__(
        self, store: Store, clock: ScaledClock, plant: Plant, timing: Timing, publish: Callable[[float], None]
    ) -> None:
        """Bind the parts; `publish` brings the store's state to the world, effective at the world time it is given."""
        self.operations = Operations()
        self._store = store
        self._clock = clock
        self._plant = plant
        self._timing = timing
        self._publish = publish
        self._busy: set[Key] = set()

    async def run(
        self, key: Key, kind: str, change: Callable[[], Resource], request_id: str | None
    ) -> Operation:
        """Carry out a write and answer when its time is over.

        Args:
            key: the resource that is written.
            kind: the operation type to report.
            change: does the write in the store and returns the resource; may refuse.
            request_id: the client's id of this write, or None; a known one is not carried out again.

        Raises:
            Refusal: by the store, by a fault (403, 504), or because another write to the resource is under way (400).
        """
        if request_id is not None:
            repeated = self.operations.repeated(key.project, _checked(request_id))
            if repeated is not None:
                await repeated.done.wait()
                return repeated
        with self._store.lock:
            fault = self._plant.write_fault()
        kind_of_fault = fault.kind if fault is not None else ""
        if kind_of_fault == "refused":
            raise rate_limited()
        if kind_of_fault == "hung":
            self._clock.owe(HUNG_SECONDS)
            await asyncio.sleep(self._clock.real_seconds(HUNG_SECONDS))
            raise timed_out()
        duration = self._timing.write_time * (
            fault.factor if fault is not None and kind_of_fault == "slow" else 1.0
        )
        operation = self._carry_out(key, kind, change, request_id, duration)
        self._clock.owe(duration)
        try:
            await asyncio.sleep(self._clock.real_seconds(duration))
        finally:
            self._busy.discard(key)
            operation.ended = self._clock.now()
            operation.done.set()
        if kind_of_fault == "unknown":
            raise timed_out()
        return operation

    def _carry_out(
        self, key: Key, kind: str, change: Callable[[], Resource], request_id: str | None, duration: float
    ) -> Operation:
        with self._store.lock:
            if key in self._busy:
                raise not_ready(key.path)
            resource = change()
            self._busy.add(key)
            # what is built before the world begins is there from its first second
            late = duration + self._timing.propagation if self._clock.begun else 0.0
            self._publish(self._clock.world() + late)
        return self.operations.start(key, kind, str(resource.get("id", "0")), self._clock.now(), request_id)


def _checked(request_id: str) -> str:
    try:
        number = uuid.UUID(request_id).int
    except ValueError:
        number = 0
    if number == 0:
        raise invalid("requestId", request_id, "The request ID must be a valid UUID other than zero.")
    return request_id
