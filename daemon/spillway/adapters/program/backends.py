"""The backends of one service: every zonal group of every member region, with the region's target and ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import Props, group_path
from spillway.adapters.program.provider_fields import keywords
from spillway.config import names
from spillway.config.backends import members
from spillway.core.values.topology import Preference

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.groups import Groups
    from spillway.adapters.program.kept import Kept
    from spillway.config.backends import Member
    from spillway.config.balancing import BalancingConfig
    from spillway.config.model import Config
    from spillway.core.values.overlay import BackendSetting, ServiceSetting


def backends(
    config: Config, groups: Groups, setting: ServiceSetting, kept: Kept
) -> tuple[list[Any], list[pulumi.Resource]]:
    """The backends of all members, and the groups made here that the service must wait for.

    A region outside the membership contributes nothing; its groups, where Spillway makes them, stay. Groups that
    somebody else has attached stay attached as they are.
    """
    from spillway.adapters.program.sdk import compute

    name = names.backend_service(config.name, setting.service)
    given = {m.region: m for m in members(config.topology.services[setting.service], config.topology.regions)}
    arguments: list[Any] = []
    made: list[pulumi.Resource] = []
    for backend in setting.backends:
        member = given[backend.region]
        for group_config in member.groups:
            group = groups.group(backend.region, group_config)
            if not backend.member:
                continue
            if group.resource is not None:
                made.append(group.resource)
            found = kept.targets.get((name, group_path(group.url)))
            arguments.append(_backend(group.url, member, backend, found))
    foreign = kept.groups.get(name, ())
    arguments += [
        compute.BackendServiceBackendArgs(**keywords(compute.BackendServiceBackendArgs, backend))
        for backend in foreign
    ]
    return arguments, made


def _backend(
    url: str,
    member: Member,
    setting: BackendSetting,
    found: Props | None,
) -> Any:
    """One backend; `found` takes the place of the configured target where somebody else has set another one.

    Regional instance groups get no preference: Google takes none for them (SLP).
    """
    from spillway.adapters.program.sdk import compute

    balancing = member.balancing
    if balancing is None or not member.steerable:
        return compute.BackendServiceBackendArgs(group=url)
    wanted = {
        "balancing_mode": balancing.mode,
        "description": _unhashed(balancing, setting),
        **_target(balancing),
    }
    if found is not None:
        wanted = keywords(compute.BackendServiceBackendArgs, found)
    return compute.BackendServiceBackendArgs(
        **{
            **wanted,
            "group": url,
            "capacity_scaler": setting.scaler,
            **({"preference": setting.preference.value} if member.preferable else {}),
        }
    )


def _unhashed(balancing: BalancingConfig, setting: BackendSetting) -> str | None:
    """What the provider does not see change, in words; None where it sees all.

    It keeps backends as a set and finds changes by a hash that leaves out preference, limits in flight, custom
    metrics and traffic duration (gcp.md 3.1): a change of these alone would be planned as nothing and never sent.
    The description is in the hash, and so it carries them; people read it in the console besides.
    """
    parts = [
        f"{limit} in flight{of}"
        for limit, of in (
            (balancing.max_in_flight, ""),
            (balancing.max_in_flight_per_instance, " per instance"),
            (balancing.max_in_flight_per_endpoint, " per endpoint"),
        )
        if limit is not None
    ]
    if not parts and balancing.traffic_duration is not None:
        parts.append(f"{balancing.traffic_duration} requests")
    for metric in balancing.custom_metrics:
        trial = " in dry run" if metric.dry_run else ""
        parts.append(f"custom metric {metric.name} up to {metric.max_utilization:g}{trial}")
    if setting.preference is not Preference.DEFAULT:
        parts.append(setting.preference.value)
    return ", ".join(parts) or None


def _target(balancing: BalancingConfig) -> dict[str, Any]:
    """The target at scaler 1 in the provider's words; what is not given is not sent."""
    from spillway.adapters.program.sdk import compute

    in_flight = {
        "max_in_flight_requests": balancing.max_in_flight,
        "max_in_flight_requests_per_instance": balancing.max_in_flight_per_instance,
        "max_in_flight_requests_per_endpoint": balancing.max_in_flight_per_endpoint,
    }
    target: dict[str, Any] = {
        "max_rate": None if balancing.max_rate is None else int(balancing.max_rate),
        "max_rate_per_instance": balancing.max_rate_per_instance,
        "max_rate_per_endpoint": balancing.max_rate_per_endpoint,
        "max_utilization": balancing.max_utilization,
        **in_flight,
    }
    # Limits in flight are for requests longer than a second and demand LONG (py:Backend.TrafficDuration, BS).
    long = any(value is not None for value in in_flight.values())
    target["traffic_duration"] = balancing.traffic_duration or ("LONG" if long else None)
    if balancing.custom_metrics:
        target["custom_metrics"] = [
            compute.BackendServiceBackendCustomMetricArgs(
                name=metric.name, max_utilization=metric.max_utilization, dry_run=metric.dry_run
            )
            for metric in balancing.custom_metrics
        ]
    return {key: value for key, value in target.items() if value is not None}
