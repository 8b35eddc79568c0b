"""What differs between what the program wants and the state, judged as the real provider judges it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from spillway.adapters.engine.provider.kinds import ITSELF, Props, ResourceKind, relative

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands on Pulumi's wire for a value that is known only after an update."""


_STEPS = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
"""Names and places in lists. `[` and `.` end a name, and nothing else does: the key of a label has hyphens."""


class DiffKind(StrEnum):
    """What becomes of one property."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Difference:
    """One property that differs."""

    path: str
    """Such as `backends[0].capacityScaler`."""
    change: DiffKind

    @property
    def top(self) -> str:
        """The resource's property in which it lies."""
        return self.path.partition(".")[0].partition("[")[0]


@dataclass(frozen=True, slots=True)
class DiffResult:
    """All differences, and what they demand."""

    differences: tuple[Difference, ...]
    replaces: tuple[str, ...]
    """Properties that cannot be changed in place."""

    @property
    def changed(self) -> frozenset[str]:
        """The properties that differ."""
        return frozenset(difference.top for difference in self.differences)


def compare(
    kind: ResourceKind, old_inputs: Props, state: Props, news: Props, ignore: tuple[str, ...] = ()
) -> DiffResult:
    """Compare what is wanted with what is there.

    A property that the program neither sets nor has set is the server's own business and no difference, and neither is
    one whose path is in `ignore`.
    """
    found: list[Difference] = []
    for name in sorted({*news, *old_inputs}):
        there = old_inputs.get(name) if name in kind.opaque else state.get(name)
        found.extend(_walk(name, name, kind.keyed, old=old_inputs.get(name), there=there, new=news.get(name)))
    found = [difference for difference in found if not is_within(difference.path, ignore)]
    if kind.update is None:
        replaces = sorted({difference.top for difference in found})
    else:
        replaces = sorted({difference.top for difference in found} & kind.fixed)
    return DiffResult(tuple(found), tuple(replaces))


def is_within(path: str, paths: Iterable[str]) -> bool:
    """True if `path` is one of `paths`, or lies inside one."""
    return any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in paths)


def value_at(path: str, props: Any) -> Any:
    """The value at a path such as `hostRules[0].hosts` or `labels.managed-by`; None where there is none."""
    for name, position in _STEPS.findall(path):
        if name:
            props = props.get(name) if isinstance(props, Mapping) else None
        else:
            props = props[int(position)] if isinstance(props, list) and int(position) < len(props) else None
    return props


def reset(news: Props, old_inputs: Props, ignore: Iterable[str]) -> Props:
    """The new inputs with the old ones at each ignored path, as Pulumi's engine prepares them before it asks a provider."""
    result = dict(news)
    for path in ignore:
        name, _, rest = path.partition(".")
        if rest:
            old, new = old_inputs.get(name), result.get(name)
            if isinstance(old, Mapping) and isinstance(new, Mapping):
                result[name] = reset(dict(new), dict(old), (rest,))
        elif name in old_inputs:
            result[name] = old_inputs[name]
        else:
            result.pop(name, None)
    return result


def _walk(
    path: str, name: str, keyed: Mapping[str, str], *, old: Any, there: Any, new: Any
) -> Iterator[Difference]:
    if new == UNKNOWN:
        yield Difference(path, DiffKind.UPDATE)
    elif _is_empty(new):
        if not _is_empty(there) and not _is_zero_as_text(new, there):
            yield Difference(path, DiffKind.DELETE)
    elif _is_empty(there):
        yield Difference(path, DiffKind.ADD)
    elif isinstance(new, Mapping) and isinstance(there, Mapping):
        before = old if isinstance(old, Mapping) else {}
        for key in sorted({*new, *before}):
            yield from _walk(
                f"{path}.{key}", key, keyed, old=before.get(key), there=there.get(key), new=new.get(key)
            )
    elif isinstance(new, list) and isinstance(there, list):
        before_list = old if isinstance(old, list) else []
        yield from _walk_list(path, name, keyed, old=before_list, there=there, new=new)
    elif not same(new, there):
        yield Difference(path, DiffKind.UPDATE)


