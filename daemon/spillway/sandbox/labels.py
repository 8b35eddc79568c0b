"""What things are called in the load balancer as it stands: the labels of its metrics, read from the resources."""

from __future__ import annotations

from spillway.sandbox import links
from spillway.sandbox.monitoring.world_source import FrontLabels, GroupLabels
from spillway.sandbox.store import Store

_NO_FRONT = FrontLabels(url_map="UNKNOWN", forwarding_rule="UNKNOWN", target_proxy="UNKNOWN")
_TYPES = {"instanceGroups": "INSTANCE_GROUP", "networkEndpointGroups": "NETWORK_ENDPOINT_GROUP"}


class StoreNames:
    """Implements the `Names` of `monitoring.world_source` over the resource store. Callers hold the store's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fronts: dict[str, FrontLabels] = {}
        self._groups: dict[tuple[str, str], list[GroupLabels]] = {}

    def refresh(self) -> None:
        """Read rules, maps and services again."""
        self._groups = {}
        for key, service in self._store.all_of("backendServices"):
            for backend in service.get("backends", []):
                group = links.parse(backend["group"], "")
                if group is not None:
                    label = GroupLabels(
                        name=group.name,
                        scope=group.scope.rpartition("/")[2],
                        type=_TYPES.get(group.collection, "UNKNOWN"),
                    )
                    self._groups.setdefault((key.name, group.region or ""), []).append(label)
        self._fronts = {}
        for key, rule in self._store.all_of("forwardingRules"):
            proxy_key = links.parse(rule["target"], "")
            proxy = self._store.find(rule["target"]) or {}
            url_map = links.parse(proxy.get("urlMap", ""), "")
            if proxy_key is None or url_map is None:
                continue
            front = FrontLabels(url_map=url_map.name, forwarding_rule=key.name, target_proxy=proxy_key.name)
            for name in {group[0] for group in self._groups}:
                self._fronts.setdefault(name, front)

    def front(self, service: str) -> FrontLabels:
        """The way to a service."""
        return self._fronts.get(service, _NO_FRONT)

    def group(self, service: str, region: str, zone: int) -> GroupLabels | None:
        """The group in a zone of a region: the world counts zones in the order in which the groups are attached."""
        groups = self._groups.get((service, region), [])
        return groups[zone % len(groups)] if groups else None
