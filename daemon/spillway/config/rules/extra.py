"""`extra`: arguments of the provider for which Spillway has no key of its own, checked against the pinned provider's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spillway.config.draft import BUCKETS, FRONTENDS, HEALTH_CHECKS, REGIONS, SERVICES, URL_MAP, Draft
from spillway.config.extra import RESERVED, ROUTE_ACTION, SCHEMAS
from spillway.config.frontends import FrontendsConfig
from spillway.config.groups import GroupConfig
from spillway.config.suggest import did_you_mean, listing
from spillway.config.tree import Location
from spillway.published.arguments import WORDS, Argument, arguments
from spillway.published.schemas import Field, field_of

_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def check(draft: Draft) -> None:
    """Judge every `extra`."""
    for at, resource, given in _sections(draft):
        known = arguments(resource)
        for name, value in given.items():
            where = (*at, name)
            if name in RESERVED[resource]:
                draft.error(
                    where,
                    f"{name} is no business of `extra`: {RESERVED[resource][name]}.",
                    "Remove it here.",
                )
            elif name not in known:
                free = [other for other in known if other not in RESERVED[resource]]
                draft.error(
                    where,
                    f"{resource} has no argument {name!r} in the provider that Spillway is pinned to.",
                    did_you_mean(name, free, f"Its arguments are {', '.join(sorted(free))}."),
                )
            else:
                _value(draft, where, known[name], value, field_of(SCHEMAS[resource], name))


def _sections(draft: Draft) -> Iterator[tuple[Location, str, Mapping[str, Any]]]:
    """(location, class, what is given) of every `extra`."""
    yield ("topology", "address", "extra"), "compute.GlobalAddress", draft.address.extra
    for name, check_config in draft.health_checks.items():
        yield (*HEALTH_CHECKS, name, "extra"), "compute.HealthCheck", check_config.extra
    for name, service in draft.services.items():
        yield (*SERVICES, name, "extra"), "compute.BackendService", service.extra
        for place, own in service.backends.items():
            at = (*SERVICES, name, "backends", place, "groups")
            yield from _groups(draft, at, own.groups or ())
    for name, bucket in draft.buckets.items():
        yield (*BUCKETS, name, "extra"), "compute.BackendBucket", bucket.extra
    for name, region in draft.regions.items():
        yield from _groups(draft, (*REGIONS, name, "groups"), region.groups)
    yield (*URL_MAP, "extra"), "compute.URLMap", draft.url_map.extra
    for at, route in draft.routes:
        yield (*at, "extra"), ROUTE_ACTION, route.extra
        for where, entry in draft.items((*at, "paths"), route.paths):
            yield (*where, "extra"), ROUTE_ACTION, entry.extra
    if draft.frontends is not None:
        yield from _frontends(draft, draft.frontends)


def _frontends(draft: Draft, frontends: FrontendsConfig) -> Iterator[tuple[Location, str, Mapping[str, Any]]]:
    yield (*FRONTENDS, "extra"), "compute.GlobalForwardingRule", frontends.extra
    for at, http in draft.each((*FRONTENDS, "http"), frontends.http):
        yield (*at, "extra"), "compute.TargetHttpProxy", http.extra
    for at, https in draft.each((*FRONTENDS, "https"), frontends.https):
        yield (*at, "extra"), "compute.TargetHttpsProxy", https.extra
        certificates = (*at, "certificates")
        yield (*certificates, "extra"), "compute.ManagedSslCertificate", https.certificates.extra
        for where, given in draft.items((*certificates, "given"), https.certificates.given or ()):
            yield (*where, "extra"), "compute.SSLCertificate", given.extra
        if https.ssl_policy is not None:
            yield (*at, "ssl_policy", "extra"), "compute.SSLPolicy", https.ssl_policy.extra


def _groups(
    draft: Draft, at: Location, groups: tuple[GroupConfig, ...]
) -> Iterator[tuple[Location, str, Mapping[str, Any]]]:
    for where, group in draft.items(at, groups):
        if group.create is not None:
            yield (*where, "create", "extra"), _made(group), group.create.extra


def _made(group: GroupConfig) -> str:
    return "compute.InstanceGroup" if group.instance_group else "compute.NetworkEndpointGroup"


def _value(draft: Draft, at: Location, argument: Argument, value: Any, field: Field | None) -> None:
    """Judge one value, and what is inside of it; `field` is what the API has in its place, if it is known."""
    if argument.is_list:
        if not isinstance(value, list):
            draft.error(at, f"{at[-1]} is a list, and this is {_told(value)}.", "Write `[...]`.")
            return
        for index, item in enumerate(value):
            _one(draft, (*at, index), argument, item, field)
    elif argument.is_table:
        if not isinstance(value, dict):
            draft.error(at, f"{at[-1]} is a mapping, and this is {_told(value)}.", "Write `{name: value}`.")
            return
        for name, item in value.items():
            _one(draft, (*at, name), argument, item, field)
    else:
        _one(draft, at, argument, value, field)


def _one(draft: Draft, at: Location, argument: Argument, value: Any, field: Field | None) -> None:
    if argument.is_plain:
        wrong_truth = isinstance(value, bool) != (argument.type == "bool")
        if wrong_truth or not isinstance(value, _TYPES[argument.type]):
            draft.error(
                at,
                f"{at[-1]} must be {WORDS[argument.type]}, and this is {_told(value)}.",
                "Correct the value.",
            )
        elif field is not None and field.names and value not in field.names:
            known_names = [name for name in field.names if "UNSPECIFIED" not in name]
            draft.error(
                at,
                f"Google has no {value!r} here.",
                did_you_mean(str(value), known_names, f"It takes {listing(known_names)}."),
            )
        return
    if not isinstance(value, dict):
        inside = ", ".join(sorted(arguments(argument.type)))
        draft.error(at, f"{at[-1]} is a section, and this is {_told(value)}.", f"Its keys are {inside}.")
        return
    known = arguments(argument.type)
    for name, inner in value.items():
        if name not in known:
            remedy = did_you_mean(name, known, f"Its keys are {', '.join(sorted(known))}.")
            draft.error((*at, name), f"{at[-1]} has no key {name!r}.", remedy)
        else:
            schema = field.schema if field is not None else ""
            _value(draft, (*at, name), known[name], inner, field_of(schema, name) if schema else None)


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    return repr(value)
