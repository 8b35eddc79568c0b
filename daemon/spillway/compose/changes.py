"""What differs between two configurations, and what that means for a running daemon."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

from spillway import __version__
from spillway.config.load import Loaded
from spillway.config.model import Config

_RESTART = (
    "cloud", "project", "name", "sandbox",
    "daemon.state_dir", "daemon.listen", "daemon.hosts", "daemon.tls", "daemon.token_file", "daemon.operators_group", "daemon.log", "daemon.journal",
    "daemon.webhooks", "daemon.runbook_url",
    "daemon.engine.kind", "daemon.engine.backend", "daemon.engine.stack",
)  # fmt: skip
"""What a running process cannot change: where it lives, where it listens, which stack it owns."""


def digest_of(loaded: Loaded, engine: str, session: str) -> str:
    """Differs where a build could give something else: other files, another Spillway, another engine, another sandbox."""
    return hashlib.sha256(f"{loaded.digest}\n{__version__}\n{engine}\n{session}".encode()).hexdigest()


def session_of(config: Config) -> str:
    """Part of the digest of what was built: a sandbox forgets all when it ends, so a daemon builds at every start there."""
    return "" if config.cloud == "gcp" else str(time.time_ns())


def restart_needed(before: Config, after: Config) -> tuple[str, ...]:
    """Dotted paths that differ and that a running process cannot change."""
    return tuple(path for path in _RESTART if _at(before, path) != _at(after, path))


MOST_CHANGES = 40
"""Changed keys that are told at most; what follows is counted."""
_LONGEST_VALUE = 60
"""Characters of a value that are told."""
_NOTHING = object()
_SECRET = re.compile(r"daemon\.webhooks\b.*")
"""Keys whose values are told to nobody: who knows the URL of a webhook may post to it."""
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
"""What stands before the host of a URL."""


def differences(before: object, after: object) -> tuple[str, ...]:
    """Keys whose value differs, as `path: old -> new` in the words of the files, in the order of their paths; bounded.

    A configuration holds names of files and no secrets, but a place that Pulumi keeps state in may carry a password in its URL.

    Args:
        before: `Loaded.data` of the configuration in force.
        after: of the other one.
    """
    old, new = _leaves(before), _leaves(after)
    paths = [path for path in sorted({*old, *new}) if old.get(path, _NOTHING) != new.get(path, _NOTHING)]
    told = tuple(f"{path}: {_word(old, path)} -> {_word(new, path)}" for path in paths[:MOST_CHANGES])
    more = len(paths) - MOST_CHANGES
    return (*told, f"and {more} more") if more > 0 else told


def _word(leaves: dict[str, object], path: str) -> str:
    if path not in leaves:
        return "(not there)"
    if _SECRET.fullmatch(path):
        return "(not shown)"
    word = _CREDENTIALS.sub("://...@", str(leaves[path]))
    return word if len(word) <= _LONGEST_VALUE else word[: _LONGEST_VALUE - 3] + "..."


def _leaves(value: object, path: str = "") -> dict[str, object]:
    """Every value that is no section, by its dotted path; what users keep for themselves under `x-` is left out."""
    if isinstance(value, dict):
        parts = [(f"{path}.{key}" if path else str(key), part) for key, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    else:
        return {path: value}
    found: dict[str, object] = {}
    for name, part in parts:
        if not name.startswith("x-"):
            found |= _leaves(part, name)
    return found


def _at(config: Config, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


class Watch:
    """Tells whether a file of the configuration has changed. What a reload refers to anew, such as a certificate, is watched from then on.

    Args:
        path: the configuration: a file, or a directory.
        files: all that it was read from.
    """

    def __init__(self, path: Path, files: tuple[Path, ...]) -> None:
        self._path = path
        self._files = frozenset(files)
        self._seen = self._stamps(self._files)
        self._changes = 0

    def follow(self, files: tuple[Path, ...]) -> None:
        """Watch these from now on; may be called from another thread."""
        self._files = frozenset(files)

    def __call__(self) -> int:
        """How many changes were seen so far."""
        files = self._files
        now = self._stamps(files)
        if any(
            self._seen[name] != stamp if name in self._seen else name not in files
            for name, stamp in now.items()
        ):
            self._changes += 1
        self._seen = now
        return self._changes

    def _stamps(self, files: frozenset[Path]) -> dict[Path, tuple[int, int]]:
        """Size and time of each file; what is not there has neither."""
        path = self._path
        found = {}
        for name in {*files, *(path.glob("*.y*ml") if path.is_dir() else (path,))}:
            try:
                status = name.stat()
            except OSError:
                found[name] = (-1, -1)
            else:
                found[name] = (status.st_size, status.st_mtime_ns)
        return found
