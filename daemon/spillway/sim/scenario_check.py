"""What is wrong between the keys of a scenario, and with the files it names: every mistake, with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spillway.core.values.geography import REGION_PLACES
from spillway.core.values.topology import is_legal_scaler
from spillway.sim.fault_models import OutsideEdit
from spillway.sim.network import read_matrix
from spillway.sim.scenario import (
    Client,
    Region,
    Scenario,
    ScenarioService,
    ServiceTimeModel,
    TraceDemand,
)
from spillway.sim.service_time import AnyTime, ServiceTime, read_times
from spillway.sim.traces import Trace, read_trace

KeyPath = tuple[str | int, ...]
Mistake = tuple[KeyPath, str, str]
"""(path of keys in the file, what is wrong, what to do)."""


def check(scenario: Scenario, base_dir: Path) -> tuple[Mistake, ...]:
    """Every mistake that shows only when keys are seen together, or files are read."""
    found = [*_check_times(scenario), *_check_regions(scenario, base_dir), *_check_services(scenario)]
    found += [*_check_clients(scenario, base_dir), *_check_faults(scenario), *_check_rtt(scenario, base_dir)]
    return tuple(found)


def place_of(name: str, region: Region) -> tuple[float, float] | None:
    """Latitude and longitude of a region, or None where neither the file nor the table knows them."""
    if region.latitude is not None and region.longitude is not None:
        return region.latitude, region.longitude
    return REGION_PLACES.get(name)


def load_trace(client: Client, base_dir: Path) -> Trace | None:
    """The client's trace, or None where its demand is of another shape.

    Raises:
        ValueError: it cannot be understood.
        OSError: it cannot be read.
    """
    return read_trace(base_dir / client.demand.file) if isinstance(client.demand, TraceDemand) else None


def load_service_time(model: ServiceTimeModel, base_dir: Path) -> AnyTime:
    """The distribution that the file describes.

    Raises:
        ValueError: neither two points nor a table with its column.
        OSError: the table cannot be read.
    """
    if model.file is not None and model.column is not None:
        return read_times(base_dir / model.file, model.column)
    if model.p50 is None or model.p95 is None or not 0 < model.p50 < model.p95:
        raise ValueError("p50 and p95 must both be given, p50 above 0 and p95 above p50")
    return ServiceTime(model.p50, model.p95)


def _check_times(scenario: Scenario) -> Iterator[Mistake]:
    if scenario.duration < scenario.step:
        yield ("duration",), "the run is shorter than one step.", "Make it longer, or the step shorter."
    if scenario.monitoring.sample_period < scenario.step:
        where: KeyPath = ("monitoring", "sample_period")
        yield where, "a sample period is shorter than one step.", "Make the step no longer than a period."


def _check_regions(scenario: Scenario, base_dir: Path) -> Iterator[Mistake]:
    for name, region in scenario.regions.items():
        where: KeyPath = ("regions", name)
        if scenario.rtt.matrix is None and place_of(name, region) is None:
            yield where, f"nobody knows where {name} is.", "Give its latitude and longitude."
        if region.zones > region.endpoints:
            yield (*where, "zones"), "there are more zones than endpoints.", "Give every zone an endpoint."
        if region.serverless and region.target_rps is not None:
            yield (*where, "target_rps"), "a serverless region has no target.", "Remove `target_rps`."
        if region.serverless and region.zones > 1:
            yield (*where, "zones"), "a serverless region has one group.", "Remove `zones`."
        if not region.serverless and region.target_rps is None:
            yield (*where, "target_rps"), "the target is missing.", "Write what Google is told that it takes."
        try:
            load_service_time(region.service_time, base_dir)
        except (ValueError, OSError) as error:
            yield (*where, "service_time"), f"{error}.", "Write p50 and p95, or file and column."
    if all(r.standby for r in scenario.regions.values()):
        yield ("regions",), "all regions are standby.", "Leave at least one that serves from the start."


def _check_services(scenario: Scenario) -> Iterator[Mistake]:
    for name, service in scenario.services.items():
        where: KeyPath = ("services", name)
        named = [
            *(service.regions or ()),
            *service.weights,
            *service.failover,
            *([service.home] if service.home else []),
        ]
        for region in named:
            if region not in scenario.regions:
                yield where, f"{region} is no region of this scenario.", f"Use one of {_names(scenario)}."
        if service.home and service.regions:
            yield where, "a service is a pool or pinned, not both.", "Leave out `regions` or `home`."
        if service.weights:
            yield from _check_split(scenario, (*where, "weights"), service)
        if service.home and not service.paths:
            yield (
                (*where, "paths"),
                "a pinned service needs the paths that lead to it.",
                "Write e.g. [/europe/*].",
            )
    if scenario.services and all(s.paths for s in scenario.services.values()):
        yield ("services",), "no service takes the other paths.", "Leave out `paths` in one of them."


def _check_split(scenario: Scenario, where: KeyPath, service: ScenarioService) -> Iterator[Mistake]:
    if service.home or service.regions:
        yield where, "a split is neither a pool nor pinned.", "Leave out `weights`, or `regions` and `home`."
    if len(service.weights) < 2:
        yield where, "a split has at least two regions.", "Name another region."
    for name in service.weights:
        region = scenario.regions.get(name)
        if region is not None and not region.serverless:
            yield (*where, name), f"{name} is not serverless: its scaler is the lever.", "Make it a pool."
        if region is not None and region.standby:
            yield (*where, name), f"{name} is a standby, and a split has none.", "Take `standby` out."


def _check_clients(scenario: Scenario, base_dir: Path) -> Iterator[Mistake]:
    seen: set[str] = set()
    for i, client in enumerate(scenario.clients):
        where: KeyPath = ("clients", i)
        if client.name in seen:
            yield (*where, "name"), f"there are two clients named {client.name}.", "Give each its own name."
        seen.add(client.name)
        if scenario.rtt.matrix is None and (client.latitude is None or client.longitude is None):
            yield where, f"{client.name} has no place.", "Give its latitude and longitude, or an rtt matrix."
        if isinstance(client.demand, TraceDemand):
            try:
                load_trace(client, base_dir)
            except (ValueError, OSError) as error:
                yield (*where, "demand", "file"), f"{error}.", "Name a CSV with one row per request."


def _check_faults(scenario: Scenario) -> Iterator[Mistake]:
    for i, fault in enumerate(scenario.faults):
        region = getattr(fault, "region", None)
        if region is not None and region not in scenario.regions:
            message = f"{region} is no region of this scenario."
            yield ("faults", i, "region"), message, f"Use one of {_names(scenario)}."
            continue
        zone = getattr(fault, "zone", None)
        if region is not None and zone is not None and zone >= scenario.regions[region].zones:
            yield ("faults", i, "zone"), f"{region} has no zone {zone}.", "Zones count from 0; see `zones`."
        weighed = any(region in service.weights for service in scenario.services.values())
        if isinstance(fault, OutsideEdit) and scenario.regions[fault.region].serverless and not weighed:
            yield (
                ("faults", i, "region"),
                f"{fault.region} is serverless and has no scaler that could be edited.",
                "Edit another region.",
            )
        elif isinstance(fault, OutsideEdit) and not is_legal_scaler(fault.scaler):
            yield ("faults", i, "scaler"), f"Google refuses {fault.scaler}.", "Write 0, or 0.1 to 1."


def _check_rtt(scenario: Scenario, base_dir: Path) -> Iterator[Mistake]:
    if scenario.rtt.matrix is None:
        return
    if scenario.rtt.model is not None:
        yield ("rtt",), "a model and a matrix are given.", "Leave one of them out."
    try:
        matrix = read_matrix(base_dir / scenario.rtt.matrix)
    except (ValueError, OSError) as error:
        yield ("rtt", "matrix"), f"{error}.", "Name a CSV with the columns origin, gcp_region, rtt_ms."
        return
    for i, client in enumerate(scenario.clients):
        origin = client.origin or client.name
        missing = [r for r in scenario.regions if (origin, r) not in matrix]
        if missing:
            message = f"the matrix has no row from {origin} to {', '.join(missing)}."
            yield ("clients", i, "origin"), message, "Set `origin` to one that is in the matrix."


def _names(scenario: Scenario) -> str:
    return ", ".join(scenario.regions)
