"""The first configuration of a load balancer: what `spillway init` knows, as a short file with comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spillway.config.backends import INSTANCE_GROUPS, PREFERABLE, STEERABLE, GroupKind
from spillway.config.fields import format_duration
from spillway.config.names import API, parse_group_url

UNMEASURED_RATE = 10.0
"""Requests/s of an endpoint or instance that stand in the file until somebody measures: those of the examples."""
MARK = "MEASURE THIS"
"""Stands in the comment of every figure that is a guess."""
SERVICE = "main"
"""Name of the one service."""

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
"""Text that YAML reads as text without quotes, unless it is a word of `_WORDS`."""
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_COMMENT_AT = 42
"""Columns of a line before its comment; a longer line pushes it to the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterGroup:
    """One group of endpoints that exists."""

    region: str
    zone: str | None
    """None for a regional group."""
    name: str
    kind: GroupKind
    url: str | None = None
    """In full, where it belongs to another project; it is written instead of zone and name."""
    size: int | None = None
    """Endpoints or instances, where somebody has counted them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterSandbox:
    """The simulated cloud of a configuration to try."""

    scenario: str
    http: str
    grpc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Everything that the file is made of."""

    project: str
    name: str
    groups: tuple[StarterGroup, ...]
    rate: float | None
    """Measured requests/s of one endpoint or instance; None where nobody has measured."""
    latency: float
    """Seconds in which 95 % of the answers must come."""
    health_path: str
    domain: str | None
    """Name of the host for HTTPS; None is plain HTTP."""
    state_dir: str
    backend: str | None
    """URL of Pulumi's state; None is a folder below `state_dir`."""
    sandbox: StarterSandbox | None = None
    """None is Google Cloud."""


def group_of_url(url: str, project: str) -> StarterGroup | None:
    """The group behind a URL, also one without its host; None where it is none, or a global one.

    A zonal NEG counts as one of VM addresses, and a regional one as serverless: the URL does not tell.
    """
    full = url if url.startswith("https://") else f"{API}/{url}"
    parts = parse_group_url(full)
    if parts is None:
        return None
    region = parts.zone.rpartition("-")[0] if parts.zone else parts.region
    if region is None:
        return None
    if parts.is_instance_group:
        kind = GroupKind.INSTANCE_GROUP if parts.zone else GroupKind.REGIONAL_INSTANCE_GROUP
    else:
        kind = GroupKind.NEG if parts.zone else GroupKind.SERVERLESS_NEG
    own = parts.project == project
    return StarterGroup(region=region, zone=parts.zone, name=parts.name, kind=kind, url=None if own else full)


def unmeasured(starter: Starter) -> tuple[str, ...]:
    """Paths of the figures that are guesses."""
    if starter.rate is not None:
        return ()
    return tuple(
        f"topology.regions.{region}.balancing.{key}"
        for region, groups in by_region(starter.groups).items()
        if (key := _target_key(groups)) is not None
    )


def by_region(groups: Iterable[StarterGroup]) -> dict[str, list[StarterGroup]]:
    """The same by region, both in order."""
    found: dict[str, list[StarterGroup]] = {}
    for group in sorted(groups, key=lambda each: (each.region, each.zone or "", each.name)):
        found.setdefault(group.region, []).append(group)
    return found


def render(starter: Starter) -> str:
    """The file."""
    return "\n".join((*_head(starter), *_topology(starter), *_policies(starter))) + "\n"


