"""One daemon, from start to end.

All passes, the first build and every reload run in the ticker's one thread. The main thread waits for signals, looks
after the config file and the clock once a second, and is the only one that ends anything.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from spillway.control.alarms import MENTION_SECONDS, LossWatch
from spillway.control.orders import OrderDesk
from spillway.control.report import Pass, TickReport
from spillway.control.requests import SILENCING, Answer, Command, Request
from spillway.control.silences import SilenceDesk
from spillway.control.tick import Loop
from spillway.control.timing import Progress
from spillway.control.told import AdviceWatch, Changes, alarm_line, log_lines
from spillway.control.writer import GOOD
from spillway.core.explain.reasons import alarm
from spillway.core.values.alarms import Severity
from spillway.errors import OutcomeUnknown, PermanentError, SpillwayError, TemporaryError
from spillway.exits import Exit
from spillway.ports import Applied, Outcome
from spillway.service.control_socket import ControlSocket
from spillway.service.desk import Desk
from spillway.service.reload import Reloader, warn_of_edit
from spillway.service.roles import (
    AlarmSender,
    Candidate,
    Control,
    Lease,
    Notifier,
    Rhythm,
    StatusServer,
    Ticker,
)
from spillway.service.signals import RELOADING, STOPPING, SignalListener
from spillway.service.watch import ClockWatch

_log = logging.getLogger(__name__)

_LEVELS = {Severity.PAGE: logging.ERROR, Severity.TICKET: logging.WARNING, Severity.NOTE: logging.INFO}
"""Of the log line about an alarm that has come up."""
_CONFLICT_PASSES = 3
"""Passes in a row while each write meets an edit by somebody else."""
_LOOK = 1.0
"""Wall seconds between looks at the config file and the clock."""
_INTERRUPT_GRACE = 5.0
"""Wall seconds that an interrupted engine call gets to put its state on the disk (reference: pulumi.md section 7)."""
_SENDING = 2.0
"""Wall seconds that messages about alarms get at the end."""
_TRY_AGAIN = 10
"""Ticks between two builds that look whether somebody has put right what keeps the engine from working."""


class Service:
    """One daemon.

    Args:
        loop: the control loop.
        ticker: runs the passes.
        server: metrics, status, page.
        notifier: service manager.
        lease: held from start to end.
        rhythm: intervals and deadlines.
        progress: liveness.
        control: where operators reach it.
        candidate: reads the configuration again; raises ConfigError.
        signature: differs after the files of the configuration have changed.
        settled: called once, after the first tick: what starting has left behind may go.
        closing: called at the very end, for instance to flush the log.
        sender: tells people of alarms; None where nobody is to be told.
        losses: watch for what is lost, such as lines of the log.
        leave: ends the process at once, for a pass that cannot be stopped.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        ticker: Ticker,
        server: StatusServer,
        notifier: Notifier,
        lease: Lease,
        rhythm: Rhythm,
        progress: Progress,
        control: Control,
        candidate: Callable[[], Candidate],
        signature: Callable[[], object],
        settled: Callable[[], None],
        closing: Callable[[], None],
        leave: Callable[[int], NoReturn] = os._exit,
        sender: AlarmSender | None = None,
        losses: Sequence[LossWatch] = (),
    ) -> None:
        self._loop = loop
        self._advice = AdviceWatch()
        self._problems = Changes[str]()
        """Of what a tick could not read or did not find."""
        self._drifts, self._unread, self._kept = Changes[str](), Changes[str](), Changes[str]()
        """Of what the looks at all parts have found, could not read, and leave alone."""
        self._ticker = ticker
        self._server = server
        self._notifier = notifier
        self._lease = lease
        self._rhythm = rhythm
        self._progress = progress
        self._reload = Reloader(
            loop=loop, server=server, notifier=notifier, candidate=candidate, retime=self._retime
        )
        self._orders = OrderDesk(loop)
        self._silences = SilenceDesk(loop)
        self._control = ControlSocket(
            control.path,
            group=control.group,
            desk=Desk(handle=self._handle, soon=ticker.soon, after=self._ordered),
            look=self._look,
        )
        self._signature = signature
        self._settled = settled
        self._closing = closing
        self._leave = leave
        self._sender = sender
        self._losses = tuple(losses)
        self._problem: BaseException | None = None
        self._was_ready = False
        self._defects = 0
        """Passes that ended in a defect."""
        self._blocked = ""
        """Why the engine cannot work until somebody acts; empty where it can."""
        self._signals = SignalListener()

    def run(self) -> int:
        """Live until SIGTERM or SIGINT; the exit code.

        Raises:
            SpillwayError: it cannot start: lease held, address in use, cloud refuses the build.
            Exception: a defect in the first build.
        """
        try:
            self._lease.acquire()
            try:
                return self._live()
            finally:
                self._lease.release()
        finally:
            self._signals.close()
            self._closing()

    def _live(self) -> int:
        self._server.bind()
        self._control.bind()
        with self._signals.listening():
            self._server.start()
            self._control.start()
            if self._sender is not None:
                self._sender.start()
            _log.info("Spillway is at %s", self._server.url)
            self._notifier.status("Starting: building the load balancer.")
            self._ticker.start(self._raised)
            self._ticker.soon("start", self._start)
            self._wait()
            self._stop()
        if self._problem is not None:
            raise self._problem
        return Exit.OK

    def _start(self) -> None:
        """First job: build, then begin to tick. A problem that Spillway knows ends the process with its exit code.

        But where the engine cannot work until somebody acts, the cloud is still worth watching.
        """
        try:
            _log.info("%s", self._loop.restore())
            applied = self._loop.provision()
            if applied is not None:
                self._server.built(applied)
                warn_of_edit(applied)
            if applied is not None and applied.outcome not in GOOD and not applied.blocked:
                raise _refusal(applied)
        except SpillwayError as error:
            self._give_up(error)
            return
        self._heed()
        said = "nothing has changed since the last build" if applied is None else applied.sentence
        _log.info("Engine %s: %s.", self._loop.parts.deployer.kind, said.rstrip("."))
        self._keep_time()

    def _look_at_parts(self) -> None:
        """Look at every part of the load balancer; what is new is told at once, once."""
        report = self._loop.drift_pass()
        if report is None:
            return
        raised, over = self._drifts.since({drift.sentence: drift.sentence for drift in report.drifts})
        for text in raised:
            _log.warning("Drift: %s", text)
        for text in over:
            _log.info("Drift over: %s", text)
        problems, _ = self._unread.since({text: text for text in report.problems})
        for text in problems:
            _log.warning("Problem: %s", text)
        kept, _ = self._kept.since({f"{k.kind} {k.name}: {k.field}": "" for k in report.kept})
        if kept:
            _log.info(
                "Settings by others, kept and not managed: %d; `spillway plan` shows them.",
                len(report.kept),
            )

    def _keep_time(self) -> None:
        if self._loop.parts.look is not None:
            self._ticker.every("drift", self._rhythm.drift, self._look_at_parts)
        self._ticker.every("tick", self._rhythm.tick, self._tick)
        self._ticker.every("health", self._rhythm.health, self._health)

    def _retime(self, rhythm: Rhythm) -> None:
        """A reload has brought a new rhythm."""
        if rhythm != self._rhythm:
            self._rhythm = rhythm
            self._progress.retime(tick=rhythm.tick, write_limit=rhythm.write)
            self._keep_time()

    def _handle(self, request: Request) -> Answer:
        """Carry out what an operator asks for; in the ticker's thread."""
        if request.command is Command.RELOAD:
            _log.info("%s asked for a reload.", request.by or "Somebody")
            return self._reload().answer()  # the reload logs what becomes of it
        answer = self._desk_of(request).handle(request)
        _log.info("%s asked for %s: %s.", request.by, request.command, answer.sentence.rstrip("."))
        return answer

    def _look(self, request: Request) -> Answer:
        """Answer what changes nothing; in the thread of the control socket. A configuration that changed may name another page."""
        return replace(self._desk_of(request).handle(request), page=self._server.url)

    def _desk_of(self, request: Request) -> OrderDesk | SilenceDesk:
        """Who carries out what an operator asks for."""
        return self._silences if request.command in SILENCING else self._orders

    def _ordered(self) -> None:
        """Orders have changed: the next pass comes soon."""
        self._ticker.soon("pass", self._tick)

    def _heed(self) -> None:
        """Show whether the engine can work at all."""
        blocked = self._loop.blocked
        if blocked == self._blocked:
            return
        self._blocked = blocked
        self._server.set_blocked(blocked and f"Nothing can be written: {blocked}")
        if blocked:
            _log.error("Spillway only observes, nothing can be written: %s", blocked)
            self._loop.alarms.set(alarm("writes-blocked", why=blocked), self._loop.now())
        else:
            _log.info("The engine works again.")
            self._loop.alarms.clear("writes-blocked", self._loop.now())

    def _tick(self) -> None:
        """A tick; after a write that met an edit by somebody else at once another, which takes the edit over or decides anew."""
        self._reload.retry()
        for loss in self._losses:
            loss.check(self._loop.alarms, self._loop.now())
        for text in (*self._orders.expire(), *self._silences.expire()):
            _log.info("%s.", text)
        for _ in range(_CONFLICT_PASSES):
            report = self._loop.tick()
            self._publish(report)
            self._notifier.alive()
            if not report.conflict:
                break
        if self._blocked and report.number % _TRY_AGAIN == 0:
            self._loop.mend()
            self._heed()
        if not self._was_ready:
            self._was_ready = True
            self._server.set_ready()
            self._notifier.ready()
            self._settled()

    def _health(self) -> None:
        report = self._loop.health_pass()
        if report is not None:
            self._publish(report)
            if report.conflict:
                self._tick()

    def _publish(self, report: TickReport) -> None:
        """To exporter, log and service manager."""
        self._server.report(report)
        self._heed()
        self._notifier.status(f"tick {report.number}: {report.sentence}")
        if report.kind is Pass.TICK:
            problems, _ = self._problems.since({text: text for text in sorted(set(report.snapshot.problems))})
            for text in problems:
                _log.warning("Problem: %s", text)
        for text in self._advice.new(report):
            _log.warning("Advice: %s", text)
        for raised in report.news.raised:
            _log.log(_LEVELS[raised.severity], "Alarm: %s", alarm_line(raised))
        for ended in report.news.ended:
            _log.info("Alarm over: %s", alarm_line(ended))
        if self._sender is not None:
            self._sender.send(report.news)
        told, *moves = log_lines(report)
        phases = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in report.durations)
        _log.info(
            "%s %d: %s [%s]",
            report.kind.value,
            report.number,
            told,
            phases,
            extra={
                "pass": report.kind.value,
                "tick": report.number,
                "moves": len(report.moves),
                "refusals": len(report.refusals),
                "outcome": report.applied.outcome.value if report.applied is not None else None,
                "seconds": round(report.duration, 3),
            },
        )
        for text in moves:
            _log.info("%s", text, extra={"pass": report.kind.value, "tick": report.number})

    def _raised(self, name: str, error: BaseException) -> None:
        """A job raised what it should not have: a defect. Passes go on; a daemon that never started ends."""
        _log.error("%s failed with a defect in Spillway; please report it", name, exc_info=error)
        if name == "start":
            self._give_up(error)
        elif name == "reload":
            self._server.reloaded("failed")
            why = "the reload ended in a defect of Spillway; the log has its trace"
            self._loop.alarms.set(alarm("config-not-in-force", why=why), self._loop.now())
        elif name != "orders":
            kind = "tick" if name == "pass" else name
            self._server.failed(kind)
            self._defects += 1
            defect = alarm("pass-defect", kind=kind, count=self._defects)
            self._loop.alarms.set(defect, self._loop.now(), seconds=MENTION_SECONDS)

    def _give_up(self, error: BaseException) -> None:
        """End the process with this error; called from the ticker's thread."""
        self._problem = error
        self._signals.send(min(STOPPING))

    def _wait(self) -> None:
        """Until asked to stop: pass on reloads, watch the config file and the clock."""
        seen = self._signature()
        clock = ClockWatch()
        while True:
            signals = self._signals.received(_LOOK)
            if signals & STOPPING:
                return
            now = self._signature()
            if signals & RELOADING or now != seen:
                seen = now
                self._ticker.soon("reload", self._reload)
            if jump := clock.jump():
                _log.warning("The clock has jumped by %.0f s; ticks are planned anew.", jump)
                self._ticker.realign()

    def _stop(self) -> None:
        """Finish the running pass or abandon it, within the deadline; a second signal shortens the wait."""
        _log.info("Stopping: the running pass may take %.0f s more.", self._rhythm.stop)
        self._notifier.stopping()
        self._server.set_stopping()
        until = time.monotonic() + max(0.0, self._rhythm.stop - _INTERRUPT_GRACE)
        idle = self._ticker.stop(0.0)
        while not idle and time.monotonic() < until and not self._signals.received(0.0) & STOPPING:
            idle = self._ticker.stop(0.2)
        if not idle:
            _log.warning(
                "The running pass is interrupted; what became of its write is looked up at the next start."
            )
            self._loop.parts.interrupt()
            idle = self._ticker.stop(min(_INTERRUPT_GRACE, self._rhythm.stop))
        self._control.stop()
        if self._sender is not None:
            self._sender.stop(_SENDING)
        if idle:
            self._loop.note("stop", "Stopped on request.")
            self._loop.close()
        self._server.stop()
        _log.info("Stopped.")
        if not idle and self._problem is None:
            self._lease.release()
            self._closing()
            self._leave(Exit.OK)


def _refusal(applied: Applied) -> SpillwayError:
    """The error that a failed first build ends the process with."""
    sentence = f"the load balancer could not be built: {applied.sentence}"
    if not applied.begun:
        return TemporaryError(sentence, remedy=applied.remedy)
    if applied.absent:
        return TemporaryError(
            sentence,
            remedy="Make what is missing, or take it out of the configuration. The next start tries it again by itself.",
        )
    if applied.outcome is Outcome.REFUSED:
        return PermanentError(
            sentence,
            remedy=applied.remedy
            or "`spillway doctor` looks at permissions; `spillway plan` shows what would be built.",
        )
    if applied.outcome is Outcome.UNKNOWN:
        return OutcomeUnknown(
            sentence, remedy="Start it again: it looks at what was built before it does anything."
        )
    return SpillwayError(
        sentence,
        remedy=applied.remedy or "Start it again: it repairs what is left half done and goes on from there.",
    )
