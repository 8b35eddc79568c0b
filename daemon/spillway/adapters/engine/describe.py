"""What an engine would do, in a person's words: each change, what a new resource will be, and the whole plan.

Three texts: `describe` tells a change (`scaler 1.0 -> 0.4 (europe-west4)` instead of a path into a set), `describe_new`
tells a resource that has no old value to compare with, `render_preview` writes the plan that both belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from spillway.adapters.engine.describe_routes import changed_route, new_routes
from spillway.adapters.engine.provider.diff import UNKNOWN, Difference, value_at
from spillway.adapters.engine.provider.kinds import Props, last_part, relative
from spillway.adapters.engine.words_of_services import HEADERS, WORDS, header_names, phrases
from spillway.core.values.policy import DriftAnswer
from spillway.ports import Preview, PreviewedChange

_WORDS = {
    **WORDS,
    "backends.capacityScaler": "scaler",
    "backends.balancingMode": "balancing mode",
    "backends.maxRatePerEndpoint": "requests/s per endpoint",
    "backends.maxRatePerInstance": "requests/s per instance",
    "backends.maxRate": "requests/s",
    "backends.maxUtilization": "utilization",
    "backends.preference": "preference",
    "failoverConfig.failoverHealthThreshold": "failover threshold",
    "autoCapacityDrain.enable": "auto-drain",
    "outlierDetection.maxEjectionPercent": "outlier ejection",
    "outlierDetection": "outlier detection",
    "connectionDrainingTimeoutSec": "draining seconds",
    "timeoutSec": "timeout seconds",
    "portRange": "port",
}
SECRET = "[secret]"  # noqa: S105 the mark of a secret, none itself
"""What stands for a secret value wherever people read; Pulumi's own events have the same."""
_REPEATS = re.compile(r"backends\[\d+\]\.description")
"""Says again, for the provider's sake, what has changed in the same backend."""
_PLACE = re.compile(r"/(zones|regions)/([^/]+)/")
_LIMITS = {
    "maxRatePerEndpoint": "requests/s per endpoint",
    "maxRatePerInstance": "requests/s per instance",
    "maxRate": "requests/s",
    "maxInFlightRequestsPerEndpoint": "requests in flight per endpoint",
    "maxInFlightRequestsPerInstance": "requests in flight per instance",
    "maxInFlightRequests": "requests in flight",
    "maxUtilization": "utilization",
}
"""Inputs of a backend that say when it is full, and their units."""
_PROBES = {
    "httpHealthCheck": "HTTP",
    "httpsHealthCheck": "HTTPS",
    "http2HealthCheck": "HTTP/2",
    "tcpHealthCheck": "TCP",
    "grpcHealthCheck": "gRPC",
}
_PROXY = {
    "certificateMap": "certificate map",
    "serverTlsPolicy": "mTLS by",
    "httpKeepAliveTimeoutSec": "keep-alive seconds",
    "tlsEarlyData": "TLS early data",
}
_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "import": "="}
_COLOURS = {"create": "32", "update": "33", "replace": "35", "delete": "31", "import": "36"}
_ORDER = ("import", "create", "update", "replace", "delete")
_COUNTED = {
    "import": "to take over unchanged",
    "create": "to create",
    "update": "to update",
    "replace": "to replace",
    "delete": "to delete",
}


def describe(differences: tuple[Difference, ...], olds: Props, news: Props) -> tuple[str, ...]:
    """One phrase for each difference between the old and the new inputs of a resource."""
    return tuple(_phrases(differences, olds, news))


def hidden(props: Props, secret: Iterable[str]) -> Props:
    """`props` with a mark instead of each secret, so that no phrase made of them can tell it."""
    names = frozenset(secret)
    return {name: SECRET if name in names else value for name, value in props.items()}


def _phrases(differences: tuple[Difference, ...], olds: Props, news: Props) -> Iterator[str]:
    said: set[str] = set()
    telling = [d for d in differences if not _REPEATS.fullmatch(d.path)]
    for difference in telling or differences:
        phrase = _phrase(difference, olds, news)
        if phrase and phrase not in said:
            said.add(phrase)
            yield phrase


