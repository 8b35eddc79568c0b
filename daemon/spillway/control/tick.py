"""The loop: observe, decide, write, record. One method for a tick, one for the fast health pass between ticks.

Each pass starts from what is observed, never from what was last written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from spillway.control.drift_watch import DriftWatch, Look, with_alarms
from spillway.control.inputs import MinutesSeen
from spillway.control.memory import Keeper, Kept, fit, read_back
from spillway.control.records import pass_record
from spillway.control.report import Pass, TickReport, with_health
from spillway.control.timing import Progress
from spillway.control.writer import GOOD, Writer
from spillway.core import loop
from spillway.core.loop import StepResult
from spillway.core.values.decision import Plan, ServiceAssessment
from spillway.core.values.drift import DriftReport
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Mode, Policy
from spillway.core.values.snapshot import Absence, Missing, Snapshot
from spillway.core.values.topology import Fleet
from spillway.core.values.units import ServiceName
from spillway.errors import TemporaryError
from spillway.ports import Applied, Clock, Deployer, Journal, Observer, Outcome

_TRIES = 3
"""Builds tried at a start; each repairs first what the one before left."""


def _nothing() -> None:
    """For parts that have nothing to interrupt or to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that a configuration determines; swapped whole between two passes."""

    fleet: Fleet
    policies: Mapping[str, Policy]
    """By policy name, as `Service.policy` names them."""
    starting: Overlay
    """What is wanted of a backend about which nothing is known yet."""
    observer: Observer
    deployer: Deployer
    digest: str
    """Differs where the configuration differs."""
    look: Look | None = None
    """Looks at all parts of the load balancer; None where nothing can."""
    interrupt: Callable[[], None] = _nothing
    """Ask an engine call that is under way to end; called from another thread."""
    close: Callable[[], None] = _nothing
    """Let go of connections, once no pass uses these parts any more."""

    def policies_by_service(self) -> dict[ServiceName, Policy]:
        """The policy in force for each service."""
        return {service.name: self.policies[service.policy] for service in self.fleet.services}


class Loop:
    """One daemon's control loop. Its methods are called from one thread, one after another.

    Args:
        parts: what the configuration determines.
        journal: the record.
        keeper: what survives.
        clock: the world's time.
        progress: marks for liveness.
        stopwatch: wall seconds for the durations of phases.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        journal: Journal,
        keeper: Keeper,
        clock: Clock,
        progress: Progress,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self.parts = parts
        self._writer = Writer(journal=journal, keeper=keeper, progress=progress, now=clock.now)
        self._clock = clock
        self._progress = progress
        self._stopwatch = stopwatch
        self._seen = MinutesSeen()
        self._drift = DriftWatch()
        self._assessments: tuple[ServiceAssessment, ...] = ()
        self._durations: list[tuple[str, float]] = []

    @property
    def kept(self) -> Kept:
        """What would survive a crash at this moment."""
        return self._writer.kept

    def policies(self) -> dict[ServiceName, Policy]:
        """The policy in force for each service."""
        return self.parts.policies_by_service()

    def restore(self) -> str:
        """Read what survived the last process; a sentence about it.

        Raises:
            SpillwayError: the state folder cannot be read.
        """
        sentence = self._writer.restore()
        self._writer.note("start", self._clock.now(), sentence, digest=self.parts.digest)
        return sentence

    def note(self, kind: str, sentence: str) -> None:
        """Write an event to the journal."""
        self._writer.note(kind, self._clock.now(), sentence)

    def close(self) -> None:
        """Let go of everything, after the last pass."""
        self.parts.close()

    def provision(self) -> Applied | None:
        """Build what the configuration says, unless exactly that was built before and still stands; None then.

        Raises:
            SpillwayError: the cloud cannot be read, so nobody knows what stands.
        """
        kept = self._writer.kept
        if kept.overlay is not None and kept.provisioned == self.parts.digest and not self._gone():
            self._writer.kept = replace(kept, overlay=fit(self.parts.starting, kept.overlay))
            return None
        repaired = self.parts.deployer.recover()
        if repaired is not None:
            self.note("recover", repaired)
        overlay = self._overlay_to_build()
        applied = self._build(self.parts, overlay)
        for _ in range(_TRIES - 1):
            if applied.outcome in GOOD or applied.outcome is Outcome.REFUSED:
                break
            applied = self._build(self.parts, overlay)
        return applied

    def swap(self, parts: Parts) -> Applied | None:
        """Take over a new configuration: build what it says, or go back to the old one if that does not work.

        Returns:
            What became of the build; None where nothing differs. The swap has happened if it is done or unchanged; otherwise its
            sentence also says what became of going back.
        """
        if parts.digest == self.parts.digest:
            return None
        applied = self._build(parts, fit(parts.starting, self._writer.kept.overlay))
        if applied.outcome in GOOD:
            self.parts.close()
            self.parts = parts
            self._seen = MinutesSeen()
            self._assessments = ()
            self._drift = DriftWatch()
            return applied
        back = self._build(self.parts, self._overlay())
        told = (
            "what stood before is in place"
            if back.outcome in GOOD
            else f"going back to what stood before did not work either ({back.sentence}); the next reload or start tries it again"
        )
        return replace(applied, sentence=f"{applied.sentence}; {told}")

    def mend(self) -> Applied | None:
        """Build what the configuration in force says, where the last build did not; None where that is not needed."""
        if self._writer.kept.provisioned == self.parts.digest:
            return None
        return self._build(self.parts, self._overlay())

    def drift_pass(self) -> DriftReport | None:
        """Look at all parts, and write back what the policy says; the report of the look, None where nothing can look."""
        report = self._look_at_parts()
        due = self._drift.due({name: policy.mode for name, policy in self.policies().items()})
        if due:
            told = "; ".join(drift.sentence for drift in due)
            self.note("drift", f"written back, as the policy says: {told}")
            self._build(self.parts, self._overlay())
            report = self._look_at_parts()
        return report

    def _look_at_parts(self) -> DriftReport | None:
        look = self.parts.look
        return None if look is None else self._drift.look(look, self._overlay())

    def tick(self) -> TickReport:
        """One full pass."""
        snapshot, before, result = self._think(self.parts.observer.observe, loop.step)
        silent = {a.service for a in result.assessment if a.silent}
        if silent:
            # Named once: the first silent sample has the parts read at once, the timer does the rest.
            if not silent <= {a.service for a in self._assessments if a.silent}:
                with self._phase("observe"):
                    self._look_at_parts()
            causes = self._drift.causes()
            snapshot = replace(snapshot, problems=tuple(dict.fromkeys((*snapshot.problems, *causes))))
        self._writer.kept = replace(self._writer.kept, tick=self._writer.kept.tick + 1)
        self._assessments = result.assessment
        report = self._finish(Pass.TICK, snapshot, before, result)
        self._progress.ticked()
        return report

    def health_pass(self) -> TickReport | None:
        """The fast pass, which may only drain; None where it changed nothing and found no edit by somebody else."""
        snapshot, before, result = self._think(self.parts.observer.observe_health, loop.health_step)
        if result.plan.empty and not result.edited:
            self._writer.kept = replace(self._writer.kept, memory=result.memory, overlay=result.overlay)
            return None
        self._assessments = with_health(self._assessments, result.assessment)
        return self._finish(Pass.HEALTH, snapshot, before, result)

    def _think(
        self, look: Callable[[], Snapshot], step: Callable[..., StepResult]
    ) -> tuple[Snapshot, Overlay, StepResult]:
        """What both passes begin with: look, then one step of the core; the overlay in the middle is the one before it."""
        self._durations = []
        with self._phase("observe"):
            snapshot = look()
        before, kept = self._overlay(), self._writer.kept
        with self._phase("decide"):
            result = step(
                self.parts.fleet,
                self.parts.policies,
                snapshot,
                before,
                kept.memory,
                orders=kept.holds.active(snapshot.at),
            )
        return snapshot, before, result

    def _finish(self, kind: Pass, snapshot: Snapshot, before: Overlay, result: StepResult) -> TickReport:
        """Write what is to be written, then record all of it."""
        writer = self._writer
        writer.kept = replace(writer.kept, memory=result.memory, overlay=result.overlay)
        applied = None
        sentence = result.sentence
        if not result.plan.empty:
            with self._phase("write"):
                applied = writer.write(self.parts.deployer, result.plan, snapshot.at)
            if applied is None:
                sentence = f"{sentence} {writer.waiting(snapshot.at)}"
            elif applied.outcome not in GOOD:
                sentence = f"{sentence} The write ended {applied.outcome.value}: {applied.sentence}."
            elif applied.refused:
                sentence = f"{sentence} Left out: {' '.join(told for _, told in applied.refused)}"
        report = self._report(kind, snapshot, result, sentence, applied)
        with self._phase("record"):
            writer.kept = replace(writer.kept, saved_at=snapshot.at)
            writer.save()
            writer.record(pass_record(self._seen, report, before, result.plan))
        return replace(report, durations=tuple(self._durations))

    def _report(
        self, kind: Pass, snapshot: Snapshot, result: StepResult, sentence: str, applied: Applied | None
    ) -> TickReport:
        modes: tuple[tuple[ServiceName, Mode], ...] = tuple(
            (name, policy.mode) for name, policy in self.parts.policies_by_service().items()
        )
        return TickReport(
            number=self._writer.kept.tick,
            kind=kind,
            at=snapshot.at,
            sentence=sentence,
            durations=tuple(self._durations),
            snapshot=snapshot,
            assessments=with_alarms(self._assessments, self._drift.alarms()),
            modes=modes,
            moves=result.plan.moves,
            advice=result.advice,
            refusals=result.refusals,
            verdicts=result.verdicts,
            alarms=(*result.alarms, *(alarm for _, alarm in self._drift.alarms())),
            applied=applied,
            candidates=result.candidates,
            outputs=self._writer.kept.outputs,
            drift=self._drift.report,
        )

    def _build(self, parts: Parts, overlay: Overlay) -> Applied:
        at = self._clock.now()
        applied = self._writer.build(parts.deployer, Plan(overlay=overlay, moves=()), at, parts.digest)
        self._writer.note(
            "build", self._clock.now(), applied.sentence, outcome=applied.outcome, changes=applied.changes
        )
        return applied

    def _gone(self) -> bool:
        """Whether the listing shows that a backend service does not exist; what cannot be read says nothing."""
        views = self.parts.observer.observe_health().services
        return any(
            isinstance(backend.observed, Missing) and backend.observed.absence is Absence.NOT_BUILT
            for view in views
            for backend in view.backends
        )

    def _overlay(self) -> Overlay:
        """What is wanted now."""
        return fit(self.parts.starting, self._writer.kept.overlay)

    def _overlay_to_build(self) -> Overlay:
        """What to build: what was kept, or what the cloud has where nothing was.

        Raises:
            TemporaryError: nothing was kept, and the cloud cannot be read.
        """
        if self._writer.kept.overlay is not None:
            return self._overlay()
        snapshot = self.parts.observer.observe_health()
        overlay = read_back(self.parts.starting, snapshot, self.policies())
        if overlay is None:
            reasons = "; ".join(snapshot.problems) or "the listing of backend services failed"
            raise TemporaryError(
                f"nothing is kept in the state folder and the cloud cannot be read, so nobody knows which regions are drained: {reasons}",
                remedy="Building now could open a region that somebody closed. It is tried again at the next start.",
            )
        return overlay

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        begun = self._stopwatch()
        try:
            yield
        finally:
            self._durations.append((name, self._stopwatch() - begun))
