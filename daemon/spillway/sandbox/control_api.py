"""The sandbox's own API below `/sandbox/v1/`, for people and tests: its clock, its faults, the world's totals."""

from __future__ import annotations

from typing import Any

from spillway.config.fields import parse_duration
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.plant import Plant
from spillway.sandbox.refusals import Refusal, unknown_method
from spillway.sandbox.store import Store


class ControlApi:
    """Answers requests below `/sandbox/v1/`."""

    def __init__(self, store: Store, clock: ScaledClock, plant: Plant) -> None:
        """Bind the parts."""
        self._store = store
        self._clock = clock
        self._plant = plant

    def answer(self, http: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one request.

        Raises:
            Refusal: there is no such thing, or the fault is none of the vocabulary.
        """
        collection, _, name = path.partition("/")
        with self._store.lock:
            if (http, path) == ("GET", "clock"):
                return self._reference()
            if (http, path) == ("POST", "clock/hold"):
                self._clock.hold(str(body.get("holder", "")))
                return self._reference()
            if (http, path) == ("POST", "clock/release"):
                self._clock.release(str(body.get("holder", "")))
                return self._reference()
            if (http, path) == ("GET", "report"):
                return {
                    "world": self._plant.time,
                    "over": self._plant.over,
                    "report": dict(self._plant.report()),
                }
            if (http, path) == ("GET", "resources"):
                return {"resources": self._store.dump()}
            if (http, path) == ("GET", "faults"):
                dns = self._store.dns.ahead(self._clock.now())
                return {"faults": [*(dict(fault) for fault in self._plant.faults()), *dns]}
            if (http, path) == ("POST", "faults"):
                return self._inject(body)
            if http == "DELETE" and collection == "faults" and name:
                return self._withdraw(name)
        raise unknown_method(http, f"/sandbox/v1/{path}")

    def _reference(self) -> dict[str, Any]:
        return {**self._clock.reference(), "holder": self._clock.holder}

    def _inject(self, body: dict[str, Any]) -> dict[str, Any]:
        """Add a fault of the scenario vocabulary; `at` is world time since the start, now where it is left out."""
        fault = dict(body)
        try:
            at = _world_time(fault.pop("at")) if "at" in fault else self._clock.world()
            if fault.get("kind") == "dns-missing":
                return {"id": self._lose(fault, max(at, self._plant.time))}
            return {"id": self._plant.inject(fault, max(at, self._plant.time))}
        except ValueError as error:
            raise Refusal(400, "invalid", str(error)) from error

    def _lose(self, fault: dict[str, Any], at: float) -> str:
        """Let the DNS of a name lead elsewhere, so that no certificate is issued for it.

        Raises:
            ValueError: it says something else, or not which name.
        """
        strangers = sorted(set(fault) - {"kind", "domain", "for"})
        domain = fault.get("domain")
        if strangers or not isinstance(domain, str) or not domain:
            raise ValueError(
                f"dns-missing takes domain, at and for: {', '.join(strangers) or 'domain is missing'}"
            )
        begins = self._clock.now() - self._clock.world() + at
        ends = begins + _world_time(fault["for"]) if "for" in fault else float("inf")
        return self._store.dns.lose(domain, begins, ends)

    def _withdraw(self, name: str) -> dict[str, Any]:
        if not self._store.dns.restore(name, self._clock.now()) and not self._plant.withdraw(name):
            raise Refusal(404, "notFound", f"There is no fault '{name}'. GET /sandbox/v1/faults lists them.")
        return {}


def _world_time(value: object) -> float:
    """World seconds from a number of seconds, or from a duration such as `40m`.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return parse_duration(value)
