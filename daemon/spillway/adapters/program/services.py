"""Backend services, and the service LB policy of each: what the failover posture sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spillway.adapters.program.affinity import affinity
from spillway.adapters.program.backends import backends
from spillway.adapters.program.caching import service_cdn, service_keys
from spillway.adapters.program.checks import whole_seconds
from spillway.adapters.program.kept import declare
from spillway.adapters.program.protection import protection
from spillway.config import names
from spillway.config.backends import (
    GOOGLES_PORT_NAME,
    GOOGLES_TIMEOUT,
    INSTANCE_GROUPS,
    GroupKind,
    members,
    takes_policy,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pulumi

    from spillway.adapters.program.groups import Groups
    from spillway.adapters.program.kept import Kept
    from spillway.config.model import Config
    from spillway.config.services import OutlierDetectionConfig, ServiceConfig
    from spillway.core.values.overlay import ServiceSetting
    from spillway.core.values.policy import PostureSet

_SPOKEN = {
    "outlier_detection": "outlierDetection",
    "log_config": "logConfig.sampleRate",
    "consistent_hash": "consistentHash.httpCookie.ttl",
    "strong_session_affinity_cookie": "strongSessionAffinityCookie.ttl",
}
"""Paths that are ours although nothing may stand there, by the argument in which they lie."""
SCHEME = "EXTERNAL_MANAGED"
"""The global external Application Load Balancer. Always set, on rule and service alike: the provider's default changed."""


_LOG_MODES = {"NONE": "EXCLUDE_ALL_OPTIONAL", "ALL": "INCLUDE_ALL_OPTIONAL"}


def service(
    config: Config,
    groups: Groups,
    checks: Mapping[str, pulumi.Output[str]],
    setting: ServiceSetting,
    kept: Kept,
) -> pulumi.Output[str]:
    """Declare one backend service with its policy; its id.

    The port name of instance groups is given in so many words: to the provider a missing one means that what stands
    is kept, and a name taken out of the configuration would stay. So is the timeout of serverless groups, for which
    Google takes no other than its own.
    """
    from spillway.adapters.program.sdk import compute

    given = config.topology.services[setting.service]
    posture: PostureSet = getattr(config.policies[given.policy].postures, setting.posture.value)
    attached, made = backends(config, groups, setting, kept)
    kinds = {kind for member in members(given, config.topology.regions) for kind in member.kinds}
    serverless = GroupKind.SERVERLESS_NEG in kinds
    name = names.backend_service(config.naming, setting.service)
    said: dict[str, Any] = {
        "port_name": given.port_name or (GOOGLES_PORT_NAME if kinds & INSTANCE_GROUPS else None),
        "log_config": _log(given),
        "outlier_detection": _outlier_detection(given.outlier_detection, posture, serverless=serverless),
    }
    policy: dict[str, Any] = {}
    if given.lb_policy != "keep":
        policy["service_lb_policy"] = _policy(config, given, setting, kept)
    resource = declare(
        compute.BackendService,
        name,
        kept,
        spoken=tuple(path for argument, path in _SPOKEN.items() if argument not in given.leave),
        depends_on=made,
        extra=given.extra,
        name=name,
        project=config.project,
        load_balancing_scheme=SCHEME,
        protocol=given.protocol,
        timeout_sec=GOOGLES_TIMEOUT if serverless else whole_seconds(given.timeout),
        connection_draining_timeout_sec=round(given.draining),
        health_checks=None if given.health_check is None else checks[given.health_check],
        backends=attached,
        **{argument: value for argument, value in said.items() if argument not in given.leave},
        **policy,
        **affinity(given),
        **protection(config, setting.service, given, kept),
        **service_cdn(given.cdn),
        **_finer(given),
    )
    service_keys(config, name, resource, given, kept)
    result: pulumi.Output[str] = resource.id
    return result


