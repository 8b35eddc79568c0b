"""The configuration of what stands: as data, and as the text of a file that people go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from textwrap import wrap
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from spillway.adapters.adopt.actions import Names
from spillway.adapters.adopt.frontends import frontends
from spillway.adapters.adopt.groups import Section
from spillway.adapters.adopt.layout import Layout
from spillway.adapters.adopt.refusals import Refusals
from spillway.adapters.adopt.routes import routes
from spillway.adapters.adopt.services import buckets, check_names, health_checks, policy_names, services
from spillway.adapters.adopt.short_names import prefix_of, short_names

_WIDTH = 120
_HEAD = """The load balancer {name} of the project {project}, as `spillway adopt` found it.
`spillway plan` shows nothing to change. Policies begin with `mode: observe`: Spillway decides and writes nothing.
"""
_COMMENTS = {
    ("names",): "What stands and keeps its name. `spillway unadopt` forgets it and leaves it in place.",
    (
        "topology",
        "regions",
    ): "Targets and scalers as they stood. What a region can take, `max_...`, is worth a measurement.",
    ("policies",): "`mode: act` lets Spillway write.",
}
"""Comments before sections."""
_NONE = "`made` lets Spillway make one, and set the failover posture by it"
_KEEP = "the policy that stands stays as it is"


def document(layout: Layout, base: Mapping[str, Any], refusals: Refusals) -> Section:
    """The configuration as plain data.

    Args:
        layout: what stands.
        base: sections that somebody has given: cloud, daemon and the like.
        refusals: where to note what cannot be said.
    """
    main = str(layout.url_map["name"])
    by_service = short_names(layout.services, main)
    by_check = short_names(check_names(layout), main)
    by_bucket = short_names(layout.buckets, main)
    references = short_names((*layout.services, *layout.references), main)
    address, listening, names = frontends(layout, refusals)
    regions, found, policies = services(layout, by_service, by_check, refusals)
    default, routed = routes(layout, Names(services=references, buckets=by_bucket), refusals)
    names |= {
        "url_map": main,
        "buckets": {name: str(layout.buckets[where]["name"]) for where, name in by_bucket.items()},
        "services": {name: str(layout.services[where]["name"]) for where, name in by_service.items()},
        "health_checks": {name: where.rsplit("/", 1)[-1] for where, name in by_check.items()},
        "lb_policies": policy_names(layout, by_service, found),
    }
    topology: Section = {
        "address": address,
        "frontends": listening,
        **{f"default_{key}": name for key, name in default.items()},
        "routes": routed,
        "health_checks": health_checks(layout, by_check, refusals),
        "regions": {name: regions[name] for name in sorted(regions)},
        "services": found,
        "buckets": buckets(layout, by_bucket),
        "references": {references[where]: where for where in layout.references},
    }
    whole = {
        "cloud": "gcp",
        "project": layout.project,
        "name": prefix_of(main),
        **base,
        "names": {key: names[key] for key in _ORDER if names.get(key)},
        "topology": {key: value for key, value in topology.items() if value},
    }
    whole["policies"] = {**policies, **(base.get("policies") or {})}
    return whole


_ORDER = (
    *("url_map", "redirect_map", "addresses", "rules", "proxies", "ssl_policies"),
    *("services", "lb_policies", "buckets", "health_checks"),
)


def text(data: Section, name: str, notes: Sequence[str] = ()) -> str:
    """The same as YAML with comments, `notes` at the head."""
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = _commented(data)
    head = [_HEAD.format(name=name, project=data["project"]), *(f"{line}\n" for line in _wrapped(notes))]
    tree.yaml_set_start_comment("".join(head))
    for place, comment in _COMMENTS.items():
        *way, last = place
        section = tree
        for part in way:
            section = section[part]
        if last in section:
            section.yaml_set_comment_before_after_key(last, before=comment, indent=2 * len(way))
    for service in tree["topology"].get("services", {}).values():
        if service.get("lb_policy"):
            service.yaml_add_eol_comment(_NONE if service["lb_policy"] == "none" else _KEEP, "lb_policy")
    stream = StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def _wrapped(notes: Sequence[str]) -> list[str]:
    return [line for note in notes for line in wrap(note, _WIDTH - 2)]


def _commented(value: Any) -> Any:
    """Plain data as ruamel's, short mappings and lists on one line."""
    if isinstance(value, Mapping):
        result = CommentedMap((key, _commented(part)) for key, part in value.items())
        if _is_short(value):
            result.fa.set_flow_style()
        return result
    if isinstance(value, list | tuple):
        items = CommentedSeq([_commented(part) for part in value])
        if all(not isinstance(part, Mapping | list) for part in value):
            items.fa.set_flow_style()
        return items
    return value


def _is_short(value: Mapping[str, Any]) -> bool:
    plain = not any(isinstance(part, Mapping | list) for part in value.values())
    return plain and bool(value) and len(str(dict(value))) < 80 and not {"lb_policy", "protocol"} & set(value)
