"""What clients connect to: the addresses, a proxy for each frontend, and a forwarding rule for each frontend on each address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spillway.adapters.program.certificates import Certificates, ssl_policy
from spillway.adapters.program.checks import whole_seconds
from spillway.adapters.program.kept import declare
from spillway.adapters.program.routes import redirect_map
from spillway.adapters.program.services import SCHEME
from spillway.config import names

if TYPE_CHECKING:
    import pulumi

    from spillway.adapters.program.kept import Kept
    from spillway.config.frontends import AddressPlace, HttpConfig, HttpsConfig
    from spillway.config.model import Config

LABELS = {"managed-by": "spillway"}
_ORDINARY = (None, "DISABLED")
"""What Google takes where nothing is said of early data."""


def http_frontends(config: Config) -> Iterator[tuple[str, HttpConfig]]:
    """(name, settings) of each HTTP frontend; its forwarding rules are called so."""
    for number, http in enumerate(config.topology.frontends.plain):
        yield names.frontend(config.naming, "http", http.port if number else None), http


def https_frontends(config: Config) -> Iterator[tuple[str, HttpsConfig]]:
    """(name, settings) of each HTTPS frontend; its forwarding rules are called so."""
    for number, https in enumerate(config.topology.frontends.secure):
        yield names.frontend(config.naming, "https", https.port if number else None), https


def https_proxy_name(config: Config, name: str, https: HttpsConfig) -> str:
    """Name of the proxy of an HTTPS frontend.

    A proxy with other keep-alive or early data is another proxy. The same holds for mTLS, which must go when the
    configuration no longer names it.
    """
    early = None if https.tls_early_data in _ORDINARY else https.tls_early_data
    settings = (https.keep_alive, early, https.server_tls_policy, *names.told(https.extra))
    return names.proxy(config.naming, name, *settings)


def frontends(
    config: Config, url_map: pulumi.Output[str], kept: Kept
) -> list[tuple[AddressPlace, pulumi.Output[str]]]:
    """Declare addresses, proxies and rules; the addresses as clients write them."""
    addresses = [(place, _address(config, place, kept)) for place in config.topology.address.places]
    rules: dict[str, pulumi.Output[str]] = {}

    def listen(name: str, port: int, target: pulumi.Output[str]) -> None:
        for place, address in addresses:
            rule_name = names.rule(config.naming, name, place.suffix)
            rule = _rule(config, rule_name, port, kept, address=address, target=target)
            rules.setdefault(place.suffix, rule.ip_address)

    redirect = None
    for name, http in http_frontends(config):
        if http.redirect_to_https and redirect is None:
            redirect = redirect_map(config, kept)
        target = redirect if http.redirect_to_https and redirect is not None else url_map
        listen(name, http.port, _http_proxy(config, name, http, kept, url_map=target))
    certificates = Certificates(config, kept)
    for name, https in https_frontends(config):
        listen(name, https.port, _https_proxy(config, name, https, certificates, url_map=url_map))
    # Of a reserved address that is given by its URL the rule knows the number behind it.
    return [
        (place, rules[place.suffix] if place.existing and "/" in place.existing else address)
        for place, address in addresses
    ]


def _address(config: Config, place: AddressPlace, kept: Kept) -> pulumi.Output[str]:
    import pulumi

    from spillway.adapters.program.sdk import compute

    if place.existing is not None:
        return pulumi.Output.from_input(place.existing)
    given = config.topology.address
    name = names.address(config.naming, place.version, place.suffix, given.name)
    resource = declare(
        compute.GlobalAddress,
        name,
        kept,
        extra=given.extra,
        name=name,
        project=config.project,
        ip_version=place.version,
        **_labels({**config.topology.labels, **given.labels}, exists=name in config.names.addresses.values()),
    )
    result: pulumi.Output[str] = resource.address
    return result


def _http_proxy(
    config: Config, frontend: str, http: HttpConfig, kept: Kept, *, url_map: pulumi.Output[str]
) -> pulumi.Output[str]:
    from spillway.adapters.program.sdk import compute

    keep_alive = [http.keep_alive] if http.keep_alive is not None else []
    name = names.proxy(config.naming, frontend, *keep_alive, *names.told(http.extra))
    resource = declare(
        compute.TargetHttpProxy,
        name,
        kept,
        extra=http.extra,
        name=name,
        project=config.project,
        url_map=url_map,
        **_keep_alive(http.keep_alive),
    )
    result: pulumi.Output[str] = resource.id
    return result


def _https_proxy(
    config: Config,
    frontend: str,
    https: HttpsConfig,
    certificates: Certificates,
    *,
    url_map: pulumi.Output[str],
) -> pulumi.Output[str]:
    from spillway.adapters.program.sdk import compute

    name, kept = https_proxy_name(config, frontend, https), certificates.kept
    settings: dict[str, Any] = _keep_alive(https.keep_alive)
    if https.tls_early_data not in _ORDINARY:
        settings["tls_early_data"] = https.tls_early_data
    if https.server_tls_policy is not None:
        settings["server_tls_policy"] = _server_tls_policy(config.project, https.server_tls_policy)
    port = https.port if https is not config.topology.frontends.secure[0] else None
    resource = declare(
        compute.TargetHttpsProxy,
        name,
        kept,
        extra=https.extra,
        name=name,
        project=config.project,
        url_map=url_map,
        quic_override=https.quic,
        ssl_policy=ssl_policy(config, https, kept, port),
        **settings,
        **certificates.arguments(frontend, https),
    )
    result: pulumi.Output[str] = resource.id
    return result


def _keep_alive(seconds: float | None) -> dict[str, Any]:
    return {} if seconds is None else {"http_keep_alive_timeout_sec": whole_seconds(seconds)}


def _server_tls_policy(project: str, policy: str) -> str:
    """The full name of a server TLS policy, as the API answers it."""
    root = "//networksecurity.googleapis.com"
    if policy.startswith("//"):
        return policy
    if policy.startswith("projects/"):
        return f"{root}/{policy}"
    return f"{root}/projects/{project}/locations/global/serverTlsPolicies/{policy}"


def _rule(
    config: Config,
    name: str,
    port: int,
    kept: Kept,
    *,
    address: pulumi.Output[str],
    target: pulumi.Output[str],
) -> Any:
    """One rule listens on one port: a range such as `80-443` would take 364 of them (gcp.md 3.1).

    What `extra` gives is no part of a name that people look for, so another one replaces the rule in its place.
    """
    from spillway.adapters.program.sdk import compute

    extra = config.topology.frontends.extra
    return declare(
        compute.GlobalForwardingRule,
        name,
        kept,
        extra=extra,
        delete_before_replace=True if extra else None,
        name=name,
        project=config.project,
        load_balancing_scheme=SCHEME,
        network_tier="PREMIUM",
        ip_protocol="TCP",
        ip_address=address,
        port_range=str(port),
        target=target,
        **_labels(
            {**config.topology.labels, **config.topology.frontends.labels},
            exists=name in config.names.rules.values(),
        ),
    )


def _labels(given: dict[str, str], *, exists: bool) -> dict[str, Any]:
    """Labels of what Spillway makes. What stood before keeps its own, unless the configuration gives it some."""
    if exists:
        return {"labels": given} if given else {}
    return {"labels": {**given, **LABELS}}
