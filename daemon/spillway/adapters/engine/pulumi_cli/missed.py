"""Creates of a dead CLI whose objects were not there when they were looked for: the requests may still arrive.

Pulumi's import drops pending operations, so they are kept in a file of ours, without any secret, until an update has
ended well. Should a name turn out to be taken meanwhile, they prove that what took it is ours.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spillway.adapters.engine.provider.wire import without_secrets
from spillway.errors import PermanentError

MISSED = "missed"
"""Type of such an operation, next to Pulumi's own `creating`, `updating` and `deleting`."""

Operation = dict[str, Any]
"""A pending operation as `pulumi stack export` gives it: `type`, `resource`."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The file."""

    path: Path

    def operations(self) -> list[Operation]:
        """What is kept.

        Raises:
            PermanentError: the file is there and cannot be read.
        """
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return [{"type": MISSED, "resource": dict(resource)} for resource in kept]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise PermanentError(
                f"{self.path} cannot be read: {error}",
                remedy="Delete it; a create that a crash cut off may then have to be deleted by hand.",
            ) from error

    def keep(self, operations: list[Operation]) -> None:
        """Keep these and no others."""
        if not operations:
            self.path.unlink(missing_ok=True)
            return
        resources = [
            {**operation["resource"], "inputs": without_secrets(operation["resource"].get("inputs") or {})}
            for operation in operations
        ]
        temporary = self.path.with_suffix(".new")
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(resources, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
