"""The program itself, and the URLs that it tells people.

`build` is pure: the same config, overlay and kept settings declare the same resources, whoever runs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spillway.adapters.program.kept import NOTHING, Kept
from spillway.config import names
from spillway.config.fleet import fleet
from spillway.config.routes import is_template
from spillway.config.splits import steered_splits
from spillway.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spillway.config.model import Config
    from spillway.core.values.overlay import Overlay, ServiceSetting


def build(config: Config, overlay: Overlay, kept: Kept = NOTHING) -> Callable[[], None]:
    """The Pulumi program that declares what `config` and `overlay` say, and leaves alone what others have set.

    Raises:
        PermanentError: the overlay belongs to another config.
    """
    _agree(config, overlay)

    def program() -> None:
        import pulumi

        from spillway.adapters.program.caching import buckets
        from spillway.adapters.program.checks import health_checks
        from spillway.adapters.program.frontends import frontends
        from spillway.adapters.program.groups import Groups
        from spillway.adapters.program.path_matchers import Targets
        from spillway.adapters.program.routes import url_map
        from spillway.adapters.program.services import service

        groups = Groups(config, kept)
        checks = health_checks(config, kept)
        services = {
            setting.service: service(config, groups, checks, setting, kept)
            for setting in _settings(config, overlay)
        }
        services |= {
            name: pulumi.Output.from_input(path[path.index("projects/") :])
            for name, path in config.topology.references.items()
        }
        weights = {
            split.matcher: split.weights(overlay.service(split.name))
            for split in steered_splits(config.topology)
        }
        stored = buckets(config, kept)
        default_service, default_bucket = config.topology.default_service, config.topology.default_bucket
        default = stored[default_bucket or ""] if default_service is None else services[default_service]
        targets = Targets(default=default, services=services, buckets=stored, weights=weights)
        addresses = frontends(config, url_map(config, targets, kept), kept)
        for place, address in addresses:
            pulumi.export(names.on_address("load_balancer_ip", place.suffix).replace("-", "_"), address)
        known = pulumi.Output.all(*(address for _, address in addresses))
        pulumi.export("urls", known.apply(lambda ips: urls(config, *ips)))

    return program


def _settings(config: Config, overlay: Overlay) -> Iterator[ServiceSetting]:
    """The setting of each backend service, in the order of the overlay: services of a split stand as it has their region."""
    splits = {split.name: split for split in steered_splits(config.topology)}
    for setting in overlay.services:
        split = splits.get(setting.service)
        if split is None:
            yield setting
            continue
        for part in split.parts:
            region = setting.backend(part.member.region)
            backend = replace(region, scaler=1.0 if region.member else 0.0)
            yield replace(setting, service=part.service, backends=(backend,))


def _agree(config: Config, overlay: Overlay) -> None:
    wanted = {service.name for service in fleet(config).services}
    found = {setting.service for setting in overlay.services}
    unknown = {
        backend.region
        for setting in overlay.services
        for backend in setting.backends
        if backend.region not in config.topology.regions
    }
    if wanted != found or unknown:
        strangers = ", ".join(sorted(wanted ^ found) + sorted(unknown))
        raise PermanentError(
            f"the overlay does not belong to this config: they differ in {strangers}",
            remedy="Bring the overlay into line with the config's fleet before building.",
        )


def urls(config: Config, *addresses: str) -> dict[str, str]:
    """URLs by what they are for, given the addresses: one for each frontend, route and, on Google, the console.

    A wildcard host stays in its URL as it is, for the reader to fill in: the address alone would match no such host.
    Entries with conditions beside the path, and templates, have no URL that leads to them.
    """
    given = config.topology.frontends
    places = [place.suffix for place in config.topology.address.places]
    result: dict[str, str] = {}
    for number, http in enumerate(given.plain):
        if http.redirect_to_https:
            continue
        for suffix, address in zip(places, addresses, strict=True):
            result[_what("http", http.port if number else None, suffix)] = _url(
                "http", _host(address), http.port
            )
    for number, https in enumerate(given.secure):
        port = https.port if number else None
        for domain in (domain for domains in https.certificates.domains for domain in domains):
            result[_what(f"https {domain}", port, "")] = _url("https", domain, https.port)
        for suffix, address in zip(places, addresses, strict=True):
            result.setdefault(_what("https", port, suffix), _url("https", _host(address), https.port))
    base = result.get("http") or next(iter(result.values()), "")
    for route in config.topology.routes:
        for host in route.hosts:
            plain = (rule for rule in route.paths if not rule.conditions)
            for path in (path for rule in plain for path in rule.paths if not is_template(path)):
                root = base if host == "*" else _on_host(config, host)
                result[f"{'' if host == '*' else host}{path}"] = root.rstrip("/") + path.removesuffix("*")
    if config.cloud == "gcp":
        result["console"] = (
            "https://console.cloud.google.com/net-services/loadbalancing/details/httpAdvanced/"
            f"{names.url_map(config.naming)}?project={config.project}"
        )
    return result


def _on_host(config: Config, host: str) -> str:
    given = config.topology.frontends
    if given.secure:
        return _url("https", host, given.secure[0].port)
    return _url("http", host, given.plain[0].port if given.plain else 80)


def _what(scheme: str, port: int | None, place: str) -> str:
    """What a URL is called: the scheme, and what tells it from that of the first frontend and address."""
    return " ".join([scheme, *([str(port)] if port is not None else []), *([place] if place else [])])


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _url(scheme: str, host: str, port: int) -> str:
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}/" if port == usual else f"{scheme}://{host}:{port}/"
