"""What the web server shows of a daemon that cannot run until somebody acts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from spillway import __version__
from spillway.adapters.journal.answers import Answers
from spillway.adapters.journal.recent import Recent


class Stopped:
    """What the web server shows meanwhile.

    Args:
        why: one sentence, and what a person can do.
        journal: the file of what happened before; None where nobody knows where it is.
    """

    def __init__(self, why: str, journal: Path | None = None) -> None:
        self._why = why
        self.past = Answers(journal, Recent())
        self.registry = CollectorRegistry()
        Gauge("spillway_ready", "1 from the first finished tick until the stop.", registry=self.registry).set(
            0
        )

    def healthy(self) -> tuple[bool, str]:
        """Alive, so that nobody restarts it in vain."""
        return True, f"stopped until somebody acts: {self._why}"

    def ready(self) -> tuple[bool, str]:
        """Not ready, and why."""
        return False, f"stopped until somebody acts: {self._why}"

    def status(self) -> dict[str, Any]:
        """The document of /status, with the fields of a daemon that has not ticked yet."""
        return {
            "schema": 1,
            "version": __version__,
            "name": "",
            "project": "",
            "cloud": "",
            "engine": "",
            "speed": 1.0,
            "tick_seconds": 0.0,
            "now": time.time(),
            "ready": False,
            "healthy": True,
            "missed_ticks": 0,
            "tick": 0,
            "at": None,
            "sentence": "Stopped until somebody acts.",
            "address": None,
            "outputs": {},
            "alarms": [],
            "silences": [],
            "problems": [self._why],
            "services": [],
            "decisions": [],
        }