def _walk_list(
    path: str, name: str, keyed: Mapping[str, str], *, old: list[Any], there: list[Any], new: list[Any]
) -> Iterator[Difference]:
    """Elements by position, or by their key where the list is a set."""
    by = keyed.get(name)
    olds, theres, news = ({_key(by, i, e): (i, e) for i, e in enumerate(part)} for part in (old, there, new))
    for key, (position, element) in news.items():
        place = f"{path}[{position}]"
        if key not in theres:
            yield Difference(place, DiffKind.ADD)
        else:
            before = olds.get(key, (0, None))[1]
            yield from _walk(place, "", keyed, old=before, there=theres[key][1], new=element)
    for key, (position, _) in theres.items():
        if key not in news:
            yield Difference(f"{path}[{position}]", DiffKind.DELETE)


def overwrites(kind: ResourceKind, before: Props, live: Props, wanted: Props) -> bool:
    """True if writing `wanted` would undo what somebody changed: it is not as it was before, and we want it otherwise.

    Args:
        kind: of the resource.
        before: what the program had set.
        live: what the cloud has.
        wanted: what the program sets now.
    """
    appeared = (name for name in kind.watched if not _is_empty(live.get(name)))
    names = {*before, *wanted, *appeared} - kind.opaque
    return any(
        _clash(_Sides(before.get(name), live.get(name), wanted.get(name)), name, kind.keyed) for name in names
    )


class _Sides(NamedTuple):
    """One property as it was, as it is, and as we want it."""

    before: Any
    live: Any
    wanted: Any

    def part(self, key: Any) -> _Sides:
        """The same of one part of it."""
        return _Sides(*(side.get(key) if isinstance(side, Mapping) else None for side in self))


def _clash(sides: _Sides, name: str, keyed: Mapping[str, str]) -> bool:
    given = [side for side in sides if not _is_empty(side)]
    if given and all(isinstance(side, Mapping) for side in given):
        # What neither of us sets is the server's own business, unless all of the block is new.
        names = {*(sides.before or {}), *(sides.wanted or {})} or {*sides.live}
        return any(_clash(sides.part(key), key, keyed) for key in names)
    if name in keyed and all(isinstance(side, list) for side in given):
        sets = _Sides(
            *(
                {_key(keyed[name], i, element): element for i, element in enumerate(side or ())}
                for side in sides
            )
        )
        return any(_clash(sets.part(key), "", keyed) for key in {key for side in sets for key in side})
    return not _equal(sides.before, sides.live) and not _equal(sides.wanted, sides.live)


def _equal(one: Any, other: Any) -> bool:
    if _is_empty(one) or _is_empty(other):
        return (_is_empty(one) and _is_empty(other)) or _is_zero_as_text(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_equal(value, other.get(key)) for key, value in one.items())
    return same(one, other)


def shaped(old: Any, live: Any, name: str, keyed: Mapping[str, str]) -> Any:
    """What the cloud has, cut to what the program had set: the server's own defaults are set by nobody.

    Where the cloud has nothing the old value stays; the comparison with the state shows what is gone.
    """
    if live is None:
        return old
    if isinstance(old, Mapping) and isinstance(live, Mapping):
        return {key: shaped(value, live.get(key), key, keyed) for key, value in old.items()}
    if isinstance(old, list) and isinstance(live, list):
        by = keyed.get(name)
        olds = {_key(by, position, element): element for position, element in enumerate(old)}
        return [shaped(olds.get(_key(by, i, element)), element, "", keyed) for i, element in enumerate(live)]
    return live


def _key(by: str | None, position: int, element: Any) -> Any:
    if by == ITSELF:
        return relative(str(element))
    if by is None or not isinstance(element, Mapping):
        return position
    return relative(str(element.get(by)))


def same(one: Any, other: Any) -> bool:
    """Equal as the provider sees it: links by their path, numbers by their value even where JSON has them as text."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, str) and isinstance(other, str):
        return relative(one) == relative(other)
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return bool(one == other)


def _is_zero_as_text(one: Any, other: Any) -> bool:
    """True for 0 and "0": the API writes numbers of 64 bits as text, and a zero that was set is sent."""
    return one is not None and other is not None and "0" in (one, other) and same(one, other)


def _is_empty(value: Any) -> bool:
    """Absent, null, empty, false and 0 are one to the API, which leaves out what is zero."""
    return value is None or value is False or value == 0 or value in ("", [], {})
