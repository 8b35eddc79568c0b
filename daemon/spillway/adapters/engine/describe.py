"""Changes in a person's words: `scaler 1.0 -> 0.4 (europe-west4)` instead of a path into a set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from spillway.adapters.engine.provider.diff import UNKNOWN, Difference
from spillway.adapters.engine.provider.kinds import Props, last_part, relative

_WORDS = {
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
    if SECRET in (olds.get(top), news.get(top)):
        return f"{_WORDS.get(top, top)} changes (secret)"
    place = re.match(r"backends\[(\d+)\](?:\.(\w+))?", path)
    if place is None:
        word = re.sub(r"\[\d+\]", "", path)
        return f"{_WORDS.get(word, word)} {_change(_at(path, olds), _at(path, news))}"
    position, name = int(place[1]), place[2]
    if name is None:
        return _membership(position, olds, news)
    new = _element(news, position)
    old = _partner(olds, new.get("group"))
    word = f"backends.{name}"
    return f"{_WORDS.get(word, name)} {_change(old.get(name), new.get(name))} ({where(new.get('group'))})"


def _membership(position: int, olds: Props, news: Props) -> str:
    new, old = _element(news, position), _element(olds, position)
    if new and not _partner(olds, new.get("group")):
        return f"joins: {where(new.get('group'))} at scaler {text(new.get('capacityScaler'))}"
    if old and not _partner(news, old.get("group")):
        return f"leaves: {where(old.get('group'))}"
    return ""


def where(group: Any) -> str:
    """The region of a group, from its URL; its name where the URL has no place."""
    match = _PLACE.search(str(group))
    if match is None:
        return last_part(group)
    return match[2].rsplit("-", 1)[0] if match[1] == "zones" else match[2]


def text(value: Any) -> str:
    """A value as people write it."""
    if value is None:
        return "nothing"
    if value == UNKNOWN:
        return "(known afterwards)"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:g}" if value != 1 else "1.0"
    if isinstance(value, str) and "\n" in value:
        return f"({len(value.splitlines())} lines)"
    if isinstance(value, str):
        return last_part(value) if "projects/" in value else value
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


def _at(path: str, props: Any) -> Any:
    for name, position in re.findall(r"(\w+)|\[(\d+)\]", path):
        if name:
            props = props.get(name) if isinstance(props, dict) else None
        else:
            props = props[int(position)] if isinstance(props, list) and int(position) < len(props) else None
    return props
