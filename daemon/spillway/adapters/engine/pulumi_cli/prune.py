"""Keeping Pulumi's own history short: nobody reads it, and it grows by each update (pulumi.md 6)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from spillway.adapters.engine.embedded.run import PROJECT

KEEP = 20
"""Updates whose history stays, for somebody who looks with `pulumi stack history`."""


def prune(state: Path, stack: str, keep: int = KEEP) -> int:
    """Delete all but the newest history and backup files of a stack; safe while no update runs. How many went."""
    gone = 0
    for folder, files_each in (("history", 2), ("backups", 1)):
        found = (state / ".pulumi" / folder / PROJECT / stack).glob("*")
        # Names carry the time in nanoseconds; a file and its sidecar go together.
        names = sorted(file for file in found if not file.name.endswith(".attrs"))
        for file in names[: max(0, len(names) - keep * files_each)]:
            for victim in (file, file.with_name(file.name + ".attrs")):
                with suppress(FileNotFoundError):
                    victim.unlink()
                    gone += 1
    return gone
