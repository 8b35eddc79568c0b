"""What clients connect to: the reserved address, a proxy and a forwarding rule for each of HTTP and HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spillway.adapters.program.certificates import certificates, ssl_policy
from spillway.adapters.program.kept import declare
from spillway.adapters.program.routes import redirect_map
from spillway.adapters.program.services import SCHEME
from spillway.config import names

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.frontends import HttpsConfig
    from spillway.config.model import Config

LABELS = {"managed-by": "spillway"}


def frontends(config: Config, url_map: pulumi.Output[str], kept: Kept) -> pulumi.Output[str]:
    """Declare address, proxies and rules; the address as clients write it."""
    address = _address(config, kept)
    rules = []
    given = config.topology.frontends
    if given.http is not None:
        target = redirect_map(config, kept) if given.http.redirect_to_https else url_map
        proxy = _http_proxy(config, target, kept)
        rules.append(_rule(config, "http", given.http.port, kept, address=address, target=proxy))
    if given.https is not None:
        proxy = _https_proxy(config, given.https, url_map, kept)
        rules.append(_rule(config, "https", given.https.port, kept, address=address, target=proxy))
    existing = config.topology.address.existing
    if existing is not None and "/" in existing:
        # A reserved address that is given by its URL: the rule knows the number behind it.
        result: pulumi.Output[str] = rules[0].ip_address
        return result
    return address


def _address(config: Config, kept: Kept) -> pulumi.Output[str]:
    import pulumi

    from spillway.adapters.program.sdk import compute

    given = config.topology.address
    if given.existing is not None:
        return pulumi.Output.from_input(given.existing)
    name = given.name or names.address(config.naming)
    resource = declare(
        compute.GlobalAddress,
        name,
        kept,
        extra=given.extra,
        name=name,
        project=config.project,
        ip_version=given.ip_version,
        **_labels(config.names.address),
    )
    result: pulumi.Output[str] = resource.address
    return result


def _http_proxy(config: Config, url_map: pulumi.Output[str], kept: Kept) -> pulumi.Output[str]:
    from spillway.adapters.program.sdk import compute

    name = names.proxy(config.naming, "http")
    resource = declare(
        compute.TargetHttpProxy, name, kept, name=name, project=config.project, url_map=url_map
    )
    result: pulumi.Output[str] = resource.id
    return result


def _https_proxy(
    config: Config, https: HttpsConfig, url_map: pulumi.Output[str], kept: Kept
) -> pulumi.Output[str]:
    from spillway.adapters.program.sdk import compute

    name = names.proxy(config.naming, "https")
    resource = declare(
        compute.TargetHttpsProxy,
        name,
        kept,
        name=name,
        project=config.project,
        url_map=url_map,
        quic_override=https.quic,
        ssl_policy=ssl_policy(config, https, kept),
        **certificates(config, https, kept),
    )
    result: pulumi.Output[str] = resource.id
    return result


def _rule(
    config: Config,
    protocol: str,
    port: int,
    kept: Kept,
    *,
    address: pulumi.Output[str],
    target: pulumi.Output[str],
) -> Any:
    """One rule listens on one port: a range such as `80-443` would take 364 of them (gcp.md 3.1)."""
    from spillway.adapters.program.sdk import compute

    name = names.rule(config.naming, protocol)
    return declare(
        compute.GlobalForwardingRule,
        name,
        kept,
        name=name,
        project=config.project,
        load_balancing_scheme=SCHEME,
        network_tier="PREMIUM",
        ip_protocol="TCP",
        ip_address=address,
        port_range=str(port),
        target=target,
        **_labels(getattr(config.names, protocol).rule),
    )


def _labels(existing: str | None) -> dict[str, Any]:
    """Labels of what Spillway makes; one that stood before keeps its own."""
    return {} if existing else {"labels": LABELS}
