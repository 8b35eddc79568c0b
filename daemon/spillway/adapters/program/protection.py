"""Cloud Armor policies, Identity-Aware Proxy and TLS to endpoints, as a backend service refers to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spillway.adapters.program.kept import declare
from spillway.config import names
from spillway.errors import PermanentError

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.model import Config
    from spillway.config.protection import IapConfig, RateLimitConfig, TlsSettingsConfig
    from spillway.config.services import ServiceConfig

_LIMIT_PRIORITY = 1000
_LAST_PRIORITY = 2147483647
"""Every policy ends with a rule of this priority that matches all (discovery: SecurityPolicy.rules)."""


def protection(config: Config, name: str, given: ServiceConfig, kept: Kept) -> dict[str, Any]:
    """The arguments of a backend service that say who may reach it and how endpoints are proven; only those that are given."""
    found: dict[str, Any] = {}
    if given.rate_limit is not None:
        found["security_policy"] = _rate_policy(config, name, given.rate_limit, kept)
    elif given.security_policy is not None:
        found["security_policy"] = policy_path(config, given.security_policy)
    if given.edge_security_policy is not None:
        found["edge_security_policy"] = policy_path(config, given.edge_security_policy)
    if given.iap is not None:
        found["iap"] = _iap(given.iap)
    if given.tls_settings is not None:
        found["tls_settings"] = _tls(config, given.tls_settings)
    return found


def policy_path(config: Config, policy: str) -> str:
    """The path of a security policy that stands, given by name or URL."""
    if "/" in policy:
        return policy[policy.index("projects/") :]
    return f"projects/{config.project}/global/securityPolicies/{policy}"


def _rate_policy(config: Config, service: str, limit: RateLimitConfig, kept: Kept) -> pulumi.Output[str]:
    """Declare a policy with one throttle rule and the rule that lets all others through; its id."""
    from spillway.adapters.program.sdk import compute

    everyone = compute.SecurityPolicyRuleMatchArgs(
        versioned_expr="SRC_IPS_V1",
        config=compute.SecurityPolicyRuleMatchConfigArgs(src_ip_ranges=["*"]),
    )
    name = names.security_policy(config.name, service)
    labels: dict[str, Any] = {"labels": dict(config.topology.labels)} if config.topology.labels else {}
    resource = declare(
        compute.SecurityPolicy,
        name,
        kept,
        name=name,
        project=config.project,
        type="CLOUD_ARMOR",
        rules=[
            compute.SecurityPolicyRuleArgs(
                action="throttle",
                priority=_LIMIT_PRIORITY,
                preview=limit.preview,
                match=everyone,
                rate_limit_options=compute.SecurityPolicyRuleRateLimitOptionsArgs(
                    conform_action="allow",
                    exceed_action=f"deny({limit.status})",
                    enforce_on_key=limit.key,
                    enforce_on_key_name=limit.key_name,
                    rate_limit_threshold=compute.SecurityPolicyRuleRateLimitOptionsRateLimitThresholdArgs(
                        count=limit.requests, interval_sec=round(limit.interval)
                    ),
                ),
            ),
            compute.SecurityPolicyRuleArgs(
                action="allow", priority=_LAST_PRIORITY, match=everyone, preview=False
            ),
        ],
        **labels,
    )
    result: pulumi.Output[str] = resource.id
    return result


def _iap(given: IapConfig) -> Any:
    import pulumi

    from spillway.adapters.program.sdk import compute

    if given.oauth2_client_id is None or given.oauth2_client_secret_file is None:
        return compute.BackendServiceIapArgs(enabled=given.enabled)
    return compute.BackendServiceIapArgs(
        enabled=given.enabled,
        oauth2_client_id=given.oauth2_client_id,
        oauth2_client_secret=pulumi.Output.secret(secret(given.oauth2_client_secret_file)),
    )


def secret(file: str) -> str:
    """What a file with a secret holds, without white space around it.

    Raises:
        PermanentError: it cannot be read; the text is in no message.
    """
    try:
        return Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise PermanentError(
            f"the secret in {file} cannot be read",
            remedy="Give a file that the daemon's user may read and that holds one line of text.",
        ) from None


def _tls(config: Config, given: TlsSettingsConfig) -> Any:
    from spillway.adapters.program.sdk import compute

    wanted: dict[str, Any] = {
        "sni": given.sni,
        "authentication_config": _authentication(config, given.authentication_config),
        "subject_alt_names": [
            compute.BackendServiceTlsSettingsSubjectAltNameArgs(
                **{"uniform_resource_identifier" if "://" in name else "dns_name": name}
            )
            for name in given.subject_alt_names
        ]
        or None,
    }
    return compute.BackendServiceTlsSettingsArgs(**wanted)


def _authentication(config: Config, name: str | None) -> str | None:
    if name is None or name.startswith("//"):
        return name
    return (
        f"//networksecurity.googleapis.com/projects/{config.project}/locations/global/"
        f"backendAuthenticationConfigs/{name}"
    )
