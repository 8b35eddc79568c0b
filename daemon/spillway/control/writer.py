"""Writes of the loop: intent on the disk, then the write, then what became of it.

The intent is durable before a write and leaves the disk when the outcome is known, so a crash at any point is the same
as a write of unknown outcome: the next pass looks before it decides, and nothing is done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from spillway.control.memory import Intent, Keeper, Kept
from spillway.control.records import event_record, intent_record
from spillway.control.timing import Backoff, Progress
from spillway.core import loop
from spillway.core.explain.reasons import alarm
from spillway.core.values.alarms import Alarm
from spillway.core.values.decision import Plan, span
from spillway.core.values.overlay import Overlay
from spillway.core.values.topology import ServiceName
from spillway.errors import PermanentError, SpillwayError
from spillway.ports import Applied, Deployer, Journal, Outcome

_log = logging.getLogger(__name__)

GOOD = frozenset({Outcome.DONE, Outcome.UNCHANGED})
"""Outcomes after which the cloud is as the plan says."""

FAILURES = 3
"""Writes in a row that did not work, from which it is an alarm: the third comes some three minutes after the first."""


class Writer:
    """Carries out plans and keeps what must survive.

    Args:
        journal: the record.
        keeper: what survives.
        progress: marks for liveness.
        now: the world's UTC seconds.
    """

    def __init__(
        self, *, journal: Journal, keeper: Keeper, progress: Progress, now: Callable[[], float]
    ) -> None:
        self.kept = Kept()
        self._journal = journal
        self._keeper = keeper
        self._progress = progress
        self._now = now
        self._backoff = Backoff()
        self._repair = False
        self.intended: Overlay | None = None
        """What an intent that was found open at the start was to leave, until the next build."""
        self.blocked = ""
        """Why the engine cannot work until somebody acts, as the last call found; empty where it can."""
        self.failed = ""
        """Why the last write did not work; empty where it did."""
        self.unsaved = ""
        """Why what must survive is not on the disk; empty where it is."""
        self.journal_problem = ""
        """Why the journal took no record the last time; empty where it did."""
        self._records_lost = 0

    @property
    def state_file(self) -> str:
        """Where what survives is kept, as people find it."""
        return self._keeper.name

    def restore(self) -> str:
        """Read what survived; a sentence about it. An open intent becomes a write of unknown outcome.

        Raises:
            SpillwayError: the state folder cannot be read.
        """
        self.kept, sentence = self._keeper.restore()
        intent = self.kept.intent
        if intent is not None:
            memory = loop.confirm(self.kept.memory, intent.plan, outcome_done=False, at=intent.at)
            self.kept = replace(self.kept, memory=memory, intent=None)
            self.intended = intent.plan.overlay
            self._repair = True
            sentence += (
                " The last process ended in the middle of a write: what became of it is looked up first."
            )
        return sentence

    def write(self, deployer: Deployer, plan: Plan, at: float) -> Applied | None:
        """Carry out a plan of the core, decided at UTC second `at`.

        Returns:
            None where writes have failed lately and the next try is not due.
        """
        if self._backoff.waiting(at, urgent=any(move.urgent for move in plan.moves)) > 0:
            self._settle(plan, at, done=False)
            return None
        lost = self._intend(plan, at)
        if lost is not None:
            self._settle(plan, at, done=False)  # the cloud was not asked, so the next tick may try again
            return lost
        applied = self._carry_out(deployer, deployer.apply, plan, at)
        # Services that were left out surely stand as before; a wait would only keep the others from moving.
        done = applied.outcome in GOOD or bool(applied.refused)
        if done:
            plan = _without(plan, frozenset(service for service, _ in applied.refused), self.kept.overlay)
            self._backoff.done()
            self.failed = ""
            self.kept = replace(self.kept, overlay=plan.overlay, outputs=applied.outputs or self.kept.outputs)
        elif applied.outcome is not Outcome.CONFLICT:  # after a conflict a new pass decides anew at once
            self._backoff.failed(at)
            self.failed = f"{applied.outcome.value}: {applied.sentence}"
        self._settle(plan, self._now(), done=done)
        return applied

    def build(self, deployer: Deployer, plan: Plan, at: float, digest: str) -> Applied:
        """Build all that (config, overlay) say; `digest` names the configuration."""
        self.kept = replace(self.kept, provisioned="")
        applied = self._intend(plan, at) or self._carry_out(deployer, deployer.build, plan, at)
        self.kept = replace(self.kept, intent=None)
        if applied.outcome in GOOD:
            self.intended = None
            plan = _without(plan, frozenset(service for service, _ in applied.refused), self.kept.overlay)
            self.kept = replace(self.kept, overlay=plan.overlay, outputs=applied.outputs, provisioned=digest)
        self.save()
        return applied

    def alarms(self) -> Iterator[Alarm]:
        """What is wrong with what it writes: to the cloud, and to the disk."""
        if self._backoff.failures >= FAILURES:
            yield alarm("writes-failing", count=self._backoff.failures, why=self.failed)
        if self.unsaved:
            yield alarm("state-not-kept", why=self.unsaved)
        if self.journal_problem:
            yield alarm("journal-not-written", why=self.journal_problem)

    def told(self, applied: Applied | None, at: float) -> str:
        """What a pass says of its write: why there was none, how it ended badly, or what was left out; empty where all is well."""
        if applied is None:
            return self._waiting(at)
        if applied.outcome not in GOOD:
            return f"The write ended {applied.outcome.value}: {applied.sentence}."
        return f"Left out: {' '.join(told for _, told in applied.refused)}" if applied.refused else ""

    def _waiting(self, at: float) -> str:
        """A sentence about why nothing is written at the moment; empty where there is no reason."""
        wait = self._backoff.waiting(at)
        return (
            f"Not written: the last {self._backoff.failures} write(s) did not work; the next try is in {span(wait)}."
            if wait
            else ""
        )

    def save(self) -> None:
        """Put what is kept on the disk; where that does not work, say so and go on: the next pass tries again."""
        try:
            self._keeper.save(self.kept)
        except SpillwayError as error:
            _log.error("%s. %s", error, error.remedy)
            self.unsaved = f"{error}"
        else:
            self.unsaved = ""

    def keep(self, kept: Kept) -> None:
        """Go on with `kept` once it is on the disk.

        Raises:
            SpillwayError: the disk does not take it; nothing has changed.
        """
        self._keeper.save(kept)
        self.kept = kept

    def note(self, kind: str, at: float, sentence: str, **details: object) -> None:
        """Write an event to the journal, or say why that does not work."""
        self.record(event_record(kind, at, sentence, **details))

    def record(self, record: dict[str, object]) -> bool:
        """Append to the journal; a full disk must not stop the loop from seeing and saying. False where it is lost."""
        try:
            self._append(record)
        except SpillwayError:
            return False
        return True

    def _append(self, record: dict[str, object]) -> None:
        """Append to the journal, and say once that it takes nothing, and once that it does again.

        Raises:
            SpillwayError: it does not take the record.
        """
        try:
            self._journal.append(record)
        except SpillwayError as error:
            said = f"{error}. {error.remedy}".rstrip()
            if not self.journal_problem:
                _log.error("%s", said)
            self.journal_problem = said
            self._records_lost += 1
            raise
        if self.journal_problem:
            _log.info("The journal takes records again; %d were lost.", self._records_lost)
            self.journal_problem, self._records_lost = "", 0

    def _carry_out(
        self, deployer: Deployer, act: Callable[[Overlay], Applied], plan: Plan, at: float
    ) -> Applied:
        """Repair where the call before ended badly, write. The intent is on the disk."""
        self._progress.writing(under_way=True)
        try:
            if self._repair:
                self.note("recover", at, deployer.recover() or "nothing was left to repair")
                self._repair = False
            applied = act(plan.overlay)
        finally:
            self._progress.writing(under_way=False)
        self._repair = applied.outcome in {Outcome.UNKNOWN, Outcome.FAILED}
        self.blocked = f"{applied.sentence}. {applied.remedy}".rstrip() if applied.blocked else ""
        return applied

    def _intend(self, plan: Plan, at: float) -> Applied | None:
        """Put the intent on the disk; why nothing may be written, where that does not work."""
        intended = replace(self.kept, intent=Intent(plan=plan, at=at), saved_at=at)
        try:
            self._append(intent_record(self.kept.tick, at, plan))
            self._keeper.save(intended)
        except SpillwayError as error:
            return Applied(
                outcome=Outcome.REFUSED,
                sentence=f"not written, because the intent could not be kept: {error}",
                begun=False,
                lasting=isinstance(error, PermanentError),
                remedy=error.remedy,
            )
        self.kept = intended
        return None

    def _settle(self, plan: Plan, at: float, *, done: bool) -> None:
        """Tell the core what became of its plan. Where it is not surely done, the next listing tells the rest."""
        memory = loop.confirm(self.kept.memory, plan, outcome_done=done, at=at)
        self.kept = replace(self.kept, memory=memory, intent=None)


def _without(plan: Plan, services: frozenset[ServiceName], before: Overlay | None) -> Plan:
    """The plan without what it wants of these services: their settings stay as they were `before`."""
    overlay = plan.overlay
    for setting in before.services if before is not None else ():
        if setting.service in services:
            overlay = overlay.with_service(setting)
    return Plan(overlay=overlay, moves=tuple(move for move in plan.moves if move.service not in services))
