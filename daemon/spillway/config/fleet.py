"""From the configuration to the core's plain values: the fleet, and the overlay of the first start."""

from __future__ import annotations

from dataclasses import replace

from spillway.config.backends import Member, members, takes_policy
from spillway.config.balancing import BalancingConfig
from spillway.config.model import Config
from spillway.config.names import backend_service, group_key, url_map
from spillway.config.services import ServiceConfig
from spillway.config.splits import SteeredSplit, steered_splits
from spillway.core.values.overlay import Overlay, initial_overlay
from spillway.core.values.topology import Backend, BalancingMode, Fleet, Service, Target


def fleet(config: Config) -> Fleet:
    """All services of a checked configuration, as the core sees them; sorted by name, backends by region.

    A steered split stands for its services: these are steered by their weights in it, and in no other way.
    """
    topology = config.topology
    splits = steered_splits(topology)
    parts = {part.service for split in splits for part in split.parts}
    services = [
        _service(config, name, topology.services[name]) for name in topology.services if name not in parts
    ]
    services += [_split(config, split) for split in splits]
    return Fleet(services=tuple(sorted(services, key=lambda service: service.name)))


def starting_overlay(config: Config) -> Overlay:
    """What is wanted before the first decision: `core.values.overlay.initial_overlay`, with the configured scalers.

    A standby backend stays outside at 0, whatever scaler it is given: that one is for the day it joins.
    """
    overlay = initial_overlay(fleet(config))
    for setting in overlay.services:
        if setting.service not in config.topology.services:
            continue  # a split begins with the weights of the configuration
        given = {
            m.region: m for m in members(config.topology.services[setting.service], config.topology.regions)
        }
        overlay = overlay.with_service(
            replace(
                setting,
                backends=tuple(
                    replace(backend, scaler=given[backend.region].scaler) if backend.member else backend
                    for backend in setting.backends
                ),
            )
        )
    return overlay


def _service(config: Config, name: str, service: ServiceConfig) -> Service:
    given = members(service, config.topology.regions)
    return Service(
        name=name,
        resource=backend_service(config.naming, name),
        policy=service.policy,
        backends=tuple(_backend(name, member) for member in given),
        home=service.home,
        has_policy=takes_policy(given) and service.lb_policy == "made",
    )


def _split(config: Config, split: SteeredSplit) -> Service:
    return Service(
        name=split.name,
        resource=f"{url_map(config.naming)}/{split.matcher}",
        policy=split.policy,
        backends=tuple(
            replace(
                _backend(split.name, part.member),
                weight=float(part.weight),
                least_scaler=part.least_scaler,
                resource=backend_service(config.naming, part.service),
            )
            for part in split.parts
        ),
        has_policy=False,
    )


def _backend(service: str, member: Member) -> Backend:
    return Backend(
        service=service,
        region=member.region,
        groups=tuple(group_key(member.region, group) for group in member.groups),
        target=target(member.balancing),
        preference=member.preference,
        cost=member.cost,
        standby=member.standby,
        movable=member.steerable or member.attachable,
        has_scaler=not member.attachable,
        latitude=member.latitude,
        longitude=member.longitude,
    )


def target(balancing: BalancingConfig | None) -> Target:
    """A target in the core's words; one without figures for groups that have none (serverless, internet)."""
    if balancing is None:
        return Target(mode=BalancingMode.RATE)
    mode = BalancingMode(balancing.mode)
    rates = (balancing.max_rate_per_endpoint, balancing.max_rate_per_instance, balancing.max_rate)
    in_flight = (
        balancing.max_in_flight_per_endpoint,
        balancing.max_in_flight_per_instance,
        balancing.max_in_flight,
    )
    per_endpoint, per_instance, per_group = in_flight if mode is BalancingMode.IN_FLIGHT else rates
    limits = [metric.max_utilization for metric in balancing.custom_metrics if not metric.dry_run]
    return Target(
        mode=mode,
        per_endpoint=per_endpoint if per_endpoint is not None else per_instance,
        per_group=per_group,
        max_utilization=min(limits)
        if mode is BalancingMode.CUSTOM_METRICS and limits
        else balancing.max_utilization,
    )
