"""Labels from the load balancer as it stands: URL map, forwarding rule, proxy, group and zone of each service."""

from __future__ import annotations

from typing import Any, Protocol

from spillway.sandbox import links, routing
from spillway.sandbox.links import Key
from spillway.sandbox.monitoring.world_source import FrontLabels, GroupLabels

_KINDS = {
    "networkEndpointGroups": "NETWORK_ENDPOINT_GROUP",
    "instanceGroups": "INSTANCE_GROUP",
}
_NO_FRONT = FrontLabels(url_map="UNKNOWN", forwarding_rule="UNKNOWN", target_proxy="UNKNOWN")


class Resources(Protocol):
    """What is asked of the sandbox's store."""

    def find(self, path: str) -> dict[str, Any] | None:
        """The resource of this relative name, or None."""
        ...

    def all_of(self, collection: str) -> list[tuple[Key, dict[str, Any]]]:
        """All resources of a collection."""
        ...

    def has_project(self, project: str) -> bool:
        """Whether a project has any resource."""
        ...


class StoreNames:
    """Implements `Names` over the store. Callers hold the store's lock, or are the only ones.

    What has been attached once keeps its name: the series of a group that left linger until their points
    expire (reference: LAT).
    """

    def __init__(self, store: Resources) -> None:
        self._store = store
        self._fronts: dict[str, FrontLabels] = {}
        self._groups: dict[tuple[str, str], tuple[GroupLabels, ...]] = {}

    def refresh(self) -> None:
        """Read the load balancer anew; call it before each answer."""
        for _, rule in self._store.all_of("forwardingRules"):
            proxy = self._store.find(rule.get("target", "")) or {}
            url_map = self._store.find(proxy.get("urlMap", "")) or {}
            if "name" not in url_map:
                continue
            for path in routing.services_of(url_map):
                self._fronts[path.rpartition("/")[2]] = FrontLabels(
                    url_map=url_map["name"],
                    forwarding_rule=rule["name"],
                    target_proxy=proxy["name"],
                    scheme=rule.get("loadBalancingScheme", "EXTERNAL_MANAGED"),
                )
        for key, service in self._store.all_of("backendServices"):
            by_region: dict[str, list[GroupLabels]] = {}
            for backend in service.get("backends", []):
                group = links.parse(backend["group"], key.project)
                if group is not None and group.region is not None:
                    by_region.setdefault(group.region, []).append(_labels(group))
            for region, groups in by_region.items():
                self._groups[key.name, region] = tuple(sorted(groups, key=lambda g: (g.scope, g.name)))

    def has_project(self, project: str) -> bool:
        """Whether a project has any resource."""
        return self._store.has_project(project)

    def front(self, service: str) -> FrontLabels:
        """The way to a service; special values where no rule leads there."""
        return self._fronts.get(service, _NO_FRONT)

    def group(self, service: str, region: str, zone: int) -> GroupLabels | None:
        """The group in the zone of that index, zones in the order of their names; fewer groups share all zones."""
        groups = self._groups.get((service, region))
        return groups[zone % len(groups)] if groups else None


def _labels(group: Key) -> GroupLabels:
    """How Cloud Monitoring calls a group."""
    family, _, place = group.scope.partition("/")
    return GroupLabels(
        name=group.name,
        scope=place,
        type=_KINDS.get(group.collection, "UNKNOWN"),
        scope_type="ZONE" if family == "zones" else "REGION",
    )
