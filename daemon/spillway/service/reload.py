"""Reload: read the configuration again, swap it in whole between two passes, or keep the last good one and say why."""

from __future__ import annotations

import logging
from collections.abc import Callable

from spillway.control.tick import Loop
from spillway.control.writer import GOOD
from spillway.errors import ConfigError, SpillwayError
from spillway.ports import Applied
from spillway.service.roles import Candidate, Notifier, Rhythm, StatusServer

_log = logging.getLogger(__name__)


def warn_of_edit(applied: Applied) -> None:
    """Say that a build met an edit by somebody else."""
    if applied.foreign_edit:
        _log.warning("Somebody else edited the load balancer while it was built: %s", applied.sentence)


class Reloader:
    """Runs in the ticker's thread, so that no pass is under way.

    Args:
        loop: takes over the new parts.
        server: counts outcomes.
        notifier: told when a reload begins and ends.
        candidate: reads the configuration again; raises ConfigError.
        retime: told the new rhythm after a swap.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        server: StatusServer,
        notifier: Notifier,
        candidate: Callable[[], Candidate],
        retime: Callable[[Rhythm], None],
    ) -> None:
        self._loop = loop
        self._server = server
        self._notifier = notifier
        self._candidate = candidate
        self._retime = retime

    def __call__(self) -> None:
        """One reload, from reading to the line in the log."""
        self._notifier.reloading()
        try:
            outcome, sentence = self._try()
        except ConfigError as error:
            outcome = "refused"
            sentence = f"the changed configuration has {len(error.problems)} mistake(s); the last good one stays in force"
            for problem in error.problems:
                _log.error("%s", problem)
        except SpillwayError as error:
            outcome, sentence = (
                "failed",
                f"the new configuration could not be taken over: {error} {error.remedy}".rstrip(),
            )
        finally:
            self._notifier.ready()
        self._loop.note("reload", sentence)
        good = outcome in {"accepted", "unchanged"}
        _log.log(logging.INFO if good else logging.ERROR, "Reload %s: %s.", outcome, sentence)
        # Last: whoever is alerted by the count finds the reason in the journal.
        self._server.reloaded(outcome)

    def _mend(self) -> tuple[str, str]:
        """Outcome and sentence where nothing is new: what a failed reload has left in the cloud is put right."""
        same = "the configuration says the same as before"
        applied = self._loop.mend()
        if applied is None:
            return "unchanged", same
        self._built(applied)
        if applied.outcome in GOOD:
            return "accepted", f"{same}, and what a failed build had left is put right ({applied.sentence})"
        return (
            "failed",
            f"{same}, but what a failed build has left could not be put right: {applied.sentence}",
        )

    def _built(self, applied: Applied) -> None:
        """Count a build, and say if it met an edit by somebody else."""
        self._server.built(applied)
        warn_of_edit(applied)

    def _try(self) -> tuple[str, str]:
        """Outcome and sentence of a reload whose input has no mistakes."""
        candidate = self._candidate()
        if candidate.digest == self._loop.parts.digest:
            return self._mend()
        if candidate.restart:
            changed = ", ".join(candidate.restart)
            return (
                "restart-needed",
                f"a restart is needed to change {changed}; until then the last good configuration stays in force",
            )
        parts = candidate.build()
        try:
            applied = self._loop.swap(parts)
        except SpillwayError:
            parts.close()
            raise
        if applied is not None:
            self._built(applied)
        if applied is not None and applied.outcome not in GOOD:
            parts.close()
            return (
                "failed",
                f"the cloud did not take it ({applied.sentence}); the last good configuration stays in force",
            )
        self._retime(candidate.rhythm)
        return "accepted", "the new configuration is in force" + (
            f" ({applied.sentence})" if applied is not None else ""
        )
