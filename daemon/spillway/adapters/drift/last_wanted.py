"""What the program declared when it was last built: by it a changed configuration is told from a changed cloud.

A field that differs is drift where the configuration still says what it said at the last build. Where it says something
else, a person has decided. What was attempted since and did not end well counts as ours: part of it may stand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from spillway.adapters.drift.wanted import WantedPart
from spillway.adapters.files import write_atomically
from spillway.adapters.program.kept import Part
from spillway.config.reading import read_bounded

_VERSION = 1
_LARGEST = 256 << 20
"""Bytes that are read: as many as of the engine's state. A longer file is cut, and then makes no sense."""
_ATTEMPTS = 4
"""Attempts that are remembered; older ones have been read back by then."""

Declared = Mapping[str, Mapping[str, Any]]
"""Inputs by part."""


class LastWanted:
    """Kept in one file beside the engine's state. What cannot be read counts as never built."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._built: Declared = {}
        self._attempts: list[Declared] = []
        self._since: dict[str, float] = {}
        self.load()

    @property
    def empty(self) -> bool:
        """True before the first build."""
        return not self._built

    def built(self, part: WantedPart) -> Mapping[str, Any] | None:
        """The inputs of a part at the last build; None where it was no part of it."""
        return self._built.get(_key(part))

    def attempts(self, part: WantedPart) -> list[Mapping[str, Any]]:
        """Its inputs in each attempt since."""
        return [attempt[_key(part)] for attempt in self._attempts if _key(part) in attempt]

    def of_kind(self, token: str) -> list[tuple[str, Mapping[str, Any]]]:
        """(name, inputs) of all parts of one type, at the last build and in each attempt since."""
        return [
            (key.rpartition("::")[2], inputs)
            for declared in (self._built, *self._attempts)
            for key, inputs in declared.items()
            if key.rpartition("::")[0] == token
        ]

    def since(self, name: str, at: float) -> float:
        """UTC seconds since which something is known; `at` where it is new."""
        return self._since.setdefault(name, at)

    def forget_since(self, but: Sequence[str]) -> None:
        """Keep the beginnings of what still is, and write them down."""
        kept = {name: self._since[name] for name in but if name in self._since}
        if kept != self._since or but:
            self._since = kept
            self._save()

    def begin(self, parts: Sequence[WantedPart]) -> None:
        """An attempt begins."""
        attempt = {_key(part): part.inputs for part in parts}
        if attempt != self._built:
            self._attempts = [*(a for a in self._attempts if a != attempt), attempt][-_ATTEMPTS:]
            self._save()

    def finish(self, parts: Sequence[WantedPart], *, but: Collection[Part]) -> None:
        """It ended well: this stands, `but` for parts that were not written."""
        built: dict[str, Mapping[str, Any]] = {_key(p): p.inputs for p in parts if p.part not in but}
        built |= {_key(p): self._built[_key(p)] for p in parts if p.part in but and _key(p) in self._built}
        if built != self._built or self._attempts:
            self._built, self._attempts = built, []
            self._save()

    def clear(self) -> None:
        """Nothing stands any more."""
        self._built, self._attempts, self._since = {}, [], {}
        self._save()

    def load(self) -> None:
        """Read the file: another engine on the same state may have written it since."""
        try:
            document = json.loads(read_bounded(self._path, _LARGEST))
            if document["version"] != _VERSION:
                return
            self._built = _declared(document["built"])
            self._attempts = [_declared(attempt) for attempt in document["attempts"]]
            self._since = {str(name): float(at) for name, at in document["since"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._built, self._attempts, self._since = {}, [], {}

    def _save(self) -> None:
        document = {
            "version": _VERSION,
            "built": self._built,
            "attempts": self._attempts,
            "since": self._since,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(document).encode(), mode=0o600)


def _declared(document: Any) -> Declared:
    """What the file says that a build declared.

    Raises:
        TypeError: it is no object of objects.
        AttributeError: the same.
    """
    found = dict(document.items())
    if not all(isinstance(inputs, dict) for inputs in found.values()):
        raise TypeError("the inputs of a part are an object")
    return found


def _key(part: WantedPart) -> str:
    return f"{part.token}::{part.name}"