def _policy(
    config: Config, given: ServiceConfig, setting: ServiceSetting, kept: Kept
) -> pulumi.Output[str] | None:
    """The service LB policy; None where the configuration wants none, or Google takes none (SLP)."""
    import pulumi

    from spillway.adapters.program.sdk import networkservices

    if given.lb_policy != "made" or not takes_policy(members(given, config.topology.regions)):
        return None
    posture: PostureSet = getattr(config.policies[given.policy].postures, setting.posture.value)
    drain = networkservices.ServiceLbPoliciesAutoCapacityDrainArgs(enable=True)
    name = names.service_lb_policy(config.naming, setting.service)
    labels: dict[str, Any] = {"labels": dict(config.topology.labels)} if config.topology.labels else {}
    resource = declare(
        networkservices.ServiceLbPolicies,
        name,
        kept,
        name=name,
        project=config.project,
        location="global",
        **labels,
        load_balancing_algorithm=given.algorithm,
        # Not with `enable=False`: the API leaves out what is false, and every plan would want to add it again.
        auto_capacity_drain=drain if posture.auto_drain else None,
        failover_config=networkservices.ServiceLbPoliciesFailoverConfigArgs(
            failover_health_threshold=posture.failover_threshold
        ),
    )
    return pulumi.Output.concat("//networkservices.googleapis.com/", resource.id)


def _log(given: ServiceConfig) -> Any:
    """Logging, on or off in so many words: to the provider a missing block means that what stands is kept."""
    from spillway.adapters.program.sdk import compute

    if given.log_sample_rate <= 0:
        return compute.BackendServiceLogConfigArgs(enable=False)
    fields: dict[str, Any] = {}
    if isinstance(given.log_fields, tuple):
        fields = {"optional_mode": "CUSTOM", "optional_fields": list(given.log_fields)}
    elif given.log_fields is not None:
        fields = {"optional_mode": _LOG_MODES[given.log_fields]}
    return compute.BackendServiceLogConfigArgs(enable=True, sample_rate=given.log_sample_rate, **fields)


def _finer(given: ServiceConfig) -> dict[str, Any]:
    """Settings that are ours only where the config gives them."""
    found: dict[str, Any] = {}
    if given.compression is not None:
        found["compression_mode"] = given.compression
    if given.custom_request_headers:
        found["custom_request_headers"] = list(given.custom_request_headers)
    if given.custom_response_headers:
        found["custom_response_headers"] = list(given.custom_response_headers)
    return found


def _outlier_detection(given: OutlierDetectionConfig | None, posture: PostureSet, *, serverless: bool) -> Any:
    """Ejection of single endpoints, at most the posture's share of them; nothing where either turns it off.

    Every field is set: the provider's documented defaults are older than the API's (py:OutlierDetection), and
    what is left out would show as a difference after the next refresh. Those of the success rate are the API's
    defaults; serverless groups have no success rate, and Google refuses its settings there (gcp.md 2.4).
    """
    from spillway.adapters.program.sdk import compute

    if given is None or posture.outlier_ejection == 0:
        return None
    success_rate = {
        "enforcing_success_rate": 100,
        "success_rate_minimum_hosts": 5,
        "success_rate_request_volume": 100,
        "success_rate_stdev_factor": 1900,
    }
    return compute.BackendServiceOutlierDetectionArgs(
        consecutive_errors=given.consecutive_errors,
        consecutive_gateway_failure=given.consecutive_gateway_failures,
        enforcing_consecutive_errors=100,
        enforcing_consecutive_gateway_failure=100,
        max_ejection_percent=posture.outlier_ejection,
        interval=compute.BackendServiceOutlierDetectionIntervalArgs(**_span(given.interval)),
        base_ejection_time=compute.BackendServiceOutlierDetectionBaseEjectionTimeArgs(
            **_span(given.base_ejection)
        ),
        **({} if serverless else success_rate),
    )


def _span(seconds: float) -> dict[str, int]:
    whole = int(seconds)
    nanos = round((seconds - whole) * 1_000_000_000)
    return {"seconds": whole, "nanos": nanos} if nanos else {"seconds": whole}