def _phrase(difference: Difference, olds: Props, news: Props) -> str:
    path, top = difference.path, difference.top
    if top == "sslCertificates":
        return _attached(olds.get(top) or [], news.get(top) or [])
    if SECRET in (value_at(path, olds), value_at(path, news), olds.get(top), news.get(top)):
        return f"{_WORDS.get(top, top)} changes (secret)"
    route = changed_route(difference, olds, news, text)
    if route is not None:
        return f"{route.word} {_change(route.old, route.new)} ({route.where})" if route.word else ""
    place = re.match(r"backends\[(\d+)\](?:\.(\w+))?", path)
    if place is None and top in HEADERS:
        return f"{HEADERS[top]} {header_names(olds.get(top))} -> {header_names(news.get(top))}"
    if place is None:
        word = re.sub(r"\[\d+\]", "", path)
        return f"{_WORDS.get(word, word)} {_change(value_at(path, olds), value_at(path, news))}"
    position, name = int(place[1]), place[2]
    if name is None:
        return _membership(position, olds, news)
    new = _element(news, position)
    old = _partner(olds, new.get("group"))
    word = f"backends.{name}"
    told = scaler_text if name == "capacityScaler" else text
    return (
        f"{_WORDS.get(word, name)} {told(old.get(name))} -> {told(new.get(name))} ({where(new.get('group'))})"
    )


def _attached(old: list[Any], new: list[Any]) -> str:
    """What becomes of the certificates of a proxy; one phrase, whatever their places in the list."""
    before, after = [last_part(url) for url in old], [last_part(url) for url in new]
    added = ["a new one" if url == UNKNOWN else url for url in after if url not in before]
    removed = [url for url in before if url not in after]
    parts = [f"adds {', '.join(added)}"] if added else []
    parts += [f"removes {', '.join(removed)}"] if removed else []
    return f"certificates: {'; '.join(parts) or 'another order'}"


def _membership(position: int, olds: Props, news: Props) -> str:
    new, old = _element(news, position), _element(olds, position)
    if new and not _partner(olds, new.get("group")):
        return f"joins: {where(new.get('group'))} at scaler {scaler_text(new.get('capacityScaler'))}"
    if old and not _partner(news, old.get("group")):
        return f"leaves: {where(old.get('group'))}"
    return ""


def shown_name(name: str, inputs: Props) -> str:
    """The name that people know a resource by. The engine's own name of a group ends with its zone; the configuration has them apart."""
    own, zone = inputs.get("name"), inputs.get("zone")
    return f"{own} in {last_part(zone)}" if isinstance(own, str) and isinstance(zone, str) else name


def where(group: Any) -> str:
    """The region of a group, from its URL; its name where the URL has no place."""
    match = _PLACE.search(str(group))
    if match is None:
        return last_part(group)
    return match[2].rsplit("-", 1)[0] if match[1] == "zones" else match[2]


def scaler_text(value: Any) -> str:
    """A capacity scaler as people write it: 1.0 where it is all open."""
    return "1.0" if value == 1 else text(value)


def text(value: Any) -> str:
    """A value as people write it; what would steer a terminal stands as an escape, as anybody may have written it."""
    if value is None:
        return "nothing"
    if value == UNKNOWN:
        return "(known afterwards)"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, str) and "\n" in value:
        return f"({len(value.splitlines())} lines)"
    if isinstance(value, str):
        shown = last_part(value) if "projects/" in value else value
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return f"{len(value)} parts" if isinstance(value, list | dict) else str(value)


def _change(old: Any, new: Any) -> str:
    return f"{text(old)} -> {text(new)}"


def _element(props: Props, position: int) -> Props:
    backends = props.get("backends") or []
    return dict(backends[position]) if position < len(backends) else {}


def _partner(props: Props, group: Any) -> Props:
    for backend in props.get("backends") or []:
        if relative(str(backend.get("group"))) == relative(str(group)):
            return dict(backend)
    return {}


