"""Google's side: which service a client asks, each service's ceilings, and where the requests go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spillway.sim.arrays import Groups
from spillway.sim.control import BackendControl, RouteControl, ServiceControl
from spillway.sim.drain import AutoDrain, GroupIndex
from spillway.sim.plant import RegionPlant
from spillway.sim.scenario import Client
from spillway.sim.waterfall import health_factor, preference_order, waterfall

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Health = tuple[tuple[tuple[int, int], ...], ...]
"""For each region, (passing, all) of each zonal group."""

UNBOUNDED = 1e7
"""Requests/s of ceiling that stand for none: a serverless group has no target, so nothing spills from it (reference gcp.md 1.2)."""

MEMORY = 1024
"""Paths that are remembered."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Path:
    """How one service's requests find their regions; constant until the next change."""

    streams: Index
    regions: Index
    """Those with a ceiling above zero."""
    ceilings: Array
    """Requests/s."""
    order: Index
    shares: Array | None = None
    """Share of the requests of each region, where weights share them out."""


class Balancer:
    """Controls, routes and automatic drains, as they are in effect."""

    def __init__(
        self, plants: Sequence[RegionPlant], clients: Sequence[Client], rtt: Array, continents: Index
    ) -> None:
        self._plants = tuple(plants)
        self._clients = tuple(clients)
        self._rtt, self._continents = rtt, continents
        self._names = {p.name: i for i, p in enumerate(plants)}
        self._drains: dict[str, AutoDrain] = {}
        self._paths: tuple[_Path, ...] = ()
        self._known: dict[object, _Path] = {}
        """Paths of these groups, by all that they depend on; copies share them."""
        self.controls: dict[str, ServiceControl] = {}
        self.routes: tuple[RouteControl, ...] = ()
        self.groups = Groups.of((), (), self._clients, continents)
        self.opened = np.zeros(len(plants), dtype=bool)

    def copy(self) -> Balancer:
        """An independent copy."""
        twin = Balancer(self._plants, (), self._rtt[:0], self._continents[:0])
        twin.__dict__.update(self.__dict__)
        twin.controls = dict(self.controls)
        twin._drains = {name: drain.copy() for name, drain in self._drains.items()}
        return twin

    def apply(self, control: ServiceControl) -> None:
        """Put a service's levers into effect.

        Raises:
            ValueError: a region is listed twice, or the world does not have it.
        """
        regions = [b.region for b in control.backends]
        unknown = sorted(set(regions) - set(self._names))
        if unknown or len(set(regions)) < len(regions):
            what = f"no region {', '.join(unknown)} in this world" if unknown else "a region is listed twice"
            raise ValueError(f"service {control.service}: {what}")
        self.controls[control.service] = control
        self._drains.setdefault(control.service, AutoDrain())
        if control.service not in self.groups.services:
            self._regroup()

    def route(self, routes: Sequence[RouteControl]) -> None:
        """Put routes into effect; the first match wins."""
        self.routes = tuple(routes)
        self._regroup()

    def _regroup(self) -> None:
        routed = (name for route in self.routes for name in _services(route))
        named = dict.fromkeys((*self.groups.services, *self.controls, *routed))
        self.groups = Groups.of(
            tuple(named), self.routes, self._clients, self._continents, least=self.groups.parts
        )
        self._known = {}

    def ejections(self) -> tuple[float, ...]:
        """For each region, the largest share of its endpoints that outlier detection may eject."""
        found = [0.0] * len(self._plants)
        for control in self.controls.values():
            for backend in control.backends:
                if backend.scaler > 0:
                    i = self._names[backend.region]
                    found[i] = max(found[i], control.outlier_ejection)
        return tuple(found)

    def next_change(self) -> float:
        """When an automatic drain ends if health stays as it is."""
        return min((d.next_change() for d in self._drains.values()), default=float("inf"))

    def drained(self, service: str) -> frozenset[GroupIndex]:
        """(region, zone) that Google's automatic drain keeps at zero."""
        drain = self._drains.get(service)
        return drain.drained if drain else frozenset()

    def update(self, t: float, health: Health, means: Array) -> None:
        """Take in health at `t` and mean service times (seconds), and work out every ceiling anew."""
        paths = []
        self.opened = np.zeros(len(self._plants), dtype=bool)
        for number, name in enumerate(self.groups.services):
            control = self.controls.get(name)
            if control is not None:
                self._update_drain(t, control, health)
            path = self._path(number, control, health, means)
            self.opened[path.regions] = True
            paths.append(path)
        self._paths = tuple(paths)

    def _path(self, number: int, control: ServiceControl | None, health: Health, means: Array) -> _Path:
        in_flight = control is not None and any(b.target_in_flight is not None for b in control.backends)
        drained = self.drained(self.groups.services[number])
        key = (number, control, drained, health, tuple(means.tolist()) if in_flight else None)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MEMORY:
                self._known.clear()
            known = self._known[key] = self._make_path(number, control, health, means)
        return known

    def _make_path(self, number: int, control: ServiceControl | None, health: Health, means: Array) -> _Path:
        streams = np.flatnonzero(self.groups.service_of == number)
        ceilings = np.zeros(len(self._plants))
        preferred = np.zeros(len(self._plants), dtype=bool)
        if control is not None:
            for backend in control.backends:
                i = self._names[backend.region]
                ceilings[i] = self._ceiling(control, backend, health[i], float(means[i]))
                preferred[i] = backend.preferred
        regions = np.flatnonzero(ceilings > 0)
        near = self._rtt[np.ix_(streams % max(1, self.groups.clients), regions)]
        order = preference_order(near, preferred[regions])
        shared = control is not None and any(b.weight is not None for b in control.backends)
        shares = ceilings[regions] / ceilings[regions].sum() if shared and len(regions) else None
        return _Path(streams=streams, regions=regions, ceilings=ceilings[regions], order=order, shares=shares)

    def _update_drain(self, t: float, control: ServiceControl, health: Health) -> None:
        drain = self._drains[control.service]
        if not drain.drained and all(passing == total for zones in health for passing, total in zones):
            return  # nobody to drain, nobody to restore
        shares: dict[GroupIndex, float] = {}
        at_zero: set[GroupIndex] = set()
        for backend in control.backends:
            i = self._names[backend.region]
            if self._plants[i].serverless:
                continue  # nobody probes it
            for zone, (passing, total) in enumerate(health[i]):
                shares[i, zone] = passing / total
                if backend.scaler <= 0:
                    at_zero.add((i, zone))
        drain.update(t, shares, frozenset(at_zero), enabled=control.auto_drain)

    def _ceiling(
        self,
        control: ServiceControl,
        backend: BackendControl,
        health: tuple[tuple[int, int], ...],
        mean: float,
    ) -> float:
        """Requests/s that the balancer lets into a region before it looks for another one; in a split the weight."""
        if backend.weight is not None:
            return backend.weight * backend.scaler
        i = self._names[backend.region]
        plant = self._plants[i]
        if plant.serverless:
            return UNBOUNDED if backend.scaler > 0 else 0.0
        target = plant.target if backend.target_rate is None else backend.target_rate
        if backend.target_in_flight is not None:
            target = backend.target_in_flight / mean  # Little's law
        share = np.array([passing / total for passing, total in health])
        kept = health_factor(share, control.failover_threshold)
        kept[[zone for region, zone in self._drains[control.service].drained if region == i]] = 0.0
        sizes = np.array([total for _, total in health]) / plant.endpoints
        return float(target * backend.scaler * (sizes @ kept))

    def send(self, demand: Array) -> tuple[Array, Array, Array]:
        """Where the requests go.

        Args:
            demand: requests/s, steps x streams.

        Returns:
            requests/s by steps x streams x regions; requests/s that reached the balancer, and those for which it
            found no backend, both steps x pairs.
        """
        sent = np.zeros((*demand.shape, len(self._plants)))
        lost = np.zeros_like(demand)
        for path in self._paths:
            if not len(path.streams):
                continue
            own = np.ascontiguousarray(demand[:, path.streams])
            if not len(path.regions):
                lost[:, path.streams] = own
                continue
            if path.shares is not None:
                spread = own[:, :, None] * path.shares
            else:
                spread = waterfall(own, path.ceilings, path.order)
            if spread.shape == sent.shape:  # one service, all streams and regions: nothing to place
                sent = spread
                continue
            sent[:, path.streams[:, None], path.regions[None, :]] = spread
        matrix = self.groups.matrix
        arrived = np.matmul(matrix, demand[:, :, None])[:, :, 0]
        return sent, arrived, np.matmul(matrix, lost[:, :, None])[:, :, 0]


def _services(route: RouteControl) -> tuple[str, ...]:
    copies = () if route.mirror is None else (route.mirror[0],)
    return tuple(filter(None, (route.service, *(name for name, _ in route.others), *copies)))


def with_scaler(control: ServiceControl, region: str, scaler: float) -> ServiceControl:
    """This control with one region's scaler replaced, where the region is a member."""
    backends = tuple(replace(b, scaler=scaler) if b.region == region else b for b in control.backends)
    return replace(control, backends=backends)
