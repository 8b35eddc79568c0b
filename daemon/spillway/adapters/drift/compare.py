"""One part as it stands against what the program wants of it: what differs, what others have set, what no write can carry.

Levers are left out: scalers, membership, preference, the service LB policy and the weights of steered splits are observed by the
core, which decides about them. Values that Google gives to what nobody has set count as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spillway.adapters.drift.existing import standing_elements
from spillway.adapters.drift.wanted import WantedPart
from spillway.adapters.engine.provider.cloud import Body
from spillway.adapters.engine.provider.diff import (
    UNKNOWN,
    Difference,
    DiffKind,
    compare,
    is_within,
    value_at,
)
from spillway.adapters.engine.provider.kinds import ITSELF, PROVISIONED, Props, property_name, relative
from spillway.adapters.engine.provider.kinds_backend import BACKEND_SERVICE, HEALTH_CHECK, loses_hash
from spillway.adapters.engine.provider.kinds_url_map import URL_MAP
from spillway.adapters.program.kept import group_path
from spillway.adapters.program.provider_fields import Field, fields_of

GOOGLES = {
    "sessionAffinity": "NONE",
    "portName": "http",
    "localityLbPolicy": "ROUND_ROBIN",
    "compressionMode": "DISABLED",
    "ipAddressSelectionPolicy": "IPV4_ONLY",
    "logConfig.optionalMode": "EXCLUDE_ALL_OPTIONAL",
    "quicOverride": "NONE",
    "tlsEarlyData": "DISABLED",
    "addressType": "EXTERNAL",
    "networkTier": "PREMIUM",
    "type": "MANAGED",
    "proxyHeader": "NONE",
    "requestPath": "/",
}
"""What Google answers for what nobody has set; by path, or by name where it is the same in every place."""
_OUTPUTS = frozenset(
    [
        "id",
        "kind",
        "creationTimestamp",
        "selfLink",
        "selfLinkWithId",
        "region",
        "zone",
        "fingerprint",
        "labelFingerprint",
        "usedBy",
        "users",
        "size",
        "status",
        "port",
    ]
)
"""Fields that are no settings. `port` of a backend service is older than named ports and means nothing here."""
_OUTPUTS_INSIDE = frozenset({"oauth2ClientSecretSha256", "signedUrlKeyNames"})
"""The same inside other fields: a PUT does not touch them."""
_OUTPUTS_OF = {HEALTH_CHECK.token: frozenset({"type"})}
REPLACED = frozenset({BACKEND_SERVICE.token, URL_MAP.token, HEALTH_CHECK.token})
"""Kinds that are written with a PUT of the whole object: what the provider has no property for is lost."""
_LEVERS = re.compile(
    r"backends\[\d+\](\.(capacityScaler|preference|group))?|(failoverConfig|autoCapacityDrain)(\..*)?"
)
_WEIGHT = re.compile(r"pathMatchers\[(\d+)\]\.(?:.+\.)?weightedBackendServices\[\d+\]\.weight")
_ELEMENT = re.compile(r"backends\[(\d+)\]\.(.+)")
_BACKEND_LEVERS = frozenset({"group", "capacityScaler", "preference"})
_BACKEND_GOOGLES = {"balancingMode": "UTILIZATION", "maxUtilization": 0.8, "trafficDuration": "SHORT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One part as it stands."""

    wanted: WantedPart
    live: Body | None
    """None where it is gone."""
    differences: tuple[Difference, ...]
    """Of what the program speaks of, levers apart."""
    props: Props
    """What stands, in the program's words."""
    foreign: tuple[tuple[str, Any], ...]
    """(path, value) of what others have set."""
    unknown: tuple[str, ...]
    """Fields that no write can carry."""
    groups: tuple[Props, ...]
    """Backends that somebody else has attached."""
    levers: tuple[Difference, ...] = ()
    """Differences in what the daemon decides: scalers, membership, preference, failover policy, weights of steered splits."""
    off: tuple[str, ...] = ()
    """Properties at the top that are wanted off, or as Google has them by itself, and of which nothing stands."""
    elements: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """By group: what stands otherwise and means the same, in backends that stood before Spillway; see `existing`."""

    def element(self, difference: Difference) -> tuple[str, str] | None:
        """(group, field) of a difference inside one backend; None for any other."""
        match = _ELEMENT.fullmatch(difference.path)
        if match is None:
            return None
        return group_path(str(self.wanted.inputs["backends"][int(match[1])]["group"])), match[2]

    def target(self, group: str) -> Props:
        """A backend as it stands, without its levers."""
        found = next(b for b in self.props["backends"] if group_path(str(b["group"])) == group)
        return {name: value for name, value in found.items() if name not in _BACKEND_LEVERS}


