"""Reload: read the configuration again, swap it in whole between two passes, or keep the last good one and say why.

A configuration that names something which does not exist yet, such as a group of endpoints that somebody else makes, is tried
again by itself: after 1, 2, 4, 8 and then every 16 minutes of the world, `MOST_TRIES` times.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from spillway.control.requests import Answer, Verdict
from spillway.control.tick import Loop
from spillway.control.timing import Backoff
from spillway.control.writer import GOOD
from spillway.core.explain.reasons import alarm
from spillway.core.values.decision import span
from spillway.errors import ConfigError, SpillwayError
from spillway.ports import Applied
from spillway.service.roles import Candidate, Notifier, Rhythm, StatusServer

_log = logging.getLogger(__name__)

JUST = 600.0
"""Seconds of the world for which a reload that was accepted is told again to whoever asks for another."""
MOST_TRIES = 20
"""Tries at most: some five hours."""

_VERDICTS = {
    "accepted": Verdict.DONE,
    "unchanged": Verdict.DONE,
    "refused": Verdict.MISTAKEN,
    "restart-needed": Verdict.FAILED,
    "failed": Verdict.FAILED,
}

_WORDS = {"restart-needed": "not possible"}
"""What the log says of an outcome, where its name is no word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadReport:
    """What became of one reload."""

    outcome: str
    """accepted, unchanged, refused, restart-needed or failed."""
    sentence: str
    problems: tuple[str, ...] = ()
    """Mistakes, each with its place."""
    changes: tuple[str, ...] = ()
    """Keys of the configuration whose value is another, as `path: old -> new`."""
    built: tuple[tuple[str, str], ...] = ()
    """(operation, resource) of what was done in the cloud."""
    absent: bool = False
    """Whether it failed because something does not exist yet."""

    @property
    def good(self) -> bool:
        """Whether what is on the disk is in force."""
        return self.outcome in {"accepted", "unchanged"}

    def answer(self) -> Answer:
        """The same for whoever asked for it."""
        done = (*self.changes, *(f"{operation} {name}" for operation, name in self.built))
        if self.outcome == "unchanged" and done:
            done = ("What was changed then:", *done)
        remedy = ""
        if self.outcome == "refused":
            remedy = "Correct it and reload again; what was in force before stays so."
        elif self.outcome == "restart-needed":
            remedy = "Restart the daemon: systemctl restart spillway."
        return Answer(
            verdict=_VERDICTS[self.outcome],
            sentence=self.sentence,
            guard="" if self.good else "config-not-in-force",
            remedy=remedy,
            notes=(*self.problems, *done),
        )


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
        self._accepted: tuple[float, ReloadReport] | None = None
        """The newest one that was accepted, and when."""
        self._waiting: Backoff | None = None
        """Set while something that does not exist yet is waited for."""

    def __call__(self) -> ReloadReport:
        """One reload, from reading to the line in the log."""
        self._waiting = None
        return self._once()

    def retry(self) -> None:
        """Try again where that is due; called before a tick."""
        if self._waiting is not None and self._waiting.waiting(self._loop.now()) <= 0.0:
            self._once()

    def _once(self) -> ReloadReport:
        self._notifier.reloading()
        try:
            report = self._try()
        except ConfigError as error:
            count = len(error.problems)
            report = ReloadReport(
                outcome="refused",
                sentence=f"the changed configuration has {count} mistake{'' if count == 1 else 's'}; the last good one stays in force",
                problems=tuple(str(problem) for problem in error.problems),
            )
            for problem in error.problems:
                _log.error("%s", problem)
        except SpillwayError as error:
            report = ReloadReport(
                outcome="failed",
                sentence=f"the new configuration could not be taken over: {error} {error.remedy}".rstrip(),
            )
        finally:
            self._notifier.ready()
        if report.outcome == "accepted":
            self._accepted = self._loop.now(), report
        report = self._with_next_try(report)
        self._loop.note("reload", report.sentence, outcome=report.outcome, changes=report.changes)
        level = logging.INFO if report.good else logging.ERROR
        _log.log(level, "Reload %s: %s.", _WORDS.get(report.outcome, report.outcome), report.sentence)
        # what an earlier reload has brought is in the log already
        for change in report.changes if report.outcome != "unchanged" else ():
            _log.info("Changed: %s", change)
        if report.good:
            self._loop.alarms.clear("config-not-in-force", self._loop.now())
        else:
            self._loop.alarms.set(alarm("config-not-in-force", why=_brief(report)), self._loop.now())
        # Last: whoever is alerted by the count finds the reason in the journal.
        self._server.reloaded(report.outcome)
        return report

    def _with_next_try(self, report: ReloadReport) -> ReloadReport:
        """The report with what happens next where something does not exist yet."""
        if not report.absent:
            self._waiting = None
            return report
        waiting = self._waiting or Backoff()
        waiting.failed(self._loop.now())
        if waiting.failures >= MOST_TRIES:
            self._waiting = None
            return replace(
                report, sentence=f"{report.sentence}; it was tried {MOST_TRIES} times and is given up"
            )
        self._waiting = waiting
        wait = waiting.waiting(self._loop.now())
        return replace(
            report,
            sentence=f"{report.sentence}; it refers to something that does not exist yet, and is tried again in {span(wait)}"
            f" (try {waiting.failures} of {MOST_TRIES})",
        )

    def _mend(self) -> ReloadReport:
        """The report where nothing is new: what a failed reload has left in the cloud is put right."""
        same = "the configuration says the same as before"
        applied = self._loop.mend()
        if applied is None:
            return self._unchanged(same)
        self._built(applied)
        if applied.outcome in GOOD:
            return ReloadReport(
                outcome="accepted",
                sentence=f"{same}, and what a failed build had left is put right ({applied.sentence})",
                built=applied.changes,
            )
        return ReloadReport(
            outcome="failed",
            sentence=f"{same}, but what a failed build has left could not be put right: {applied.sentence}",
            absent=applied.absent,
        )

    def _unchanged(self, same: str) -> ReloadReport:
        """The report where nothing is to be done. Who has just changed the file hears what the look at it has brought."""
        at, last = self._accepted or (0.0, None)
        if last is None or self._loop.now() - at > JUST:
            return ReloadReport(outcome="unchanged", sentence=same)
        when = f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
        return ReloadReport(
            outcome="unchanged",
            sentence=f"{same}; it was taken over at {when}",
            changes=last.changes,
            built=last.built,
        )

    def _built(self, applied: Applied) -> None:
        """Count a build, and say if it met an edit by somebody else."""
        self._server.built(applied)
        warn_of_edit(applied)

    def _try(self) -> ReloadReport:
        """The report of a reload whose input has no mistakes."""
        candidate = self._candidate()
        if candidate.digest == self._loop.parts.digest:
            return self._mend()
        if candidate.restart:
            changed = ", ".join(candidate.restart)
            return ReloadReport(
                outcome="restart-needed",
                sentence=f"a restart is needed to change {changed}; until then the last good configuration stays in force",
                changes=candidate.changes,
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
            return _not_taken(applied, candidate.changes)
        candidate.taken()
        self._retime(candidate.rhythm)
        return ReloadReport(
            outcome="accepted",
            sentence="the new configuration is in force"
            + (f" ({applied.sentence})" if applied is not None else ""),
            changes=candidate.changes,
            built=applied.changes if applied is not None else (),
        )


def _not_taken(applied: Applied, changes: tuple[str, ...]) -> ReloadReport:
    return ReloadReport(
        outcome="failed",
        sentence=f"the cloud did not take it ({applied.sentence}); the last good configuration stays in force",
        changes=changes,
        absent=applied.absent,
    )


def _brief(report: ReloadReport) -> str:
    """Why the configuration on the disk is not in force, in one sentence: the first mistake stands for all."""
    return f"{report.sentence}; the first: {report.problems[0]}" if report.problems else report.sentence
