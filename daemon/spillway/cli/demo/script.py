"""The script of a demo: each fault and surge of its scenario in words, when it comes and when it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spillway.cli.demo.events import Line
from spillway.config import load
from spillway.errors import SpillwayError
from spillway.sim.scenario import Scenario
from spillway.sim.scenario_file import load_scenario

_BEGINS = {
    "outage": "{region} goes down: health checks fail and requests get 5xx at once",
    "slow": "{region} turns slow: every answer takes {factor:g} times as long; health checks pass",
    "slow-leak": "{region} slows down evenly, up to {factor:g} times; health checks pass",
    "errors": "{region} fails requests: {ratio:.0%} of its answers are 5xx; health checks pass",
    "fast-failures": "{region} fails requests at once: {ratio:.0%} of its answers are {code} within 50 ms; health checks pass",
    "capacity-loss": "{region} loses {ratio:.0%} of its capacity; health checks pass",
    "gray": "a part of {region} turns slow: {ratio:.0%} of its endpoints take {factor:g} times as long; health checks pass",
    "flapping": "health checks in {region} come and go: {ratio:.0%} of its endpoints fail and pass them by turns",
    "quota": "{region} reaches a quota of {rps:g} requests/s; the rest is answered 429",
    "metrics-missing": "the metrics of {region} are missing",
    "metrics-partial": "{ratio:.0%} of the metric points of {region} are missing",
    "metrics-garbage": "the metrics of {region} are wrong",
    "metrics-late": "the metrics of {region} come later than usual",
    "write-refused": "the cloud refuses every write",
    "write-slow": "writes take {factor:g} times as long",
    "write-hung": "writes do not return",
    "write-unknown": "writes are carried out and answered with a time-out",
    "outside-edit": "somebody else sets the scaler of {region} to {scaler:g}",
}
_ENDS = {
    "outage": "{region} is back and passes its health checks",
    "slow": "{region} answers at its usual speed again",
    "slow-leak": "{region} answers at its usual speed again",
    "errors": "{region} answers without errors again",
    "fast-failures": "{region} answers without errors again",
    "capacity-loss": "{region} has all of its capacity again",
    "gray": "all endpoints of {region} answer at their usual speed again",
    "flapping": "health checks in {region} are steady again",
    "quota": "the quota of {region} is lifted",
    "metrics-missing": "the metrics of {region} are there again",
    "metrics-partial": "the metrics of {region} are complete again",
    "metrics-garbage": "the metrics of {region} are right again",
    "metrics-late": "the metrics of {region} come as usual again",
    "write-refused": "the cloud takes writes again",
    "write-slow": "writes take as long as usual again",
    "write-hung": "writes return again",
    "write-unknown": "writes are answered again",
}


def script(scenario: Scenario) -> list[Line]:
    """All that will happen in the world, in the order in which it happens."""
    lines = [Line(at=0.0, who="world", text="all regions are well")]
    for fault in scenario.faults:
        values: dict[str, Any] = fault.model_dump() | {
            "region": getattr(fault, "region", None) or "all regions"
        }
        lines.append(Line(at=fault.at, who="world", text=_BEGINS[fault.kind].format(**values)))
        lasts = values.get("lasts")
        if lasts is not None and fault.kind in _ENDS:
            lines.append(Line(at=fault.at + lasts, who="world", text=_ENDS[fault.kind].format(**values)))
    lines += _demand(scenario)
    return sorted((line for line in lines if line.at <= scenario.duration), key=lambda line: line.at)


def _demand(scenario: Scenario) -> list[Line]:
    """Surges and steps; places whose demand changes alike at the same moment share a line."""
    alike: dict[tuple[float, str], list[str]] = {}
    for client in scenario.clients:
        demand = client.demand
        if demand.shape == "surge":
            alike.setdefault(
                (demand.at, f"a surge begins in {{}}: {demand.factor:g} times the usual demand"), []
            ).append(client.name)
            alike.setdefault((demand.at + demand.lasts, "the surge in {} ends"), []).append(client.name)
        elif demand.shape == "step":
            text = (
                f"demand in {{}} steps to {demand.to_rps / demand.rps:.1f} times what it was"
                if demand.rps
                else "demand begins in {}"
            )
            alike.setdefault((demand.at, text), []).append(client.name)
    return [
        Line(at=at, who="world", text=text.format(_places(names, len(scenario.clients))))
        for (at, text), names in alike.items()
    ]


def _places(names: list[str], everyone: int) -> str:
    """`paris and berlin`; `all places` where it is most of them."""
    if len(names) > 3 and len(names) >= 0.7 * everyone:
        return "most places"
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def script_of(config: Path) -> tuple[float, list[Line]]:
    """Duration in world seconds and script of the scenario that a configuration names.

    Raises:
        SpillwayError: it names none.
    """
    sandbox = load.load(config).config.sandbox
    if sandbox is None:
        raise SpillwayError(f"{config} has no section `sandbox`.", remedy="A demo needs `cloud: sandbox`.")
    scenario = load_scenario(Path(sandbox.scenario))
    return scenario.duration, script(scenario)
