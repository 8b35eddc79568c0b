"""Between the resources and the world: every change of a lever reaches the world, every outside edit the resources.

The world's requests are POSTs without headers and query, so a route that asks for such takes none of them. What the balancer
answers itself (redirects) and what a bucket answers is no load of the world.
"""

from __future__ import annotations

import logging
from typing import Any

from spillway.sandbox import links, routing
from spillway.sandbox.balancing import service_control
from spillway.sandbox.links import Key
from spillway.sandbox.plant import OutsideEdit, Plant
from spillway.sandbox.refusals import Refusal
from spillway.sandbox.store import Store
from spillway.sim.control import RouteControl, ServiceControl

_log = logging.getLogger(__name__)

_Known = tuple[int, int, int, ServiceControl, dict[str, Any], dict[str, Any] | None]
"""Identities of service and policy, count of membership changes, the control, and the two themselves, so that no
identity is used twice. Every write replaces the object that it changes."""


class Bridge:
    """Keeps the world told. Callers hold the store's lock, or are the only ones."""

    def __init__(self, store: Store, plant: Plant, *, propagation: float) -> None:
        """Bind the parts; `propagation` is in world seconds and applies to outside edits."""
        self._store = store
        self._plant = plant
        self._propagation = propagation
        self._known: dict[Key, _Known] = {}
        self._told: dict[str, ServiceControl] = {}
        self._routes: tuple[RouteControl, ...] = ()
        self._edited_until = 0.0

    def publish(self, at: float) -> None:
        """Tell the world what has changed since the last time, effective at this world time."""
        with self._store.lock:
            wanted = self._controls()
            for name, control in wanted.items():
                if self._told.get(name) != control:
                    self._plant.apply(control, at)
            for name in self._told.keys() - wanted.keys():
                self._plant.apply(ServiceControl(service=name, backends=()), at)
            self._told = wanted
            routes = self.routes()
            if routes != self._routes:
                self._plant.route(routes, at)
                self._routes = routes

    def _controls(self) -> dict[str, ServiceControl]:
        """What each service amounts to, worked out anew only where something that it depends on was written."""
        policies = {key.path: policy for key, policy in self._store.all_of("serviceLbPolicies")}
        known, self._known = self._known, {}
        for key, service in self._store.all_of("backendServices"):
            policy = policies.get(service.get("serviceLbPolicy", ""))
            last = known.get(key)
            if last is None or last[:2] != (id(service), id(policy)) or last[2] != self._store.memberships:
                control = service_control(key.name, service, policy, self._store.count)
                last = (id(service), id(policy), self._store.memberships, control, service, policy)
            self._known[key] = last
        return {key.name: entry[3] for key, entry in self._known.items()}

    def routes(self) -> tuple[RouteControl, ...]:
        """The table of hosts, paths and services that the forwarding rules amount to; redirects and buckets lead nowhere."""
        maps: dict[str, dict[str, Any]] = {}
        for _, rule in self._store.all_of("forwardingRules"):
            proxy = self._store.find(rule["target"]) or {}
            url_map = self._store.find(proxy.get("urlMap", ""))
            if url_map is not None:
                maps[proxy["urlMap"]] = url_map
        found: dict[RouteControl, None] = {}
        for _, url_map in sorted(maps.items()):
            for route in routing.table(url_map):
                if route.fits(_PLAIN):
                    found[_control(route)] = None
        return tuple(found)

    def carry_out_edits(self, until: float) -> int:
        """Set what somebody else sets up to this world time, and return how many services were changed.

        The edit changes the fingerprint at once, as any write does, and reaches the world after propagation.
        """
        edits = self._plant.outside_edits(self._edited_until, until)
        self._edited_until = max(until, self._edited_until)
        return sum(self._edit(edit) for edit in edits)

    def _edit(self, edit: OutsideEdit) -> int:
        changed = 0
        with self._store.lock:
            for key, service in self._store.all_of("backendServices"):
                if edit.service not in {None, key.name}:
                    continue
                backends = service.get("backends", [])
                edited = [
                    {**backend, "capacityScaler": edit.scaler} if _in(backend, edit.region) else backend
                    for backend in backends
                ]
                if edited == backends:
                    continue
                try:
                    self._store.patch(key, {"backends": edited})
                except Refusal as refusal:
                    _log.info("an outside edit of %s was refused: %s", key.path, refusal)
                    continue
                changed += 1
            if changed:
                self.publish(edit.at + self._propagation)
        return changed


_PLAIN = routing.Request(host="", path="/", method="POST")
"""What the world's requests are beside host and path."""


def _control(route: routing.Route) -> RouteControl:
    """A route as the world knows it."""
    shares = {name: share for path, share in route.shares.items() if (name := _service(path))}
    first, *others = shares.items() if shares else (("", 1.0),)
    mirror = route.mirror
    copied = _service(mirror[0]) if mirror is not None else ""
    return RouteControl(
        host=route.host,
        path=route.path,
        service=first[0],
        others=tuple(others),
        mirror=(copied, mirror[1]) if mirror is not None and copied else None,
    )


def _service(path: str) -> str:
    """The name of a backend service from its path; empty for a bucket."""
    key = links.parse(path, "")
    return key.name if key is not None and key.collection == "backendServices" else ""


def _in(backend: dict[str, Any], region: str) -> bool:
    key = links.parse(backend["group"], "")
    return key is not None and key.region == region
