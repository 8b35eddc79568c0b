"""What people ask of a running daemon and what they are answered: the words that command line, socket and loop share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from spillway.core.values.alarms import ActiveAlarm, Silence
from spillway.core.values.orders import Order
from spillway.core.values.topology import Fleet
from spillway.errors import SpillwayError

LEAST_SECONDS = 60.0
"""Shortest time that an order may last: one tick."""
MOST_SECONDS = 30 * 86_400.0
"""Longest time; what is to last longer lasts until it is taken back."""
POLICY = "policy"
"""The mode that ends an operator's mode."""
LONGEST_REASON = 200
LEAST_REASON = 3
"""Characters of a reason."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Command(StrEnum):
    """What an operator may ask of a running daemon."""

    HOLD = "hold"
    RELEASE = "release"
    PIN = "pin"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    MODE = "mode"
    UNDO = "undo"
    SILENCE = "silence"
    UNSILENCE = "unsilence"
    ORDERS = "orders"
    """Only look."""
    ALARMS = "alarms"
    """Only look."""
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command as it was sent."""

    command: Command
    code: str | None = None
    """Of the alarm that is to be silenced, or no longer."""
    service: str | None = None
    region: str | None = None
    scaler: float | None = None
    mode: str | None = None
    seconds: float | None = None
    """How long it lasts, in seconds of the world; None until it is taken back."""
    reason: str = ""
    force: bool = False
    by: str = ""
    """Who sent it."""


LOOKING = frozenset({Command.ORDERS, Command.ALARMS})
"""What changes nothing and is answered at once."""
SILENCING = frozenset({Command.SILENCE, Command.UNSILENCE, Command.ALARMS})
"""What is about alarms."""


class Verdict(StrEnum):
    """What became of a request."""

    DONE = "done"
    REFUSED = "refused"
    """A limit, a floor or the configuration is against it."""
    MISTAKEN = "mistaken"
    """It makes no sense: an unknown service, region or value."""
    UNAVAILABLE = "unavailable"
    """Not now: the daemon cannot judge it or cannot keep it."""
    FAILED = "failed"
    """It was tried, and it did not work."""
    UNKNOWN = "unknown"
    """It is being carried out, and its sender did not wait for the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said to the sender."""

    verdict: Verdict
    sentence: str
    guard: str = ""
    """Reason code of what refused it."""
    remedy: str = ""
    notes: tuple[str, ...] = ()
    """What will happen, or what else to know; of a reload what has changed, of a refused one its mistakes."""
    orders: tuple[Order, ...] = ()
    """All that are in force afterwards."""
    page: str = ""
    """Where the daemon serves its page; filled in for who only looks."""
    at: float = 0.0
    """UTC seconds of the answer, by the world's clock; filled in where alarms are."""
    alarms: tuple[ActiveAlarm, ...] = ()
    """Those that are up, to whom asks for alarms and silences; the most urgent first, and bounded."""
    left_out: int = 0
    """Alarms that are up and not among them."""
    silences: tuple[Silence, ...] = ()
    """All that are in force, to whom asks for alarms and silences."""


class RefusedRequest(Exception):
    """Ends the work on a request with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.sentence)
        self.answer = answer


def mistake(sentence: str, remedy: str = "") -> RefusedRequest:
    """What ends the work on a request that makes no sense."""
    return RefusedRequest(Answer(verdict=Verdict.MISTAKEN, sentence=sentence, remedy=remedy))


def done(sentence: str, notes: tuple[str, ...] = ()) -> Answer:
    """The answer to what was carried out."""
    return Answer(verdict=Verdict.DONE, sentence=sentence, notes=notes)


def judged(request: Request, what: str, decide: Callable[[Request], Answer]) -> Answer:
    """The answer of `decide`, also where it refuses the request or the disk does not keep `what` was asked for."""
    try:
        return decide(request)
    except RefusedRequest as refused:
        return refused.answer
    except SpillwayError as error:
        return Answer(
            verdict=Verdict.UNAVAILABLE,
            sentence=f"the {what} could not be kept: {error}",
            remedy=error.remedy,
        )


def journal_entry(request: Request, answer: Answer) -> tuple[str, dict[str, object]]:
    """Sentence and fields by which the journal tells of a request and of its answer."""
    fields: dict[str, object] = {
        name: getattr(request, name) for name in ("by", "command", "region", "service", "reason", "seconds")
    }
    who = request.by or "somebody"
    return f"{who}: {request.command}: {answer.sentence}", {**fields, "verdict": answer.verdict}


def reason_of(request: Request, what: str) -> str:
    """The reason that a request gives, fit to be shown; `what` it is for, such as `an order`.

    Raises:
        RefusedRequest: there is none, or it says nothing.
    """
    why = _UNPRINTABLE.sub(" ", request.reason).strip()[:LONGEST_REASON]
    if len(why) >= LEAST_REASON:
        return why
    short = f"the reason {why!r} is too short: {LEAST_REASON} characters at least"
    raise mistake(short if why else f"{what} needs a reason", 'Write --reason "why, for whoever is on call".')


def check_names(fleet: Fleet, service: str | None, region: str | None) -> None:
    """Refuse names that the configuration does not have.

    Raises:
        RefusedRequest: there is no such service, or no such region in it.
    """
    services = {s.name: s for s in fleet.services}
    if service is not None and service not in services:
        raise mistake(f"there is no service {service!r}", f"There are: {_listed(services)}.")
    asked = [services[service]] if service is not None else list(services.values())
    regions = sorted({b.region for s in asked for b in s.backends})
    if region is not None and region not in regions:
        where = f"service {service} has no region" if service else "there is no region"
        raise mistake(f"{where} {region!r}", f"There are: {_listed(regions)}.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
