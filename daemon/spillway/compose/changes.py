"""What differs between two configurations, and what that means for a running daemon."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from spillway import __version__
from spillway.config.load import Loaded
from spillway.config.model import Config

_RESTART = (
    "cloud", "project", "name", "sandbox",
    "daemon.state_dir", "daemon.listen", "daemon.hosts", "daemon.log", "daemon.journal",
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
