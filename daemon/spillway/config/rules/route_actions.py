"""What becomes of the requests of a route: targets that exist and fit, and combinations that Google refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spillway.config.backends import GroupKind
from spillway.config.draft import BUCKETS, FRONTENDS, REFERENCES, SERVICES, Draft
from spillway.config.fields import format_duration, parse_duration
from spillway.config.route_actions import FORWARDING, HeadersConfig, RouteActions
from spillway.config.routes import PathRuleConfig, RouteConfig, variables
from spillway.config.rules.headers import FORBIDDEN, HOP_BY_HOP, RESERVED_PREFIXES
from spillway.config.services import LONGEST_DRAINING
from spillway.config.suggest import did_you_mean, listing
from spillway.config.tree import Location

RESERVED = FORBIDDEN | HOP_BY_HOP | {"host"}
"""Headers that no one may change in a URL map ("custom headers" of Google's load balancing guides)."""

_VARIABLE = re.compile(r"\{[a-z_][a-z0-9_]*\}")
"""A variable of Google's in the value of a header. With one, a value is added by default, and without one it replaces
(py:HttpHeaderOption.replace); the provider leaves out `replace: false` (tf:resource_compute_url_map.go)."""
_FAMILIES = {
    GroupKind.NEG: "zonal NEGs",
    GroupKind.HYBRID_NEG: "zonal NEGs",
    GroupKind.INSTANCE_GROUP: "instance groups",
    GroupKind.REGIONAL_INSTANCE_GROUP: "instance groups",
    GroupKind.SERVERLESS_NEG: "serverless NEGs",
    GroupKind.INTERNET_NEG: "internet NEGs",
    GroupKind.PSC_NEG: "Private Service Connect NEGs",
}


def check_route(draft: Draft, at: Location, route: RouteConfig) -> None:
    """Judge what stands on a route itself."""
    _check(draft, at, route)
    if route.rewrite is not None and route.rewrite.template is not None:
        draft.error(
            (*at, "rewrite", "template"),
            "a route itself has no path with variables, of which a template could be made.",
            "Write it on an entry of `paths` whose path has variables, or use `prefix`.",
        )
    if route.errors is not None and route.errors.bucket is None:
        _no_pages(draft, at)
    redirect = route.redirect
    if redirect is not None and not (redirect.path or redirect.prefix or redirect.https):
        for host in route.hosts:
            if redirect.host == host:
                draft.error(
                    (*at, "redirect", "host"),
                    f"requests for {host} are sent to {host} again, without end.",
                    "Redirect to another host, or change the path, too.",
                )


def check_entry(
    draft: Draft, at: Location, rule: PathRuleConfig, route: RouteConfig, *, names: Sequence[tuple[str, ...]]
) -> None:
    """Judge what stands on an entry of `paths`.

    Args:
        draft: what is judged.
        at: where the entry stands.
        rule: the entry.
        route: the route that it belongs to.
        names: variables of each of its paths; empty if a path has none.
    """
    _check(draft, at, rule)
    if not rule.targets and not rule.settings and not rule.extra:
        draft.error(
            at,
            "it says what is matched, and not what becomes of it.",
            "Name a `service`, `bucket`, `split` or `redirect`.",
        )
    elif not rule.targets and route.redirect is not None:
        draft.error(
            at,
            "it has no target of its own, and its route has a redirect, on which settings have no effect.",
            "Name a `service`, `bucket`, `split` or `redirect`.",
        )
    elif not rule.targets:
        services = route.services or _default(draft, route)
        _mirror(draft, at, rule, services, has_bucket=bool(route.bucket))
        _draining(draft, at, rule, services)
    if rule.errors is not None and rule.errors.bucket is None and route.errors is None:
        _no_pages(draft, at)
    if rule.rewrite is None or rule.rewrite.template is None:
        return
    where = (*at, "rewrite", "template")
    if not names:
        draft.error(
            where,
            "a template is made of the variables of the paths, and a path here has none.",
            "Give each path variables, such as /v1/{model=*}/{rest=**}, or use `prefix`.",
        )
    for wanted in variables(rule.rewrite.template):
        if any(wanted not in known for known in names):
            draft.error(
                where,
                f"{{{wanted}}} is not a variable of every path here.",
                f"Use one of {listing(sorted(set.intersection(*map(set, names)))) or 'their variables'}.",
            )


def known_service(draft: Draft, at: Location, service: str) -> None:
    """Report a service that is not there."""
    if draft.lacks(SERVICES, service) and service not in draft.names(REFERENCES):
        if service in draft.names(BUCKETS):
            draft.error(
                at, f"{service} is a bucket, and here stands the name of a service.", _lead_to(at, service)
            )
            return
        draft.error(
            at,
            f"there is no service called {service!r}.",
            did_you_mean(service, draft.names(SERVICES), "Name one of `topology.services`."),
        )


def _lead_to(at: Location, bucket: str) -> str:
    """How requests get to a bucket, said for the place where it was written like a service."""
    if at[-1] == "default_service":
        return f"Write `default_bucket: {bucket}` instead."
    if "split" in at or "mirror" in at:
        return f"Name a service; Google sends a whole path to a bucket and no share of it: `bucket: {bucket}` on an entry of `paths`."
    return f"Write `bucket: {bucket}`."


def known_bucket(draft: Draft, at: Location, bucket: str) -> None:
    """Report a bucket that is not there."""
    if draft.lacks(BUCKETS, bucket):
        draft.error(
            at,
            f"there is no bucket called {bucket!r}.",
            did_you_mean(bucket, draft.names(BUCKETS), "Name one of `topology.buckets`."),
        )


def _default(draft: Draft, route: RouteConfig) -> tuple[str, ...]:
    return (draft.default_service,) if draft.default_service and not route.targets else ()


def _check(draft: Draft, at: Location, actions: RouteActions) -> None:
    _targets(draft, at, actions)
    _redirect(draft, at, actions)
    _rewrite(draft, at, actions)
    _times(draft, at, actions)
    if actions.targets or isinstance(actions, RouteConfig):
        services = actions.services or (_default(draft, actions) if isinstance(actions, RouteConfig) else ())
        _mirror(draft, at, actions, services, has_bucket=bool(actions.bucket))
        _draining(draft, at, actions, services)
    _cors(draft, at, actions)
    _errors(draft, at, actions)
    _headers(draft, (*at, "request_headers"), actions.request_headers)
    _headers(draft, (*at, "response_headers"), actions.response_headers)


def _targets(draft: Draft, at: Location, actions: RouteActions) -> None:
    given = actions.targets
    if len(given) > 1:
        draft.error(
            (*at, given[1]),
            f"requests have one target, and {listing(f'`{name}`' for name in given)} are given.",
            "Keep one of them; several services share requests by `split`.",
        )
    if actions.service is not None:
        known_service(draft, (*at, "service"), actions.service)
    if actions.bucket is not None:
        known_bucket(draft, (*at, "bucket"), actions.bucket)
    seen: set[str] = set()
    for where, part in draft.items((*at, "split"), actions.split):
        known_service(draft, (*where, "service"), part.service)
        if part.service in seen:
            draft.error(
                (*where, "service"),
                f"{part.service} has a share already.",
                "Add both weights up in one entry.",
            )
        seen.add(part.service)
        _headers(draft, (*where, "request_headers"), part.request_headers)
        _headers(draft, (*where, "response_headers"), part.response_headers)
        service = draft.services.get(part.service)
        if service is not None and service.affinity != "NONE" and len(actions.split) > 1:
            draft.warn(
                (*SERVICES, part.service, "affinity"),
                f"{part.service} ties clients to endpoints, and a split sends a client now here, now there: Google lets the weights go first.",
                "Set affinity to NONE for services that share requests by weight.",
            )
    if actions.split and not sum(part.weight for part in actions.split):
        draft.error(
            (*at, "split"),
            "all weights are 0: nobody would get the requests.",
            "Give at least one service a weight above 0.",
        )


def _redirect(draft: Draft, at: Location, actions: RouteActions) -> None:
    redirect = actions.redirect
    if redirect is None:
        return
    where = (*at, "redirect")
    if redirect.path is not None and redirect.prefix is not None:
        draft.error(
            (*where, "prefix"),
            "`path` and `prefix` are given: one replaces the whole path, the other its beginning.",
            "Keep one of them.",
        )
    if not (redirect.host or redirect.path or redirect.prefix or redirect.https):
        draft.error(
            where,
            "it changes neither host nor path: clients would be sent to where they came from.",
            "Give `host`, `path` or `prefix`.",
        )
    if redirect.https and draft.frontends is not None and draft.frontends.https is not None:
        draft.error(
            (*where, "https"),
            "the HTTPS frontend has the same routes, and Google takes no redirect to https there.",
            "Set frontends.http.redirect_to_https: it sends all plain requests to https. Then take this out.",
            uses=(FRONTENDS,),
        )
    for setting in (*actions.settings, *(("extra",) if actions.extra else ())):
        if setting in FORWARDING or setting == "extra":
            draft.error(
                (*at, setting),
                f"the balancer answers these requests with a redirect and forwards none, so Google takes no `{setting}` beside it.",
                "Take it out.",
            )
        else:
            draft.warn(
                (*at, setting),
                f"`{setting}` has no effect on a redirect: no service answers.",
                "Take it out, or put it on the paths that a service answers.",
            )


def _rewrite(draft: Draft, at: Location, actions: RouteActions) -> None:
    rewrite = actions.rewrite
    if rewrite is None:
        return
    where = (*at, "rewrite")
    if rewrite.prefix is not None and rewrite.template is not None:
        draft.error(
            (*where, "template"),
            "`prefix` and `template` are given, and both make the path.",
            "Keep one of them.",
        )
    if not (rewrite.prefix or rewrite.template or rewrite.host):
        draft.error(where, "it rewrites nothing.", "Give `prefix`, `host` or `template`.")


def _times(draft: Draft, at: Location, actions: RouteActions) -> None:
    retries = actions.retries
    if retries is None:
        return
    each = retries.per_try_timeout
    if each is not None and actions.timeout is not None and each > actions.timeout:
        draft.warn(
            (*at, "retries", "per_try_timeout"),
            "an attempt may take longer than all attempts together may (`timeout`).",
            "Make it shorter, so that there is time for another attempt.",
        )
    if retries.attempts == 0:
        for key in ("on", "per_try_timeout"):
            if draft.given((*at, "retries", key)):
                draft.warn(
                    (*at, "retries", key),
                    f"retries are off (attempts: 0), and `{key}` has no effect.",
                    "Take it out, or allow an attempt.",
                )


def _mirror(
    draft: Draft, at: Location, actions: RouteActions, services: Sequence[str], *, has_bucket: bool
) -> None:
    mirror = actions.mirror
    if mirror is None:
        return
    where = (*at, "mirror", "service")
    known_service(draft, where, mirror.service)
    if has_bucket:
        draft.error(
            (*at, "mirror"),
            "a bucket answers these requests, and copies go only to services with groups of the same kind.",
            "Take the mirror out, or mirror the paths of a service.",
        )
    if mirror.service in services:
        draft.error(
            where,
            f"{mirror.service} gets these requests already: a copy would be a second one for the same service.",
            "Name another service.",
        )
    theirs = _families(draft, mirror.service)
    if "serverless NEGs" in theirs:
        draft.error(
            where,
            f"{mirror.service} has serverless groups, and Google mirrors to none.",
            "Mirror to a service with NEGs or instance groups.",
            uses=((*SERVICES, mirror.service),),
        )
        return
    for service in services:
        ours = _families(draft, service)
        if ours and theirs and ours != theirs:
            draft.error(
                where,
                f"{mirror.service} has {listing(sorted(theirs))}, and {service} has {listing(sorted(ours))}: Google mirrors only between groups of the same kind.",
                "Mirror to a service with groups of that kind.",
                uses=((*SERVICES, mirror.service), (*SERVICES, service)),
            )


def _draining(draft: Draft, at: Location, actions: RouteActions, services: tuple[str, ...]) -> None:
    """A request that may take longer here than its service says is cut with its endpoint (the rules of policies judge the rest)."""
    if actions.timeout is None:
        return
    most = parse_duration(LONGEST_DRAINING)
    for name in services:
        service = draft.services.get(name)
        if service is None or actions.timeout <= max(service.draining, service.timeout):
            continue
        if not any(member.steerable for member in draft.members(name)):
            continue
        where = (*SERVICES, name)
        if service.draining >= most:
            remedy = f"There is no longer one than {LONGEST_DRAINING}: write a timeout of {LONGEST_DRAINING} or less, unless longer requests may be cut."
        else:
            longest = format_duration(min(actions.timeout, most))
            remedy = f"Write `draining: {longest}` at the service {name}, unless long requests may be cut."
        draft.warn(
            (*at, "timeout"),
            f"requests may take {format_duration(actions.timeout)} here, and one that is under way when its endpoint of {name} leaves is cut after {format_duration(service.draining)}.",
            remedy,
            uses=((*where, "draining"), (*where, "timeout")),
        )


def _families(draft: Draft, service: str) -> frozenset[str]:
    if service not in draft.services or not draft.complete(service):
        return frozenset()
    return frozenset(_FAMILIES[kind] for member in draft.members(service) for kind in member.kinds)


def _cors(draft: Draft, at: Location, actions: RouteActions) -> None:
    cors = actions.cors
    if cors is None:
        return
    if not cors.allow_origins:
        draft.warn(
            (*at, "cors"),
            "no origin is allowed, so no page may use this.",
            "Give `allow_origins`, such as [https://app.example.com].",
        )
    if cors.allow_credentials and "*" in cors.allow_origins:
        draft.warn(
            (*at, "cors", "allow_credentials"),
            "browsers refuse credentials where every origin (*) is allowed.",
            "List the origins by name.",
        )


def _errors(draft: Draft, at: Location, actions: RouteActions) -> None:
    errors = actions.errors
    if errors is None:
        return
    if errors.bucket is not None:
        known_bucket(draft, (*at, "errors", "bucket"), errors.bucket)
    seen: set[str] = set()
    for where, rule in draft.items((*at, "errors", "rules"), errors.rules):
        for place, code in draft.items((*where, "codes"), rule.codes):
            if code in seen:
                draft.error(place, f"{code} has a page already.", "Keep it with one of the pages.")
            seen.add(code)
        if rule.path.endswith("/"):
            draft.error(
                (*where, "path"),
                f"{rule.path!r} names no file.",
                "Write the path of the page in the bucket, such as /errors/busy.html.",
            )


def _no_pages(draft: Draft, at: Location) -> None:
    draft.error(
        (*at, "errors"),
        "there is no bucket with the pages.",
        "Name one of `topology.buckets` as `bucket` here.",
        uses=((*at, "errors", "bucket"),),
    )


def _headers(draft: Draft, at: Location, headers: HeadersConfig | None) -> None:
    if headers is None:
        return
    names = [*headers.set, *headers.add, *headers.remove]
    if not names:
        draft.error(at, "it changes no header.", "Give `set`, `add` or `remove`, or take it out.")
    for name, value in headers.add.items():
        if not _VARIABLE.search(value):
            draft.error(
                (*at, "add", name),
                "its value has no variable, so Google would put it in the place of what came, and the provider cannot tell it not to.",
                "Write it under `set`, which replaces, or use a name that no client and no service sends.",
            )
    seen: set[str] = set()
    for name in names:
        plain = name.lower()
        if plain in seen:
            draft.error(
                at,
                f"the header {name} is changed twice.",
                "Keep one of `set`, `add` and `remove` for each header.",
            )
        seen.add(plain)
        if plain in RESERVED or plain.startswith(RESERVED_PREFIXES):
            draft.error(
                at,
                f"{name} is a header that Google lets nobody change here.",
                "Use a name of your own"
                + (
                    "; the host is replaced by `rewrite: {host: ...}`."
                    if "host" in plain or "auth" in plain
                    else "."
                ),
            )