def stand(
    wanted: WantedPart,
    live: Body | None,
    ours: Collection[str],
    *,
    existed: bool = False,
    steered: Collection[str] = (),
) -> Standing:
    """What stands of one part.

    Args:
        wanted: the part.
        live: what GET answered.
        ours: paths of all groups that the configuration names.
        existed: it stood before Spillway: what it lacks and what nobody would miss is no difference.
        steered: path matchers whose split is steered.
    """
    if live is None:
        return Standing(wanted=wanted, live=None, differences=(), props={}, foreign=(), unknown=(), groups=())
    props = {**_unreadable(wanted), **wanted.kind.live(live)}
    found = [
        *compare(wanted.kind, wanted.spoken, props, wanted.spoken, wanted.ignore).differences,
        *_additions(wanted, props),
    ]
    off: tuple[str, ...] = ()
    elements: Mapping[str, Mapping[str, str | None]] = {}
    if existed:
        off = tuple(sorted({d.top for d in found if _is_off(d, wanted)}))
        elements = standing_elements(wanted.inputs, props)
        found = [d for d in found if d.top not in off and not _means_the_same(d, wanted, elements)]
    groups = tuple(
        backend
        for backend in props.get("backends") or ()
        if group_path(str(backend.get("group"))) not in ours
    )
    foreign, unknown = [], []
    beside = () if wanted.is_untouched else _beside(wanted, live, wanted.fields, "")
    for path, value, carried in beside:
        if carried:
            foreign.append((path, value))
        elif wanted.token in REPLACED:
            unknown.append(path)
    return Standing(
        wanted=wanted,
        live=live,
        differences=tuple(
            d for d in found if _counts(d, wanted, props) and not _is_weight(d, wanted, steered)
        ),
        props=props,
        foreign=tuple(foreign),
        unknown=(*unknown, *_not_carried(wanted, live)),
        groups=groups,
        levers=tuple(d for d in found if _LEVERS.fullmatch(d.path) or _is_weight(d, wanted, steered)),
        off=off,
        elements=elements,
    )


def _is_weight(difference: Difference, wanted: WantedPart, steered: Collection[str]) -> bool:
    """True for a weight of a steered split, also where an entry of the route follows it; other splits of its paths are settings."""
    found = _WEIGHT.fullmatch(difference.path)
    if found is None or wanted.token != URL_MAP.token:
        return False
    matcher = wanted.inputs["pathMatchers"][int(found[1])]
    if matcher.get("name") not in steered:
        return False
    default = (matcher.get("defaultRouteAction") or {}).get("weightedBackendServices") or []
    here = value_at(difference.path.rpartition("[")[0], wanted.inputs) or []
    return [p.get("backendService") for p in here] == [p.get("backendService") for p in default]


def _is_off(difference: Difference, wanted: WantedPart) -> bool:
    """True for a property at the top of which nothing stands, and that is wanted off or as Google has it by itself."""
    if difference.change is not DiffKind.ADD or difference.path != difference.top:
        return False
    value = wanted.inputs.get(difference.path)
    return _is_nothing(value) or (isinstance(value, str) and value == GOOGLES.get(difference.path))


def _is_nothing(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_nothing, value.values()))
    return value in (None, False, 0, "", [])


def _means_the_same(
    difference: Difference, wanted: WantedPart, elements: Mapping[str, Mapping[str, str | None]]
) -> bool:
    """True for what stands otherwise in a backend and means the same."""
    match = _ELEMENT.fullmatch(difference.path)
    if match is None:
        return False
    group = group_path(str(wanted.inputs["backends"][int(match[1])]["group"]))
    return match[2] in elements.get(group, {})


def found_at(difference: Difference, standing: Standing) -> Any:
    """What stands where something differs; elements of a set are found by their key, not by their place."""
    inside = standing.element(difference)
    if inside is not None:
        return value_at(inside[1], standing.target(inside[0]))
    top = difference.top
    key = standing.wanted.kind.keyed.get(top)
    match = re.match(rf"{top}\[(\d+)\]\.(.+)", difference.path)
    wanted = standing.wanted.inputs.get(top)
    if key is None or match is None or not isinstance(wanted, list) or int(match[1]) >= len(wanted):
        return value_at(difference.path, standing.props)
    own = relative(str(wanted[int(match[1])].get(key)))
    element = next((e for e in standing.props.get(top) or () if relative(str(e.get(key))) == own), None)
    return value_at(match[2], element)


