"""What differs between two configurations, and what that means for a running daemon."""

from __future__ import annotations

import hashlib
from pathlib import Path

from spillway import __version__
from spillway.config.load import Loaded
from spillway.config.model import Config

_RESTART = (
    "cloud", "project", "name", "sandbox",
    "daemon.state_dir", "daemon.listen", "daemon.log", "daemon.journal",
    "daemon.engine.kind", "daemon.engine.backend", "daemon.engine.stack",
)  # fmt: skip
"""What a running process cannot change: where it lives, where it listens, which stack it owns."""


def digest_of(loaded: Loaded, engine: str, session: str) -> str:
    """Differs where a build could give something else: other files, another Spillway, another engine, another sandbox."""
    return hashlib.sha256(f"{loaded.digest}\n{__version__}\n{engine}\n{session}".encode()).hexdigest()


def restart_needed(before: Config, after: Config) -> tuple[str, ...]:
    """Dotted paths that differ and that a running process cannot change."""
    return tuple(path for path in _RESTART if _at(before, path) != _at(after, path))


def _at(config: Config, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def signature(config_path: Path, files: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every file of a configuration: differs after one was changed, added or removed."""
    names = {*files, *(config_path.glob("*.y*ml") if config_path.is_dir() else (config_path,))}
    found = []
    for name in sorted(names):
        try:
            status = name.stat()
        except OSError:
            found.append((str(name), -1, -1))
        else:
            found.append((str(name), status.st_size, status.st_mtime_ns))
    return tuple(found)
