"""Operators' silences: an alarm that is known is told to nobody for a while, and stays visible.

Everything that changes something runs in the loop's thread, between two passes; a silence is durable before it is answered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches

from spillway.control.requests import (
    LEAST_SECONDS,
    MOST_SECONDS,
    Answer,
    Command,
    RefusedRequest,
    Request,
    Verdict,
    check_names,
    done,
    journal_entry,
    judged,
    mistake,
    reason_of,
)
from spillway.control.tick import Loop
from spillway.core.explain.reasons import ALARMS
from spillway.core.values.alarms import MOST_SILENCES, Severity, Silence

MOST_SHOWN = 200
"""Alarms in one answer at most: some 700 bytes each, and a client reads 256 KiB."""


class SilenceDesk:
    """Takes silences for one loop, and lists alarms.

    Args:
        loop: keeps them.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def handle(self, request: Request) -> Answer:
        """Carry out one command; what changes something is in the journal, accepted or refused."""
        answer = judged(request, "silence", self._decide)
        if request.command is not Command.ALARMS:
            sentence, fields = journal_entry(request, answer)
            self._loop.note("silence", sentence, **fields, code=request.code)
        alarms = self._loop.active_alarms()
        return replace(
            answer,
            at=self._loop.now(),
            alarms=alarms[:MOST_SHOWN],
            left_out=max(0, len(alarms) - MOST_SHOWN),
            silences=self._loop.silences(),
        )

    def expire(self) -> tuple[str, ...]:
        """Let go of what has ended; a sentence for each. Called before a pass."""
        kept, now = self._loop.kept, self._loop.now()
        over = tuple(silence for silence in kept.silences if not silence.in_force(now))
        if not over:
            return ()
        told = tuple(f"{describe(silence)} has ended" for silence in over)
        for sentence, silence in zip(told, over, strict=True):
            self._loop.note("silence", sentence, command="expired", code=silence.code, by=silence.by)
        left = tuple(silence for silence in kept.silences if silence.in_force(now))
        self._loop.keep_later(replace(kept, silences=left))
        return told

    def _decide(self, request: Request) -> Answer:
        match request.command:
            case Command.ALARMS:
                count = len(self._loop.active_alarms())
                if not count:
                    return done("no alarm is up")
                return done(f"{count} alarms are up" if count > 1 else "1 alarm is up")
            case Command.SILENCE:
                return self._silence(request)
            case Command.UNSILENCE:
                return self._unsilence(request)
            case _:
                raise mistake(f"{request.command} is no silence")

    def _silence(self, request: Request) -> Answer:
        code, now = self._code(request), self._loop.now()
        why = reason_of(request, "a silence")
        if request.seconds is None or not LEAST_SECONDS <= request.seconds <= MOST_SECONDS:
            told = "without end" if request.seconds is None else f"{request.seconds:g} s"
            raise mistake(
                f"a silence lasts from {LEAST_SECONDS:g} s to {MOST_SECONDS / 86_400:g} days, not {told}",
                "Write --for 2h.",
            )
        check_names(self._loop.parts.fleet, request.service, request.region)
        silence = Silence(
            code=code,
            until=now + request.seconds,
            reason=why,
            service=request.service,
            region=request.region,
            by=request.by,
            at=now,
        )
        others = tuple(s for s in self._loop.silences() if not silence.replaces(s))
        if len(others) >= MOST_SILENCES:
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.REFUSED,
                    sentence=f"{MOST_SILENCES} silences are in force already",
                    remedy="`spillway alarms` lists them; end what is not needed with `spillway unsilence`.",
                )
            )
        self._loop.keep(replace(self._loop.kept, silences=(*others, silence)))
        return done(f"{describe(silence)} is in force until {_moment(silence.until)}", self._notes(silence))

    def _notes(self, silence: Silence) -> tuple[str, ...]:
        """What the silence means now."""
        covered = [a for a in self._loop.active_alarms() if silence.covers(a.code, a.service, a.region)]
        notes = ["no webhook tells it meanwhile; it stays visible in status, page and metrics"]
        if not covered:
            notes.insert(0, "no such alarm is up now: it silences what comes up until then")
        if ALARMS[silence.code].severity is Severity.PAGE:
            notes.append("it is a page: users may be hurt while nobody is told")
        return tuple(notes)

    def _unsilence(self, request: Request) -> Answer:
        code = self._code(request)
        check_names(self._loop.parts.fleet, request.service, request.region)
        standing = self._loop.silences()
        ended = tuple(
            s
            for s in standing
            if s.code == code and request.service in {None, s.service} and request.region in {None, s.region}
        )
        if not ended:
            wider = [s for s in standing if s.code == code]
            if not wider:
                return done(f"nothing is in force: there is no silence of {code} to end")
            raise RefusedRequest(
                Answer(
                    verdict=Verdict.REFUSED,
                    sentence=f"no silence of {code} is in force for that alone, but {describe(wider[0])} is",
                    remedy="One for all services is ended without --service and --region.",
                )
            )
        left = tuple(s for s in standing if s not in ended)
        self._loop.keep(replace(self._loop.kept, silences=left))
        told = " and ".join(describe(s) for s in ended)
        return done(f"{told} {'is' if len(ended) == 1 else 'are'} ended")

    def _code(self, request: Request) -> str:
        """The alarm that a request names.

        Raises:
            RefusedRequest: there is no such alarm.
        """
        code = request.code or ""
        if code in ALARMS:
            return code
        near = get_close_matches(code, ALARMS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise mistake(
            f"there is no alarm {code!r}" if code else "no alarm is named",
            f"{hint}`spillway alarms` lists those that are up, docs/runbook.md all of them.",
        )


def describe(silence: Silence) -> str:
    """A silence in a few words, such as `the silence of region-dead in us-east4 of pool`."""
    where = [silence.region or "", silence.service or ""]
    place = " of ".join(part for part in where if part)
    return f"the silence of {silence.code}" + (f" in {place}" if place else "")


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