def _head(starter: Starter) -> Iterator[str]:
    cloud = "sandbox" if starter.sandbox is not None else "gcp"
    yield "# Spillway: a first configuration, by `spillway init`. Whatever is not here has its default;"
    yield "# config/reference.yaml and docs/configuration.md have every key. It is yours to change."
    yield ""
    yield _line(
        f"cloud: {cloud}", "Google Cloud" if cloud == "gcp" else "the simulated cloud on this machine"
    )
    yield _line(
        f"project: {_text(starter.project)}", "ID of the project with groups, load balancer and metrics"
    )
    yield _line(f"name: {_text(starter.name)}", "prefix of all that Spillway makes; a change builds all anew")
    yield ""
    yield "daemon:"
    yield _line(f"  state_dir: {_text(starter.state_dir)}", "of this load balancer alone")
    yield _line("  listen: 127.0.0.1:9464", "page, /metrics, /healthz; no password, so keep it on loopback")
    if starter.backend is not None:
        yield "  engine:"
        yield _line(f"    backend: {_text(starter.backend)}", "where Pulumi keeps its state")
    if starter.sandbox is not None:
        yield ""
        yield "sandbox:"
        yield _line(f"  scenario: {_text(starter.sandbox.scenario)}", "the simulated world")
        yield _line("  speed: 60", "seconds of the world in one second")
        yield _line(f"  http: {_text(starter.sandbox.http)}", "its Compute and Network Services")
        yield _line(f"  grpc: {_text(starter.sandbox.grpc)}", "its Cloud Monitoring")


def _topology(starter: Starter) -> Iterator[str]:
    probed = any(group.kind in STEERABLE for group in starter.groups)
    yield ""
    yield "topology:"
    yield "  frontends:"
    if starter.domain is None:
        yield _line("    http: {port: 80}", "plain HTTP, to begin with; HTTPS: config/spillway.yaml")
    else:
        yield _line("    http: {port: 80, redirect_to_https: true}")
        yield "    https:"
        yield "      port: 443"
        managed = f"{{managed: [{_text(starter.domain)}]}}"
        yield _line(f"      certificates: {managed}", "Google obtains it; DNS must point at the address")
    yield _line(f"  default_service: {SERVICE}", "where requests go that no route names")
    if probed:
        yield "  health_checks:"
        check = f"{{type: http, path: {_text(starter.health_path)}}}"
        yield _line(f"    ready: {check}", "what says that an endpoint can serve, on the port that serves")
    yield "  regions:"
    for region, groups in by_region(starter.groups).items():
        yield from _region(region, groups, starter)
    yield "  services:"
    yield f"    {SERVICE}:"
    if probed:
        yield "      health_check: ready"
        yield _line("      timeout: 300s", "the longest answer; a longer one is cut off")
    yield _line("      regions: all", "the nearest first, overflow to the next")


def _region(region: str, groups: list[StarterGroup], starter: Starter) -> Iterator[str]:
    yield f"    {region}:"
    yield _line("      groups:", "share one ceiling")
    for group in groups:
        yield f"        - {_group(group)}"
    key = _target_key(groups)
    if key is None:
        return
    rate = UNMEASURED_RATE if starter.rate is None else starter.rate
    if starter.rate is None:
        unit = "an instance" if "instance" in key else "an endpoint"
        comment = f"{MARK}: requests/s that {unit} takes within the SLO; {rate:g} is a guess"
    else:
        comment = "requests/s at scaler 1"
    yield _line(f"      balancing: {{mode: RATE, {key}: {rate:.12g}}}", comment)


def _policies(starter: Starter) -> Iterator[str]:
    yield ""
    yield "policies:"
    yield "  default:"
    yield _line(
        "    mode: observe", "decides and journals, moves nothing. Read for a day, then: recommend, act"
    )
    latency = format_duration(starter.latency)
    slo = f"{{latency: {latency}, percentile: 95, availability: 0.999}}"
    yield _line(f"    slo: {slo}", "a slower answer, or one that failed, is a bad one")


def _target_key(groups: Iterable[StarterGroup]) -> str | None:
    """The target of a region's groups; None for groups that take none."""
    kinds = {group.kind for group in groups}
    if not kinds & STEERABLE:
        return None
    return "max_rate_per_instance" if kinds <= INSTANCE_GROUPS else "max_rate_per_endpoint"


def _group(group: StarterGroup) -> str:
    if group.url is not None:
        return f"url: {_text(group.url)}"
    zone = f"zone: {_text(group.zone)}, " if group.kind in PREFERABLE and group.zone is not None else ""
    return f"{{{zone}{group.kind.value}: {_text(group.name)}}}"


def _text(value: str) -> str:
    """Text as YAML; a JSON string is one of YAML, too."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def _line(text: str, comment: str = "") -> str:
    """A line with its comment, which stands in one column wherever there is room for it."""
    return f"{text:<{_COMMENT_AT}}  # {comment}" if comment else text