def _unreadable(wanted: WantedPart) -> Props:
    """What the cloud does not give back as it was written."""
    return {
        name: wanted.inputs[name] for name in wanted.kind.opaque | wanted.kind.fixed if name in wanted.inputs
    }


def _counts(difference: Difference, wanted: WantedPart, props: Props) -> bool:
    """False for levers, for what is known only after a build, and for what Google gives to what nobody has set."""
    if _LEVERS.fullmatch(difference.path):
        return False
    if value_at(difference.path, wanted.inputs) == UNKNOWN:
        return False
    if difference.change is not DiffKind.DELETE:
        return True
    name = difference.path.rpartition(".")[2]
    found = value_at(difference.path, props)
    if difference.path == "localityLbPolicy" and wanted.inputs.get("sessionAffinity") != "NONE":
        return bool(found != "MAGLEV")  # what Google chooses beside an affinity
    usual = {GOOGLES.get(difference.path), GOOGLES.get(name)}
    return found is not None and not (isinstance(found, str) and found in usual)


def _additions(wanted: WantedPart, props: Props) -> Iterator[Difference]:
    """Fields that somebody has added to elements of lists that are ours: the comparison looks at what we name alone."""
    for name, key in wanted.kind.keyed.items():
        if key == ITSELF:
            continue
        there = {relative(str(e.get(key))): e for e in props.get(name) or ()}
        for position, element in enumerate(wanted.inputs.get(name) or ()):
            live = there.get(relative(str(element.get(key)))) or {}
            for added, value in live.items():
                usual = (_BACKEND_GOOGLES if name == "backends" else GOOGLES).get(added)
                if added not in element and value not in (None, False, 0, "", [], {}, usual, "DEFAULT"):
                    yield Difference(f"{name}[{position}].{added}", DiffKind.DELETE)


def _beside(
    wanted: WantedPart, live: Mapping[str, Any], fields: Mapping[str, Field], prefix: str
) -> Iterator[tuple[str, Any, bool]]:
    """(path, value, whether the provider has it) of all that stands and that the program does not name."""
    kind = wanted.kind
    for name, stands in live.items():
        value = stands
        if name == "labels" and isinstance(stands, Mapping):
            value = {label: text for label, text in stands.items() if label not in PROVISIONED}
        if value in (None, False, 0, "", [], {}) or _is_output(wanted, name, inside=bool(prefix)):
            continue
        known = kind.renamed.get(f"{prefix}{name}") or property_name(name, value, fields)
        if known is None or known not in fields:
            yield f"{prefix}{name}", value, False
            continue
        path, field = f"{prefix}{known}", fields[known]
        if is_within(path, wanted.ignore) and not _is_usual(path, known, value):
            yield path, value, True
        if field.inside is None:
            continue
        # What lies inside is looked at for fields that the provider does not have, and for what is not ours.
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, Mapping):
                for found in _beside(wanted, part, fields_of(field.inside), f"{path}."):
                    if not (found[2] and is_within(path, wanted.ignore)):
                        yield found


def _is_output(wanted: WantedPart, name: str, *, inside: bool) -> bool:
    if inside:
        return name in _OUTPUTS_INSIDE
    return name in _OUTPUTS or name in wanted.kind.computed or name in _OUTPUTS_OF.get(wanted.token, ())


def _is_usual(path: str, name: str, value: Any) -> bool:
    if path == "iap" and isinstance(value, Mapping):
        return not value.get("enabled") and not value.get("oauth2ClientId")
    return value in (GOOGLES.get(path), GOOGLES.get(name))


def _not_carried(wanted: WantedPart, live: Body) -> Iterator[str]:
    """Settings that the provider has a property for and loses all the same."""
    if wanted.token != BACKEND_SERVICE.token:
        return
    # The API gives back the hash of a client's secret, never the secret; ours is in the configuration's file.
    ours = (wanted.inputs.get("iap") or {}).get("oauth2ClientId")
    if not ours and (live.get("iap") or {}).get("oauth2ClientId"):
        yield "iap"
    if live.get("consistentHash") and loses_hash(live):
        yield "consistentHash"
