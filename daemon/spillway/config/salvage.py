"""What is still good in a configuration with mistakes: so that the rules can judge the rest of it.

A part is stripped of what does not fit, step by step, until it does; a value that was taken out is replaced by its
default, and its location is `broken`, so that no rule says anything that rests on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import ErrorDetails

from spillway.config.check import locate, look_up, meant_key, validate
from spillway.config.model import Config
from spillway.config.tree import Location

T = TypeVar("T")

_ROUNDS = 50
"""Each round takes out at least one value; a part with more layers of mistakes is given up."""


@dataclass(slots=True)
class Salvage:
    """Parts of one document, and what had to be taken out of them."""

    data: Any
    broken: set[Location] = field(default_factory=set)
    _kept: dict[Location, tuple[int, ...]] = field(default_factory=dict)
    """For lists that lost items: the original index of each that is left."""

    def note_absent(self) -> None:
        """Mark as broken what is missing although it is required, or is there under a misspelt key."""
        for error in validate(Config, self.data)[1]:
            location = locate(error, self.data)
            if error["type"] == "missing":
                self.broken.add(location)
            elif error["type"] == "extra_forbidden":
                meant = meant_key(Config, self.data, location)
                self.broken |= set() if meant is None else {meant}

    def part(self, model: type[T], at: Location) -> T | None:
        """The part at `at`, without what does not fit; None where it is absent or cannot be saved."""
        data = look_up(self.data, at)
        if data is None:
            return None
        removed: set[Location] = set()
        for _ in range(_ROUNDS):
            kept: dict[Location, tuple[int, ...]] = {}
            rest = _strip(data, at, removed, kept)
            instance, errors = validate(model, rest)
            if instance is not None:
                self._kept.update(kept)
                return instance
            for error in errors:
                removed.add(self._offender(error, rest, at, kept))
            if at in removed:
                break
        self.broken.add(at)
        return None

    def parts(self, model: type[T], at: Location) -> dict[str, T]:
        """The entries of the mapping by name at `at` that can be saved."""
        data = look_up(self.data, at)
        if data is not None and not isinstance(data, dict):
            self.broken.add(at)
        names = data if isinstance(data, dict) else {}
        found = {name: self.part(model, (*at, name)) for name in names}
        self.broken |= {(*at, name) for name, part in found.items() if part is None}
        return {name: part for name, part in found.items() if part is not None}

    def items(self, at: Location, values: Sequence[T]) -> Iterator[tuple[Location, T]]:
        """The items of a list with their original locations."""
        kept = self._kept.get(at, tuple(range(len(values))))
        for index, value in zip(kept, values, strict=True):
            yield (*at, index), value

    def rests_on_broken(self, locations: Sequence[Location]) -> bool:
        """True if one of `locations` is broken, lies in something broken, or holds something broken."""
        for wanted in locations:
            for broken in self.broken:
                shorter = min(len(wanted), len(broken))
                if wanted[:shorter] == broken[:shorter]:
                    return True
        return False

    def _offender(
        self, error: ErrorDetails, rest: Any, at: Location, kept: Mapping[Location, tuple[int, ...]]
    ) -> Location:
        """Original location of what must be taken out because of `error`."""
        found = locate(error, rest)
        location = at
        for part in found:
            indices = kept.get(location)
            location = (*location, indices[part] if indices is not None and isinstance(part, int) else part)
        self.broken.add(location)
        if error["type"] == "extra_forbidden":
            meant = meant_key(Config, self.data, location)
            if meant is not None:
                self.broken.add(meant)
        if error["type"] in {"missing", "union_tag_not_found"}:
            self.broken.add(location[:-1])
            return location[:-1]
        return location


def _strip(data: Any, at: Location, removed: set[Location], kept: dict[Location, tuple[int, ...]]) -> Any:
    """`data` without what lies at `removed`."""
    if not removed:
        return data
    if isinstance(data, dict):
        return {
            key: _strip(value, (*at, key), removed, kept)
            for key, value in data.items()
            if (*at, key) not in removed
        }
    if isinstance(data, list):
        left = tuple(i for i in range(len(data)) if (*at, i) not in removed)
        if len(left) < len(data):
            kept[at] = left
        return [_strip(data[i], (*at, i), removed, kept) for i in left]
    return data
