"""All that one load balancer consists of, found from the name of a forwarding rule or a URL map.

1. The name leads to a URL map: directly, or from a rule over its proxy.
2. All rules and proxies of that map belong to it. A map that only redirects to HTTPS belongs to the map beside it on the
   same address.
3. Services, and what these refer to, are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spillway.adapters.adopt.owners import check_owner
from spillway.adapters.adopt.reading import Body, CloudReader, path, path_of
from spillway.adapters.adopt.refusals import Refusals
from spillway.errors import PermanentError

SCHEME = "EXTERNAL_MANAGED"
_PROXIES = {"targetHttpProxies": "http", "targetHttpsProxies": "https"}
_WORDS = {
    "forwardingRules": "forwarding rule",
    "targetHttpProxies": "HTTP proxy",
    "targetHttpsProxies": "HTTPS proxy",
    "urlMaps": "URL map",
    "backendServices": "backend service",
    "backendBuckets": "backend bucket",
    "healthChecks": "health check",
    "serviceLbPolicies": "service LB policy",
    "addresses": "address",
    "sslPolicies": "SSL policy",
    "sslCertificates": "certificate",
    "networkEndpointGroups": "network endpoint group",
    "instanceGroups": "instance group",
}
_CLASSIC = (
    "it has the scheme EXTERNAL, the classic load balancer: that has no failover policy, no preference and no locality policy.",
    (
        "Migrate it with Google's own steps (`externalManagedMigrationState` PREPARE, TEST_ALL_TRAFFIC, then the scheme"
        " EXTERNAL_MANAGED, on each backend service, then on each forwarding rule), then adopt."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """One rule with its proxy."""

    protocol: str
    """`http` or `https`."""
    rule: Body
    proxy: Body
    redirects: bool
    """True if it leads to the map that redirects to HTTPS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What stands, as the API answers it; by path where there may be several."""

    project: str
    url_map: Body
    redirect_map: Body | None
    frontends: tuple[Frontend, ...]
    services: Mapping[str, Body]
    references: tuple[str, ...] = ()
    """Paths of backend services in other projects."""
    buckets: Mapping[str, Body] = field(default_factory=dict)
    parts: Mapping[str, Body] = field(default_factory=dict)
    """Health checks, service LB policies, groups, certificates and SSL policies that the others refer to."""
    addresses: Mapping[str, Body] = field(default_factory=dict)
    """Reserved addresses by number."""


def words(where: str) -> str:
    """Kind and name of the resource at a path or URL, for people."""
    collection, name = where.rstrip("/").split("/")[-2:]
    return f"{_WORDS.get(collection, collection)} {name}"


def find_layout(reader: CloudReader, name: str, refusals: Refusals) -> Layout:
    """The layout that `name` belongs to; what stands in the way is noted.

    Raises:
        RefusedError: it cannot be told what belongs to it.
        PermanentError: there is nothing of that name.
        SpillwayError: it could not be read.
    """
    rules = reader.listed("forwardingRules")
    proxies = {where: body for collection in _PROXIES for where, body in reader.listed(collection).items()}
    maps = reader.listed("urlMaps")
    found = _Lists(rules=rules, proxies=proxies, maps=maps)
    main = _main_map(reader, name, found, refusals)
    redirect = _redirect_map(main, found, refusals)
    frontends = tuple(found.frontends(main, redirect))
    _check_schemes(frontends, refusals)
    layout = Layout(
        project=reader.project,
        url_map=maps[main],
        redirect_map=None if redirect is None else maps[redirect],
        frontends=frontends,
        services=_services(reader, maps[main], refusals),
        references=tuple(
            where
            for where in dict.fromkeys(_links(maps[main], "backendServices"))
            if not where.startswith(f"projects/{reader.project}/")
        ),
        buckets=_all_of(reader, dict.fromkeys(_links(maps[main], "backendBuckets")), refusals),
        addresses={
            str(body["address"]): body
            for body in reader.listed("addresses").values()
            if body.get("address") in {f.rule.get("IPAddress") for f in frontends}
        },
    )
    layout = _with_parts(reader, layout)
    for what, body in _owned(layout):
        check_owner(what, body, refusals)
    return layout


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lists:
    """All global rules, proxies and maps of the project, by path."""

    rules: Mapping[str, Body]
    proxies: Mapping[str, Body]
    maps: Mapping[str, Body]

    def map_of(self, rule: Body) -> str | None:
        """The map behind a rule; None where its target is no proxy of an Application Load Balancer."""
        proxy = self.proxies.get(path(str(rule.get("target") or "projects/")))
        return None if proxy is None else path(str(proxy["urlMap"]))

    def rules_of(self, url_map: str) -> list[Body]:
        """All rules behind which a map stands."""
        return [rule for rule in self.rules.values() if self.map_of(rule) == url_map]

    def frontends(self, main: str, redirect: str | None) -> Iterator[Frontend]:
        """The frontends of both maps, by protocol and port."""
        for rule in sorted(
            self.rules.values(), key=lambda rule: (str(rule.get("portRange")), str(rule["name"]))
        ):
            where = self.map_of(rule)
            if where is not None and where in {main, redirect}:
                target = path(str(rule["target"]))
                yield Frontend(
                    protocol=_PROXIES[target.split("/")[-2]],
                    rule=rule,
                    proxy=self.proxies[target],
                    redirects=where == redirect,
                )


def _main_map(reader: CloudReader, name: str, found: _Lists, refusals: Refusals) -> str:
    """Path of the map that decides about services."""
    named = [where for where, body in found.maps.items() if body.get("name") == name]
    rule = next((rule for rule in found.rules.values() if rule.get("name") == name), None)
    if not named and rule is None:
        _elsewhere(reader, name, refusals)
    if rule is not None and not named:
        behind = found.map_of(rule)
        if behind is None:
            target = str(rule.get("target") or rule.get("backendService") or "nothing")
            refusals.add(
                f"forwarding rule {name}",
                "target",
                f"it leads to {words(target) if '/' in target else target}, which is no target proxy of an Application Load Balancer for HTTP.",
                "Name a rule or a URL map of a global external Application Load Balancer.",
            )
            refusals.stop()
        named = [str(behind)]
    (main,) = named
    if main not in found.maps:
        raise PermanentError(
            f"{words(main)} is not in this project, and Spillway keeps one project's load balancer"
        )
    if not is_redirect(found.maps[main]):
        return main
    addresses = {rule.get("IPAddress") for rule in found.rules_of(main)}
    others = {
        where
        for rule in found.rules.values()
        if rule.get("IPAddress") in addresses and (where := found.map_of(rule)) not in {None, main}
    }
    if len(others) != 1:
        refusals.add(
            words(main),
            "defaultUrlRedirect",
            "it only redirects to HTTPS, and there is not one other URL map on its address.",
            "Name the URL map, or a rule, of the load balancer that serves.",
        )
        refusals.stop()
    return str(others.pop())


def _elsewhere(reader: CloudReader, name: str, refusals: Refusals) -> None:
    """Tell a regional one from none.

    Raises:
        RefusedError: it is regional.
        PermanentError: there is none.
    """
    for collection in ("forwardingRules", "urlMaps"):
        for body in reader.anywhere(collection, name):
            scheme = str(body.get("loadBalancingScheme") or "")
            kind = "internal" if scheme.startswith("INTERNAL") else "regional"
            refusals.add(
                f"{_WORDS[collection]} {name}",
                "region",
                f"it belongs to {'an' if kind == 'internal' else 'a'} {kind} load balancer"
                f" in {str(body.get('region', '?')).rsplit('/', 1)[-1]}, which serves one region: there is nothing to move traffic between.",
                "Build a global external Application Load Balancer beside it with `spillway up` and move the DNS record.",
            )
            refusals.stop()
    raise PermanentError(
        f"the project {reader.project} has no global forwarding rule and no URL map called {name}",
        remedy="`gcloud compute forwarding-rules list --global` and `gcloud compute url-maps list` show the names; --project names another project.",
    )


def _redirect_map(main: str, found: _Lists, refusals: Refusals) -> str | None:
    """Path of the map that redirects to HTTPS beside the main one, on the same addresses."""
    addresses = {rule.get("IPAddress") for rule in found.rules_of(main)}
    beside: set[str] = set()
    for rule in found.rules.values():
        where = found.map_of(rule)
        if rule.get("IPAddress") not in addresses or where == main:
            continue
        what = f"forwarding rule {rule.get('name')}"
        if where is None:
            refusals.add(
                what,
                "target",
                f"it stands on the same address {rule.get('IPAddress')} and leads to no proxy for HTTP.",
                "Give it an address of its own.",
            )
        elif where in found.maps and is_redirect(found.maps[where]):
            beside.add(where)
        else:
            refusals.add(
                what,
                "target",
                f"it leads to {words(where)} on the same address {rule.get('IPAddress')}, and one configuration has one URL map that serves.",
                "Join the two maps, or give one of them an address of its own.",
            )
    if len(beside) > 1:
        refusals.add(
            words(main),
            "",
            f"{len(beside)} URL maps redirect to HTTPS beside it.",
            "Let all HTTP proxies use one of them.",
        )
    redirect = min(beside, default=None)
    if redirect is not None:
        for rule in found.rules_of(redirect):
            if rule.get("IPAddress") not in addresses:
                refusals.add(
                    words(redirect),
                    "",
                    f"it redirects for the forwarding rule {rule.get('name')} on another address, too.",
                    "Give that address a redirecting map of its own.",
                )
    return redirect


def is_redirect(url_map: Mapping[str, Any]) -> bool:
    """True for a map that does nothing but send every request to HTTPS."""
    redirect = url_map.get("defaultUrlRedirect") or {}
    plain = {name for name, value in redirect.items() if value} <= {"httpsRedirect", "redirectResponseCode"}
    return bool(redirect.get("httpsRedirect")) and plain and not url_map.get("hostRules")


def _check_schemes(frontends: tuple[Frontend, ...], refusals: Refusals) -> None:
    for frontend in frontends:
        _check_scheme(words(path_of(frontend.rule)), frontend.rule, refusals)


def _check_scheme(what: str, body: Body, refusals: Refusals) -> None:
    scheme = str(body.get("loadBalancingScheme") or "EXTERNAL")
    if scheme == "EXTERNAL":
        refusals.add(what, "loadBalancingScheme", *_CLASSIC)
    elif scheme != SCHEME:
        refusals.add(
            what,
            "loadBalancingScheme",
            f"it has the scheme {scheme}: Spillway keeps global external Application Load Balancers ({SCHEME}) alone.",
            "Build one beside it with `spillway up`, on the same groups.",
        )


def _links(value: Any, collection: str) -> Iterator[str]:
    """All links to a collection anywhere inside a value."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _links(part, collection)
    elif isinstance(value, list):
        for part in value:
            yield from _links(part, collection)
    elif isinstance(value, str) and f"/{collection}/" in value:
        yield path(value)


