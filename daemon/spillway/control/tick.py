"""The loop: observe, decide, write, record. One method for a tick, one for the fast health pass between ticks.

Each pass starts from what is observed, never from what was last written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf

from spillway.control.alarms import AlarmBook, cloud_alarms
from spillway.control.drift_watch import DriftWatch, Look
from spillway.control.figures import FigureDesk
from spillway.control.inputs import MinutesSeen
from spillway.control.leaps import SLACK, without_future
from spillway.control.memory import Keeper, Kept, fit
from spillway.control.records import CHECKPOINT_SECONDS, Given, pass_record
from spillway.control.report import Pass, TickReport, with_health
from spillway.control.standing import Standing, Wanted, implausible, wait_on, what_stands
from spillway.control.timing import Progress
from spillway.control.writer import GOOD, Writer
from spillway.core import loop
from spillway.core.loop import StepResult
from spillway.core.values.alarms import ActiveAlarm, Silence
from spillway.core.values.decision import Plan, ServiceAssessment
from spillway.core.values.drift import DriftReport
from spillway.core.values.orders import Orders
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.topology import Fleet, ServiceName
from spillway.errors import TemporaryError
from spillway.ports import Applied, Clock, Deployer, Journal, Observer, Outcome

_log = logging.getLogger(__name__)

_TRIES = 3
"""Builds tried at a start; each repairs first what the one before left."""


_HALF_DONE = frozenset({Outcome.FAILED, Outcome.UNKNOWN})
"""Outcomes after which a start builds again: each call repairs first what the one before left."""


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
        wait: lets that many of the world's seconds pass; by the clock where none is given.
        alarms: knows which alarms are up, and since when.
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
        wait: Callable[[float], None] | None = None,
        alarms: AlarmBook | None = None,
    ) -> None:
        self.parts = parts
        self.alarms = alarms if alarms is not None else AlarmBook()
        self._writer = Writer(journal=journal, keeper=keeper, progress=progress, now=clock.now)
        self._clock = clock
        self._progress = progress
        self._stopwatch = stopwatch
        self._wait = wait if wait is not None else wait_on(clock)
        self._edit_told = False
        """Whether the last write met an edit by somebody else: the next pass is the second look at it."""
        self._seen = MinutesSeen()
        self._figures = FigureDesk(Kept())
        self._checkpoint_at = -inf
        """UTC seconds of the last record that holds everything that a replay begins with."""
        self._drift = DriftWatch()
        self._assessments: tuple[ServiceAssessment, ...] = ()
        self._durations: list[tuple[str, float]] = []
        self.snapshot: Snapshot | None = None
        """What the last tick has observed; None before the first."""

    @property
    def kept(self) -> Kept:
        """What would survive a crash at this moment."""
        return self._writer.kept

    @property
    def journal_problem(self) -> str:
        """Why the journal took no record the last time; empty where it did."""
        return self._writer.journal_problem

    @property
    def blocked(self) -> str:
        """Why nothing can be written until somebody acts; empty where it can."""
        return self._writer.blocked

    def active_alarms(self) -> tuple[ActiveAlarm, ...]:
        """The alarms that are up now, the most urgent first; from any thread."""
        return self.alarms.active(self.now(), self.kept.silences)

    def silences(self) -> tuple[Silence, ...]:
        """Operators' silences in force now; from any thread."""
        now = self.now()
        return tuple(silence for silence in self.kept.silences if silence.in_force(now))

    def policies(self) -> dict[ServiceName, Policy]:
        """The policy in force for each service."""
        return self.parts.policies_by_service()

    def restore(self) -> str:
        """Read what survived the last process; a sentence about it.

        Raises:
            SpillwayError: the state folder cannot be read.
        """
        sentence = self._writer.restore()
        self._figures = FigureDesk(self._writer.kept)
        self.alarms.restore(self.kept.alarms, self._clock.now())
        self._writer.note("start", self._clock.now(), sentence, digest=self.parts.digest)
        return sentence

    def note(self, kind: str, sentence: str, **details: object) -> None:
        """Write an event to the journal."""
        self._writer.note(kind, self._clock.now(), sentence, **details)

    def now(self) -> float:
        """The world's UTC seconds."""
        return self._clock.now()

    def keep(self, kept: Kept) -> None:
        """Go on with `kept` once it is on the disk.

        Raises:
            SpillwayError: the disk does not take it; nothing has changed.
        """
        self._writer.keep(kept)

    def keep_later(self, kept: Kept) -> None:
        """Go on with `kept`; the next pass puts it on the disk."""
        self._writer.kept = kept

    def close(self) -> None:
        """Let go of everything, after the last pass."""
        self.parts.close()

    def provision(self) -> Applied | None:
        """Build what the configuration says, unless exactly that was built before and still stands; None then.

        What stands is read first, and wins over what is remembered.

        Raises:
            SpillwayError: the cloud cannot be read, so nobody knows what stands.
        """
        writer, parts = self._writer, self.parts
        built = writer.kept.overlay is not None and writer.kept.provisioned == parts.digest
        try:
            standing = self._stand()
        except TemporaryError:
            if not built or self._void():
                raise
            return None  # nothing is to be built; the loop goes on once the cloud can be read
        if built and not standing.missing:
            return None
        repaired = parts.deployer.recover()
        if repaired is not None:
            self.note("recover", repaired)
        return self._build_repeatedly(parts, standing, again=_HALF_DONE | {Outcome.CONFLICT})

    def swap(self, parts: Parts) -> Applied | None:
        """Take over a new configuration: build what it says, or go back to the old one if that does not work.

        What stands is read first, and wins over what is remembered.

        Returns:
            What became of the build; None where nothing differs. The swap has happened if it is done or unchanged; otherwise its
            sentence also says what became of going back.

        Raises:
            TemporaryError: the cloud cannot be read, so nobody knows what stands; nothing was built.
        """
        if parts.digest == self.parts.digest:
            return None
        applied = self._build_repeatedly(parts, self._stand())
        if applied.outcome in GOOD:
            self.parts.close()
            self.parts = parts
            self.snapshot = None
            self._seen = MinutesSeen()
            self._checkpoint_at = -inf
            self._assessments = ()
            self._drift = DriftWatch()
            self._look_at_parts()
            return applied
        back = self._build_repeatedly(self.parts, None)
        told = (
            "what stood before is in place"
            if back.outcome in GOOD
            else f"going back to what stood before did not work either ({back.sentence}); the next reload or start tries it again"
        )
        foreign = applied.foreign_edit or back.met_edit
        return replace(applied, sentence=f"{applied.sentence}; {told}", foreign_edit=foreign)

    def mend(self) -> Applied | None:
        """Build what the configuration in force says, where the last build did not; None where that is not needed.

        Raises:
            TemporaryError: the cloud cannot be read, so nobody knows what stands; nothing was built.
        """
        if self._writer.kept.provisioned == self.parts.digest and not self._writer.blocked:
            return None
        return self._build_repeatedly(self.parts, self._stand())

    def drift_pass(self) -> DriftReport | None:
        """Look at all parts, write back what the policy says, and take the next step where certificates are being replaced.

        Returns:
            The report of the last look; None where nothing can look.
        """
        report = self._look_at_parts()
        modes = {name: policy.mode for name, policy in self.policies().items()}
        due, step = self._drift.due(modes), self._drift.certificate_step(modes)
        if due:
            told = "; ".join(drift.sentence for drift in due)
            self.note("drift", f"written back, as the policy says: {told}")
        if step:
            _log.info("Certificates: %s", step)
            self.note("certificates", step)
        if due or step:
            self._build_again(step)
            report = self._look_at_parts()
        return report

    def _build_again(self, step: str) -> None:
        """Build what stands in force once more: something is to be written back, or a step of certificates is due.

        A daemon whose role moves traffic alone is refused: what was built before still counts as built, so that its next
        start does not try it, and the step is left to `spillway up`.
        """
        before = self._writer.kept.provisioned
        applied = self._build(self.parts, self._overlay())
        if applied.outcome is not Outcome.REFUSED:
            return
        self._writer.kept = replace(self._writer.kept, provisioned=before)
        self._writer.save()
        if step:
            self._drift.refused = step
            _log.warning("Certificates: the step is left to `spillway up`: %s", applied.sentence)

    def _look_at_parts(self) -> DriftReport | None:
        look = self.parts.look
        return None if look is None else self._drift.look(look, self._overlay())

    def tick(self) -> TickReport:
        """One full pass."""
        snapshot, given, result = self._think(self.parts.observer.observe, loop.step)
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
        self.snapshot = snapshot
        report = self._finish(Pass.TICK, snapshot, given, result)
        self._progress.ticked()
        return report

    def health_pass(self) -> TickReport | None:
        """The fast pass, which may only drain; None where it changed nothing and found no edit by somebody else."""
        snapshot, given, result = self._think(self.parts.observer.observe_health, loop.health_step)
        if result.plan.empty and not result.edited:
            self._writer.kept = replace(self._writer.kept, memory=result.memory, overlay=result.overlay)
            return None
        self._assessments = with_health(self._assessments, result.assessment)
        return self._finish(Pass.HEALTH, snapshot, given, result)

    def _think(
        self, look: Callable[[], Snapshot], step: Callable[..., StepResult]
    ) -> tuple[Snapshot, Given, StepResult]:
        """What both passes begin with: look, then one step of the core; in the middle is what the core was given besides."""
        self._durations = []
        with self._phase("observe"):
            snapshot = look()
        if self._writer.kept.saved_at > snapshot.at + SLACK:
            memory = without_future(self._writer.kept.memory, snapshot.at)
            self._writer.kept = replace(self._writer.kept, memory=memory, saved_at=snapshot.at)
        before, kept = self._overlay(), self._writer.kept
        told, self._edit_told = self._edit_told, False
        orders = kept.holds.active(snapshot.at)
        with self._phase("decide"):
            result = step(
                self.parts.fleet,
                self.parts.policies,
                snapshot,
                before,
                kept.memory,
                orders=orders,
                edit_told=told,
            )
        return snapshot, Given(overlay=before, orders=orders, edit_told=told, memory=kept.memory), result

    def _finish(self, kind: Pass, snapshot: Snapshot, given: Given, result: StepResult) -> TickReport:
        """Write what is to be written, then record all of it."""
        writer = self._writer
        writer.kept = replace(writer.kept, memory=result.memory, overlay=result.overlay)
        applied = None
        sentence = result.sentence
        if not result.plan.empty:
            with self._phase("write"):
                applied = writer.write(self.parts.deployer, result.plan, snapshot.at)
            sentence = f"{sentence} {writer.told(applied, snapshot.at)}".rstrip()
            self._edit_told = applied is not None and applied.outcome is Outcome.CONFLICT
        if writer.journal_problem:
            snapshot = replace(snapshot, problems=(*snapshot.problems, writer.journal_problem))
        report = self._report(kind, snapshot, result, sentence, applied, orders=given.orders)
        with self._phase("record"):
            if kind is Pass.TICK:
                writer.kept = self._figures.tick(
                    snapshot, result, self.policies(), self.parts.starting, writer.kept
                )
                report = replace(report, figures=self._figures.latest)
            writer.kept = replace(writer.kept, saved_at=snapshot.at, alarms=self.alarms.kept)
            writer.save()
            record = pass_record(self._seen, report, self._to_record(given, result, snapshot.at), result.plan)
            if not writer.record(record):
                self._seen = MinutesSeen()  # the next record must hold the minutes that this one has lost
                self._checkpoint_at = -inf
        return replace(report, durations=tuple(self._durations))

    def _to_record(self, given: Given, result: StepResult, at: float) -> Given:
        """What the record of this pass holds of what was given: everything once an hour, the memory where something was decided."""
        if at - self._checkpoint_at >= CHECKPOINT_SECONDS or at < self._checkpoint_at:
            self._checkpoint_at = at
            return replace(given, fleet=self.parts.fleet, policies=self.parts.policies)
        decided = bool(result.plan.moves or result.verdicts or result.edited)
        return given if decided else replace(given, memory=None)

    def _report(
        self,
        kind: Pass,
        snapshot: Snapshot,
        result: StepResult,
        sentence: str,
        applied: Applied | None,
        *,
        orders: Orders,
    ) -> TickReport:
        modes = tuple((name, orders.mode_of(name, policy.mode)) for name, policy in self.policies().items())
        silences = self._writer.kept.silences
        seen = (
            *(alarm for service in self._assessments for alarm in service.alarms),
            *self._drift.alarms(),
            *self._writer.alarms(),
            *cloud_alarms(snapshot),
        )
        news = self.alarms.update(seen, snapshot.at, silences, blind_to=self._drift.blind_to)
        return TickReport(
            number=self._writer.kept.tick,
            kind=kind,
            at=snapshot.at,
            sentence=sentence,
            durations=tuple(self._durations),
            snapshot=snapshot,
            assessments=self._assessments,
            modes=modes,
            moves=result.plan.moves,
            advice=result.advice,
            refusals=result.refusals,
            verdicts=result.verdicts,
            alarms=self.alarms.active(snapshot.at, silences),
            news=news,
            applied=applied,
            candidates=result.candidates,
            outputs=self._writer.kept.outputs,
            drift=self._drift.report,
            figures=self._figures.latest,
        )

    def _build(self, parts: Parts, overlay: Overlay) -> Applied:
        """Build what `parts` and `overlay` say."""
        at = self._clock.now()
        applied = self._writer.build(parts.deployer, Plan(overlay=overlay, moves=()), at, parts.digest)
        self._writer.note(
            "build", self._clock.now(), applied.sentence, outcome=applied.outcome, changes=applied.changes
        )
        return applied

    def _build_repeatedly(
        self,
        parts: Parts,
        standing: Standing | None,
        *,
        again: frozenset[Outcome] = frozenset({Outcome.CONFLICT}),
    ) -> Applied:
        """Build, and try it again after an outcome in `again`; each edit by somebody else is read and decided anew.

        Without a reading the overlay that is kept is built.
        """
        overlay = standing.overlay if standing is not None else self._overlay()
        applied = self._build(parts, fit(parts.starting, overlay))
        foreign = applied.met_edit
        for _ in range(_TRIES - 1):
            if applied.outcome not in again:
                break
            if applied.outcome is Outcome.CONFLICT:
                overlay = self._stand(edit_told=True).overlay
            applied = self._build(parts, fit(parts.starting, overlay))
            foreign = foreign or applied.met_edit
        if applied.blocked and self._writer.kept.overlay is None:
            # The passes that follow observe, and compare with what the cloud had.
            self._writer.kept = replace(self._writer.kept, overlay=overlay)
        return replace(applied, foreign_edit=applied.foreign_edit or foreign)

    def _stand(self, *, edit_told: bool = False) -> Standing:
        """Read what stands under the configuration in force, and go on from there.

        Raises:
            TemporaryError: nobody knows what stands.
        """
        writer, parts = self._writer, self.parts
        standing = what_stands(
            Wanted(starting=parts.starting, policies=self.policies()),
            writer.kept,
            parts.observer.observe,
            self._wait,
            intended=writer.intended,
            edit_told=edit_told,
            where=writer.state_file,
        )
        # what was never built is not remembered as wanted: it would look as if somebody had taken it away
        known = writer.kept.overlay
        kept = fit(known, standing.overlay) if known is not None else None
        writer.kept = replace(writer.kept, overlay=kept, memory=standing.memory)
        for sentence in standing.told:
            _log.warning("%s", sentence)
            self.note("standing", sentence)
        return standing

    def _void(self) -> bool:
        """Whether what is remembered leaves too few regions open to be believed."""
        overlay = self._writer.kept.overlay
        wanted = Wanted(starting=self.parts.starting, policies=self.policies())
        return overlay is not None and bool(implausible(overlay, wanted))

    def _overlay(self) -> Overlay:
        """What is wanted now."""
        return fit(self.parts.starting, self._writer.kept.overlay)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        begun = self._stopwatch()
        try:
            yield
        finally:
            self._durations.append((name, self._stopwatch() - begun))
