"""The program itself, and the URLs that it tells people.

`build` is pure: the same config, overlay and kept settings declare the same resources, whoever runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spillway.adapters.program.kept import NOTHING, Kept
from spillway.config import names
from spillway.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spillway.config.model import Config
    from spillway.core.values.overlay import Overlay


def build(config: Config, overlay: Overlay, kept: Kept = NOTHING) -> Callable[[], None]:
    """The Pulumi program that declares what `config` and `overlay` say, and leaves alone what others have set.

    Raises:
        PermanentError: the overlay belongs to another config.
    """
    _agree(config, overlay)

    def program() -> None:
        import pulumi

        from spillway.adapters.program.checks import health_checks
        from spillway.adapters.program.frontends import frontends
        from spillway.adapters.program.groups import Groups
        from spillway.adapters.program.routes import url_map
        from spillway.adapters.program.services import service

        groups = Groups(config, kept)
        checks = health_checks(config, kept)
        services = {
            setting.service: service(config, groups, checks, setting, kept) for setting in overlay.services
        }
        address = frontends(config, url_map(config, services, kept), kept)
        pulumi.export("load_balancer_ip", address)
        pulumi.export("urls", address.apply(lambda ip: urls(config, ip)))

    return program


def _agree(config: Config, overlay: Overlay) -> None:
    wanted = set(config.topology.services)
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


def urls(config: Config, address: str) -> dict[str, str]:
    """URLs by what they are for, given the address: one for each frontend, route and, on Google, the console.

    A wildcard host stays in its URL as it is, for the reader to fill in: the address alone would match no such host.
    """
    given = config.topology.frontends
    result: dict[str, str] = {}
    if given.http is not None and not given.http.redirect_to_https:
        result["http"] = _url("http", _host(address), given.http.port)
    if given.https is not None:
        for domain in given.https.certificates.managed or ():
            result[f"https {domain}"] = _url("https", domain, given.https.port)
        result.setdefault("https", _url("https", _host(address), given.https.port))
    base = result.get("http") or next(iter(result.values()), "")
    for route in config.topology.routes:
        for host in route.hosts:
            for path in (path for rule in route.paths for path in rule.paths):
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
    if given.https is not None:
        return _url("https", host, given.https.port)
    return _url("http", host, given.http.port if given.http else 80)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _url(scheme: str, host: str, port: int) -> str:
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}/" if port == usual else f"{scheme}://{host}:{port}/"
