"""One small file that survives crashes: written whole, beside the old one, then renamed over it."""

from __future__ import annotations

import os
from pathlib import Path

from spillway.adapters.journal import sync_folder
from spillway.errors import TemporaryError


class FileStore:
    """What the control loop must not forget, as bytes in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as error:
            raise TemporaryError(
                f"{path.parent} cannot be made: {error}",
                remedy="Set daemon.state_dir to a folder that this user may write.",
            ) from error

    def load(self) -> bytes | None:
        """What was saved last, or None where nothing was.

        Raises:
            TemporaryError: the file is there and cannot be read.
        """
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TemporaryError(
                f"{self._path} cannot be read: {error}", remedy="Check owner and mode of daemon.state_dir."
            ) from error

    def save(self, content: bytes) -> None:
        """Replace the content; after a crash at any point either the old or the new one is there, never a mixture.

        Raises:
            TemporaryError: the disk does not take it; the old content stands.
        """
        fresh = self._path.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise TemporaryError(
                f"{self._path} cannot be written: {error}",
                remedy="Free space on the disk of daemon.state_dir.",
            ) from error

    def set_aside(self) -> str:
        """Move a file that nobody can read out of the way, keeping it for whoever wants to know why; its new name."""
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.unreadable-{number}")).exists():
            number += 1
        self._path.replace(aside)
        return str(aside)