def describe_new(news: Props) -> tuple[str, ...]:
    """One phrase for each thing that a person wants to know of a resource with these inputs; nothing of a secret."""
    return tuple(_phrases_of_new({name: value for name, value in news.items() if value != SECRET}))


def _phrases_of_new(news: Props) -> Iterator[str]:
    for backend in news.get("backends") or []:
        yield _describe_backend(backend)
    yield from phrases(news)
    yield from new_routes(news, text)
    if news.get("portRange"):
        yield f"port {text(news['portRange'])}"
    for name, word in _PROBES.items():
        if name in news:
            yield " ".join(part for part in (word, (news[name] or {}).get("requestPath")) if part)
    for name, word in _PROXY.items():
        if news.get(name):
            yield f"{word} {text(news[name])}"
    for domain in (news.get("managed") or {}).get("domains") or []:
        yield text(domain)


def _describe_backend(backend: Props) -> str:
    group = backend.get("group")
    parts = [str(backend["balancingMode"])] if backend.get("balancingMode") else []
    parts += [f"{text(backend[name])} {unit}" for name, unit in _LIMITS.items() if backend.get(name)]
    if backend.get("capacityScaler") is not None:
        parts.append(f"scaler {scaler_text(backend['capacityScaler'])}")
    if backend.get("preference") == "PREFERRED":
        parts.append("filled first")
    return f"{'a new group' if group == UNKNOWN else where(group)}: {', '.join(parts) or 'no scaler'}"


def render_preview(preview: Preview, *, colour: bool) -> str:
    """The text of `spillway plan`, without a line break at its end: the changes, then what stands beside them."""
    beside = [
        *_drift_lines(preview),
        *_kept_lines(preview),
        *(f"! {held.sentence}" for held in preview.held),
        *_later_lines(preview),
    ]
    return "\n".join([_changes_text(preview, colour=colour), *(["", *beside] if beside else ())])


def _drift_lines(preview: Preview) -> Iterator[str]:
    if preview.drift:
        yield "Changed by somebody else:"
    for drift in preview.drift:
        written = (
            "it stays, as the policy respects it"
            if drift.answer is DriftAnswer.RESPECT
            else "`spillway up` writes it back"
        )
        yield f"    {drift.sentence}; {'`spillway up` makes it anew' if drift.gone else written}"


def _kept_lines(preview: Preview) -> Iterator[str]:
    """What others have set, by resource and field."""
    if preview.kept:
        yield "Kept, not managed:"
    for kept in sorted(preview.kept, key=lambda k: (k.kind.lower(), k.name, k.field)):
        yield f"    {kept.kind} {kept.name}  {kept.field}: {kept.value}"


def _later_lines(preview: Preview) -> Iterator[str]:
    if preview.later:
        yield "Certificates:"
    for sentence in preview.later:
        yield f"    {sentence}"


def _changes_text(preview: Preview, *, colour: bool) -> str:
    if not preview.changes:
        if preview.drift or preview.held:
            return f"Nothing to change in {preview.same} resources."
        return f"Nothing to change: {_things(preview.same)} as the configuration says."
    width = max(len(change.kind) for change in preview.changes)
    ordered = sorted(preview.changes, key=lambda c: (_ORDER.index(c.operation), c.kind.lower(), c.name))
    lines = [line for change in ordered for line in _lines(change, width, colour=colour)]
    return "\n".join([*lines, "", _last_line(preview)])


def _lines(change: PreviewedChange, width: int, *, colour: bool) -> list[str]:
    head = f"{_SIGNS[change.operation]} {change.kind:<{width}}  {change.name}"
    if colour:
        head = f"\x1b[{_COLOURS[change.operation]}m{head}\x1b[0m"
    return [head, *(f"    {detail}" for detail in change.details)]


def _last_line(preview: Preview) -> str:
    counts = [(sum(c.operation == operation for c in preview.changes), operation) for operation in _ORDER]
    parts = [f"{count} {_COUNTED[operation]}" for count, operation in counts if count]
    return f"{', '.join(parts)}, {preview.same} unchanged."


def _things(count: int) -> str:
    if count == 1:
        return "the one resource is"
    return f"all {count} resources are"
