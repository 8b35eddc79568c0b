"""A sandbox ready to serve: the world of a scenario behind the load balancer that a configuration will build in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from spillway.config.backends import STEERABLE, UNPROBED, group_kind
from spillway.config.groups import GroupConfig
from spillway.config.model import Config
from spillway.config.names import group_key
from spillway.core.values.topology import GroupKey
from spillway.errors import PermanentError
from spillway.sandbox import links
from spillway.sandbox.access import Access
from spillway.sandbox.clock import ScaledClock
from spillway.sandbox.links import Key
from spillway.sandbox.monitoring.names import StoreNames
from spillway.sandbox.monitoring.server import serve
from spillway.sandbox.monitoring.world_source import WorldSource
from spillway.sandbox.seeds import SeedGroup, SeedMap
from spillway.sandbox.server import SandboxServer
from spillway.sandbox.world_plant import WorldPlant
from spillway.sandbox.writes import Timing
from spillway.sim.monitoring import MonitoringView
from spillway.sim.scenario_file import load_setup
from spillway.sim.world import World


class _View(MonitoringView):
    """What monitoring shows; the vocabulary of faults has no query that fails, so there are no execution errors."""

    def errors(self, now: float) -> tuple[str, ...]:  # noqa: ARG002 the shape that the source asks for
        """Why answers are incomplete: never."""
        return ()


def stand(
    config: Config | None,
    scenario_file: Path,
    *,
    speed: float,
    http: str,
    grpc: str,
    held: bool = False,
    roles: Mapping[str, Collection[str]] | None = None,
) -> SandboxServer:
    """Put everything together; nothing runs before `start`.

    Args:
        config: whose groups exist from the beginning; without one, every zone of every region of the scenario has a
            zonal NEG called `model`.
        scenario_file: the world.
        speed: world seconds in one real second.
        http: loopback address of Compute and Network Services; port 0 takes a free one.
        grpc: loopback address of Monitoring.
        held: keep the world at its start until `POST /sandbox/v1/clock/release`.
        roles: permissions by the name of a role; a bearer token that names none of them may do everything.

    Raises:
        ConfigError: the scenario has mistakes.
        PermanentError: the configuration has a region that the scenario lacks.
    """
    built = load_setup(scenario_file)
    world = World(built, controls=(), routes=())
    groups = seed_groups(config, world) if config is not None else default_groups(world)
    plant = WorldPlant(world)
    clock = ScaledClock(speed=speed, epoch=world.epoch, held=held)
    host, _, port = http.rpartition(":")
    actuation = built.scenario.actuation
    samples = world.samples
    if samples is None:
        raise PermanentError("a world without samples cannot be monitored")
    access = Access(roles)
    server = SandboxServer(
        plant,
        clock=clock,
        timing=Timing(write_time=actuation.write_time, propagation=actuation.propagation),
        http=(host.strip("[]"), int(port)),
        groups=groups,
        maps=seed_maps(config) if config is not None else (),
        others=others(config) if config is not None else (),
        monitoring=lambda: serve(
            WorldSource(_View(samples), StoreNames(server.store), lock=server.store.lock),
            clock,
            grpc,
            access=access,
        ),
        access=access,
    )
    return server


def others(config: Config) -> list[tuple[Key, dict[str, Any]]]:
    """Whatever else a configuration refers to and does not make: networks, addresses, security policies, services of other projects."""
    topology = config.topology
    backed = topology.services.values()
    wanted = [(service.security_policy, "CLOUD_ARMOR") for service in backed]
    wanted += [(service.edge_security_policy, "CLOUD_ARMOR_EDGE") for service in backed]
    wanted += [(bucket.edge_security_policy, "CLOUD_ARMOR_EDGE") for bucket in topology.buckets.values()]
    found = _networks(config)
    for policy, kind in wanted:
        if policy is not None:
            at = links.parse(policy, config.project) or Key(
                config.project, "global", "securityPolicies", policy
            )
            found.setdefault(at, {"name": at.name, "type": kind})
    for place in topology.address.places:
        if place.existing is not None and (given := links.parse(place.existing, config.project)) is not None:
            found[given] = {"name": given.name, "ipVersion": place.version or "IPV4"}
    for path in topology.references.values():
        if (service := links.parse(path, config.project)) is not None:
            found[service] = {"name": service.name, "loadBalancingScheme": "EXTERNAL_MANAGED"}
    return list(found.items())


def _networks(config: Config) -> dict[Key, dict[str, Any]]:
    """Networks and subnetworks of the groups that are made, such as those of a Shared VPC; a network comes before its subnetworks."""
    networks: dict[Key, dict[str, Any]] = {}
    subnetworks: dict[Key, dict[str, Any]] = {}
    for region in config.topology.regions:
        for create in (group.create for group in _listed(config, region)):
            if create is None:
                continue
            network = _named(config.project, "global", "networks", create.network)
            if network.name != "default":
                networks[network] = {"name": network.name, "autoCreateSubnetworks": False}
            if create.subnetwork is None:
                continue
            subnetwork = _named(config.project, f"regions/{region}", "subnetworks", create.subnetwork)
            if subnetwork.name != "default":
                subnetworks[subnetwork] = {
                    "name": subnetwork.name,
                    "network": network.path,
                    "ipCidrRange": "10.0.0.0/8",
                }
    return {**networks, **subnetworks}


def _named(project: str, scope: str, collection: str, given: str) -> Key:
    """What is given by path, or by its name alone."""
    return links.parse(given, project) or Key(project, scope, collection, given)


def default_groups(world: World) -> list[SeedGroup]:
    """One zonal NEG called `model` in zones a, b, c ... of every region, in project `sandbox`."""
    return [
        SeedGroup(project="sandbox", zone=f"{plant.name}-{chr(ord('a') + i)}", name="model", endpoints=size)
        for plant in world.setup.regions
        for i, size in enumerate(plant.zone_sizes())
    ]


def seed_groups(config: Config, world: World) -> list[SeedGroup]:
    """The groups that a configuration refers to or makes, with the scenario's endpoints spread evenly over them.

    Raises:
        PermanentError: a region has no counterpart in the scenario.
    """
    plants = {plant.name: plant for plant in world.setup.regions}
    missing = sorted(set(config.topology.regions) - set(plants))
    if missing:
        raise PermanentError(
            f"the configuration has {', '.join(missing)}, which the scenario {world.setup.scenario.scenario!r} does not simulate.",
            remedy="Add the region to the scenario, or take it out of topology.regions.",
        )
    found = []
    for region in config.topology.regions:
        listed = _listed(config, region)
        zonal = [group for group in listed if group_kind(group) in STEERABLE]
        endpoints = plants[region].endpoints
        for i, group in enumerate(zonal):
            size = endpoints // len(zonal) + (i < endpoints % len(zonal))
            found.append(_seed(config, region, group, size))
        found += [_seed(config, region, group, 0) for group in listed if group_kind(group) in UNPROBED]
    return found


def seed_maps(config: Config) -> list[SeedMap]:
    """The certificate maps of its project that a configuration names, with an entry for every host of its routes."""
    topology = config.topology
    hosts = {host for route in topology.routes for host in route.hosts if host != "*"}
    names = {}
    for https in topology.frontends.secure:
        key = links.parse(https.certificates.map or "", config.project)
        name = https.certificates.map if key is None else key.name
        if name is not None and (key is None or key.project == config.project):
            names[name] = SeedMap(project=config.project, name=name, hosts=tuple(sorted(hosts)))
    return list(names.values())


def _listed(config: Config, region: str) -> list[GroupConfig]:
    """The groups of a region, each once: its own, and those that single services bring."""
    lists = [config.topology.regions[region].groups]
    lists += [
        service.backends[region].groups or ()
        for service in config.topology.services.values()
        if region in service.backends
    ]
    found: dict[GroupKey, GroupConfig] = {}
    for group in (group for groups in lists for group in groups):
        key = group_key(region, group)
        if key not in found or group.create is not None:
            found[key] = group
    return list(found.values())


def _seed(config: Config, region: str, group: GroupConfig, endpoints: int) -> SeedGroup:
    key = group_key(region, group)
    kind = group_kind(group)
    port = group.create.port if group.create is not None and group.create.port is not None else 8080
    named = next(iter(group.create.named_ports), "http") if group.create is not None else "http"
    return SeedGroup(
        project=config.project,
        zone=key.scope,
        name=key.name,
        kind=kind.value if kind is not None else "neg",
        endpoints=endpoints,
        port=port,
        port_name=named,
        made_by_program=group.create is not None,
    )
