"""From a scenario file's values to a world that can be built: places looked up, files read, parts checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spillway.errors import ConfigError, Problem
from spillway.sim.control import BackendControl, RouteControl, ServiceControl
from spillway.sim.demand import Source
from spillway.sim.faults import Fault, from_model
from spillway.sim.network import great_circle_rtt, read_matrix
from spillway.sim.places import continent_of
from spillway.sim.plant import RegionPlant
from spillway.sim.scenario import Client, Region, Scenario
from spillway.sim.scenario_check import check, load_service_time, load_trace, place_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """Everything a world is built from."""

    scenario: Scenario
    regions: tuple[RegionPlant, ...]
    sources: tuple[Source, ...]
    rtt: NDArray[np.float64]
    """Seconds, clients x regions."""
    continents: NDArray[np.int64]
    """For each client, an index in `places.CONTINENTS`."""
    faults: tuple[Fault, ...]
    controls: tuple[ServiceControl, ...]
    """What the balancer is told at time zero: scalers at 1, standby at 0, pinned services with their home alone."""
    routes: tuple[RouteControl, ...]


def build(scenario: Scenario, base_dir: Path, *, file: str = "") -> Setup:
    """Look up, read and check everything.

    Raises:
        ConfigError: with every mistake found.
    """
    mistakes = check(scenario, base_dir)
    if mistakes:
        name = file or scenario.scenario
        raise ConfigError(
            tuple(
                Problem(file=name, line=0, path=".".join(map(str, path)), message=message, remedy=remedy)
                for path, message, remedy in mistakes
            )
        )
    regions = tuple(_plant(name, region, base_dir) for name, region in scenario.regions.items())
    rtt = _round_trips(scenario, base_dir)
    return Setup(
        scenario=scenario,
        regions=regions,
        sources=tuple(
            Source(name=c.name, demand=c.demand, trace=load_trace(c, base_dir)) for c in scenario.clients
        ),
        rtt=rtt,
        continents=np.array([_continent(c, rtt[i], scenario) for i, c in enumerate(scenario.clients)]),
        faults=tuple(from_model(f) for f in scenario.faults),
        controls=default_controls(scenario),
        routes=default_routes(scenario),
    )


def public(setup: Setup) -> Setup:
    """What an operator knows: the same without faults, clients and their demand, and with targets in place of the truth."""
    scenario = setup.scenario.model_copy(update={"faults": (), "clients": ()})
    return replace(
        setup,
        scenario=scenario.model_copy(
            update={
                "regions": {
                    name: region.model_copy(update={"capacity_rps": region.target_rps or region.capacity_rps})
                    for name, region in scenario.regions.items()
                }
            }
        ),
        regions=tuple(replace(plant, capacity=plant.target) for plant in setup.regions),
        sources=(),
        rtt=setup.rtt[:0],
        continents=setup.continents[:0],
        faults=(),
    )


def default_controls(scenario: Scenario) -> tuple[ServiceControl, ...]:
    """What the balancer is told before anybody decides anything: the state that `static` keeps."""
    if not scenario.services:
        return (_pool("pool", tuple(scenario.regions), scenario),)
    return tuple(
        ServiceControl(service=name, backends=(BackendControl(region=s.home, scaler=1.0, preferred=True),))
        if s.home
        else _pool(name, tuple(s.weights) or s.regions or tuple(scenario.regions), scenario, s.weights)
        for name, s in scenario.services.items()
    )


def _pool(
    name: str, regions: tuple[str, ...], scenario: Scenario, weights: Mapping[str, int] = MappingProxyType({})
) -> ServiceControl:
    return ServiceControl(
        service=name,
        backends=tuple(
            BackendControl(
                region=r, scaler=0.0 if scenario.regions[r].standby else 1.0, weight=weights.get(r)
            )
            for r in regions
        ),
    )


def default_routes(scenario: Scenario) -> tuple[RouteControl, ...]:
    """Which path reaches which service; the first match wins."""
    if not scenario.services:
        return (RouteControl(host="*", path="/*", service="pool"),)
    pinned = [
        RouteControl(host="*", path=path, service=name)
        for name, service in scenario.services.items()
        for path in service.paths
    ]
    rest = [
        RouteControl(host="*", path="/*", service=name)
        for name, s in scenario.services.items()
        if not s.paths
    ]
    return (*pinned, *rest)


def _round_trips(scenario: Scenario, base_dir: Path) -> NDArray[np.float64]:
    if scenario.rtt.matrix is not None:
        matrix = read_matrix(base_dir / scenario.rtt.matrix)
        return np.array([[matrix[c.origin or c.name, r] for r in scenario.regions] for c in scenario.clients])
    regions = np.array([place_of(name, region) or (0.0, 0.0) for name, region in scenario.regions.items()])
    return great_circle_rtt(np.array([(c.latitude, c.longitude) for c in scenario.clients], float), regions)


def _continent(client: Client, rtt: NDArray[np.float64], scenario: Scenario) -> int:
    if client.longitude is not None:
        return continent_of(client.longitude)
    names = tuple(scenario.regions)
    place = place_of(names[int(rtt.argmin())], scenario.regions[names[int(rtt.argmin())]])
    return continent_of(place[1]) if place else 0


def _plant(name: str, region: Region, base_dir: Path) -> RegionPlant:
    return RegionPlant(
        name=name,
        endpoints=region.endpoints,
        zones=region.zones,
        target=region.target_rps or region.capacity_rps,
        capacity=region.capacity_rps,
        service_time=load_service_time(region.service_time, base_dir),
        timeout=region.timeout,
        cost=region.cost,
        standby=region.standby,
        serverless=region.serverless,
    )