def _services(reader: CloudReader, url_map: Body, refusals: Refusals) -> dict[str, Body]:
    """Services of the project itself; those of others are referred to."""
    used = dict.fromkeys(_links(url_map, "backendServices"))
    own = [where for where in used if where.startswith(f"projects/{reader.project}/")]
    found = _all_of(reader, own, refusals)
    for where, body in found.items():
        _check_scheme(words(where), body, refusals)
    if not found and not any(_links(url_map, "backendBuckets")):
        refusals.add(
            words(path_of(url_map)),
            "",
            "it leads to no backend service or bucket of its project, so there is nothing to keep.",
            "Adopt a load balancer with a backend service or bucket of its own project.",
        )
    return found


def _all_of(reader: CloudReader, wanted: Iterable[str], refusals: Refusals) -> dict[str, Body]:
    found = reader.each(wanted := list(wanted))
    for where in wanted:
        if where not in found:
            refusals.add(
                words(where), "", "the URL map names it, and it is not there.", "Take it out of the URL map."
            )
    return found


def _with_parts(reader: CloudReader, layout: Layout) -> Layout:
    """The layout with all that services and proxies refer to."""
    wanted: list[str] = []
    for service in layout.services.values():
        wanted += [path(str(link)) for link in service.get("healthChecks") or ()]
        wanted += [
            where
            for backend in service.get("backends") or ()
            if _has_a_type(where := path(str(backend["group"])))
        ]
        if policy := service.get("serviceLbPolicy"):
            wanted.append(path(str(policy)))
    for frontend in layout.frontends:
        wanted += [path(str(link)) for link in frontend.proxy.get("sslCertificates") or ()]
        if policy := frontend.proxy.get("sslPolicy"):
            wanted.append(path(str(policy)))
    found = reader.each(dict.fromkeys(wanted))
    return replace(layout, parts=found)


def _has_a_type(group: str) -> bool:
    """True for a zonal or regional network endpoint group: only its type tells which key it has."""
    return "/networkEndpointGroups/" in group and "/global/" not in group


def _owned(layout: Layout) -> Iterator[tuple[str, Body]]:
    """All that Spillway would keep; groups are only referred to, and those of GKE are welcome."""
    bodies = [
        layout.url_map,
        *([layout.redirect_map] if layout.redirect_map is not None else []),
        *(body for frontend in layout.frontends for body in (frontend.rule, frontend.proxy)),
        *layout.services.values(),
        *layout.buckets.values(),
        *layout.addresses.values(),
    ]
    for body in bodies:
        yield words(path_of(body)), body
    for where, body in layout.parts.items():
        if where.split("/")[-2] in {"healthChecks", "serviceLbPolicies", "sslPolicies"}:
            yield words(where), body
