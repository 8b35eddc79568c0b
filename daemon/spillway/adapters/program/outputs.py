"""What the stack tells people: the address, and every URL that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spillway.config import names

if TYPE_CHECKING:
    from spillway.config.model import Config


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
            f"{names.url_map(config.name)}?project={config.project}"
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
