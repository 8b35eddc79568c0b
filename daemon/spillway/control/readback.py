"""The core's inputs, rebuilt from the journal's records: the way back of `control.inputs`.

Records are read oldest first, because minutes of traffic stand in the first record that saw them. A window is whole once as
many minutes were read as it holds; before that, `whole` of the result is false.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from spillway.core.values.histogram import Distribution
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import BackendSetting, Overlay, Posture, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    PlaceDemand,
    Seen,
    ServiceView,
    Snapshot,
)
from spillway.core.values.state import ControllerMemory
from spillway.core.values.topology import Fleet, Preference

_MEMORY = TypeAdapter(ControllerMemory)
_ORDERS = TypeAdapter(Orders)
_FLEET = TypeAdapter(Fleet)
_POLICIES = TypeAdapter(dict[str, Policy])


@dataclass(frozen=True, slots=True, kw_only=True)
class PassInputs:
    """What one step of the core was given; None where the record does not hold it."""

    snapshot: Snapshot
    overlay: Overlay
    orders: Orders
    edit_told: bool
    memory: ControllerMemory | None
    fleet: Fleet | None
    policies: Mapping[str, Policy] | None
    whole: bool
    """Whether all minutes of all windows were found."""


class InputsReader:
    """Reads records in the order in which they were written, and remembers the newest windows."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[Minute, ...]] = {}

    def read(self, record: Mapping[str, Any]) -> PassInputs:
        """The inputs of a tick or a health pass.

        Raises:
            KeyError, TypeError, ValueError: it is no record of a pass in the form of this version.
        """
        snapshot, whole = self._snapshot(record["inputs"])
        memory, fleet, policies = (record.get(name) for name in ("memory", "fleet", "policies"))
        return PassInputs(
            snapshot=snapshot,
            overlay=overlay_of(record["overlay"]),
            orders=_ORDERS.validate_python(record["orders"]),
            edit_told=bool(record["edit_told"]),
            memory=None if memory is None else _MEMORY.validate_python(memory),
            fleet=None if fleet is None else _FLEET.validate_python(fleet),
            policies=None if policies is None else _POLICIES.validate_python(policies),
            whole=whole,
        )

    def _snapshot(self, inputs: Mapping[str, Any]) -> tuple[Snapshot, bool]:
        bounds = [tuple(each) for each in inputs["bounds"]]
        signals = [_signal(each) for each in inputs["signals"]]
        whole = True

        def traffic(service: str, region: str, value: Any) -> Seen[tuple[Minute, ...]] | Missing:
            nonlocal whole
            if isinstance(value, int):
                return _missing(signals[value])
            age, evidence, listed, held = value
            window = self._window((service, region), [_minute(each, bounds) for each in listed], held)
            whole = whole and len(window) == abs(held)
            return Seen(value=window, age=age, evidence=evidence)

        services = tuple(
            ServiceView(
                service=name,
                backends=tuple(
                    BackendView(
                        region=region,
                        observed=signals[observed],
                        health=signals[health],
                        traffic=traffic(name, region, seen),
                    )
                    for region, (observed, health, seen) in view["backends"].items()
                ),
                policy=signals[view["policy"]],
                places=_places(view["places"], signals),
                unassigned=traffic(name, "", view["unassigned"]),
                fingerprint=view["fingerprint"],
            )
            for name, view in inputs["services"].items()
        )
        snapshot = Snapshot(
            at=inputs["at"], lag=inputs["lag"], services=services, problems=tuple(inputs["problems"])
        )
        return snapshot, whole

    def _window(self, key: tuple[str, str], listed: list[Minute], held: int) -> tuple[Minute, ...]:
        """The window of a backend: what was new merged into the one before, as many of the newest as it held."""
        known = {} if held < 0 else {minute.end: minute for minute in self._windows.get(key, ())}
        known |= {minute.end: minute for minute in listed}
        window = tuple(known[end] for end in sorted(known)[-abs(held) :]) if held else ()
        self._windows[key] = window
        return window


def overlay_of(record: Mapping[str, Any]) -> Overlay:
    """An overlay from its record.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return Overlay(
        services=tuple(
            ServiceSetting(
                service=name,
                posture=Posture(setting["posture"]),
                backends=tuple(
                    BackendSetting(
                        region=region, member=member, scaler=scaler, preference=Preference(preference)
                    )
                    for region, (member, scaler, preference) in setting["backends"].items()
                ),
            )
            for name, setting in record.items()
        )
    )


def _signal(record: Mapping[str, Any]) -> Any:
    """A setting, a health or a policy with its age, or the reason why there is none."""
    if "absence" in record:
        return Missing(absence=Absence(record["absence"]), detail=record["detail"])
    value = record["value"]
    seen: ObservedBackend | HealthCount | ObservedPolicy
    if "member" in value:
        seen = ObservedBackend(
            member=value["member"],
            scaler=value["scaler"],
            mixed=value["mixed"],
            preference=Preference(value["preference"]),
        )
    elif "healthy" in value:
        seen = HealthCount(healthy=value["healthy"], total=value["total"])
    else:
        seen = ObservedPolicy(failover_threshold=value["failover_threshold"], auto_drain=value["auto_drain"])
    return Seen(value=seen, age=record["age"], evidence=record["evidence"])


def _missing(signal: Any) -> Missing:
    if not isinstance(signal, Missing):
        raise TypeError("traffic names a signal that is not missing")
    return signal


def _places(value: Any, signals: Sequence[Any]) -> Seen[tuple[PlaceDemand, ...]] | Missing:
    if isinstance(value, int):
        return _missing(signals[value])
    age, evidence, rates = value
    return Seen(value=tuple(PlaceDemand(*rate) for rate in rates), age=age, evidence=evidence)


def _minute(row: Sequence[Any], bounds: Sequence[tuple[float, ...]]) -> Minute:
    """A minute from its row, with the buckets that were left out because they are empty."""
    end, ok, client_error, too_many, server_error, *spread = row
    latency = None
    if spread:
        mean, number, buckets, counts = spread
        full = [0.0] * (len(bounds[number]) + 1)
        for bucket, count in zip(buckets, counts, strict=True):
            full[bucket] = count
        latency = Distribution(bounds=bounds[number], counts=tuple(full), mean=mean)
    return Minute(
        end=end,
        ok=ok,
        client_error=client_error,
        too_many=too_many,
        server_error=server_error,
        latency=latency,
    )
