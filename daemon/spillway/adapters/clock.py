"""Time: Google's, as its answers are dated, or the sandbox world's, which runs `speed` times faster."""

from __future__ import annotations

import logging
import threading
import time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Protocol

import requests

from spillway.adapters.process import identity, is_gone
from spillway.errors import PermanentError, TemporaryError, root_cause

_log = logging.getLogger(__name__)

_TIMEOUT = 5.0
"""Seconds for one question to the sandbox on this machine."""

_LOOK = 0.1
"""Seconds between two looks at a world that somebody holds."""

_GRAIN = 1.0
"""Seconds that the Date of an answer leaves open: it is cut to whole ones (RFC 9110, 6.6.1)."""

CLOCK_LIMIT = 5.0
"""Seconds of clock error past which people should hear of it: a twelfth of the sample period."""


_IMPLAUSIBLE = 3600.0
"""Seconds that an answer may move a clock that other answers have set before: a machine's oscillator drifts by less in years."""
_CONVINCING = (100, 600.0)
"""Answers in a row, and seconds between the first and the last of them, that move it further all the same."""

SYNCHRONISE = "Turn on time synchronisation (timedatectl set-ntp true)."
"""What to do about it."""


@lru_cache(maxsize=8)
def date_of(stamp: str | None) -> float | None:
    """UTC seconds of an answer's Date; None where it has none, or one that nobody can read.

    Remembered, because the health reads of a large fleet bring thousands of answers with the same few dates.
    """
    if stamp is None:
        return None
    try:
        return parsedate_to_datetime(stamp).timestamp()
    except ValueError:
        return None


class Hooked(Protocol):
    """What is used of a session."""

    @property
    def hooks(self) -> Any:
        """Under `response`: what is called with each answer."""
        ...


class CloudClock:
    """Google's clock, which dates all that is read: it is what ages and windows must be counted by.

    It begins as the machine's and then runs on by the machine's monotonic seconds, so that nobody who sets the clock moves
    it. Each answer's Date bounds it from both sides (Cristian 1989, with the whole round trip as doubt): it is moved as far
    as the nearer bound where it lies outside, and left alone where it does not. After the first answer it follows no leap
    of hours or years: one answer with a wrong date must not end what people have ordered, nor make all data old.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start = time.time() - time.monotonic()
        self._warned = False
        self._set = False
        """True once an answer has set it."""
        self._doubts = 0
        """Answers in a row that would have moved it too far."""
        self._doubted_at = 0.0
        """Monotonic seconds of the first of them."""

    def now(self) -> float:
        """UTC seconds since 1970."""
        return self._start + time.monotonic()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def heed(self, session: Hooked) -> None:
        """From now on, go by the answers that `session` gets."""
        session.hooks["response"].append(self._hear)

    def _hear(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """One answer has come in; one without a Date, or with one that nobody can read, says nothing."""
        answered = time.monotonic()
        asked = answered - response.elapsed.total_seconds()
        date = date_of(response.headers.get("Date"))
        if date is None:
            return
        with self._lock:
            start = min(max(self._start, date - answered), date + _GRAIN - asked)
            if self._set and abs(start - self._start) > _IMPLAUSIBLE and not self._convinced(answered):
                return
            self._start, self._set, self._doubts = start, True, 0
            self._tell(time.time() - self.now())

    def _convinced(self, answered: float) -> bool:
        """Whether so many answers for so long say the same that it must be true."""
        if not self._doubts:
            self._doubted_at = answered
            _log.warning("An answer has a date that is hours or more from those before: it is not followed.")
        self._doubts += 1
        many, seconds = _CONVINCING
        return self._doubts >= many and answered - self._doubted_at >= seconds

    def _tell(self, ahead: float) -> None:
        """Say once that the machine's own clock is wrong, and once that it is right again."""
        wrong = abs(ahead) > CLOCK_LIMIT
        if wrong and not self._warned:
            _log.warning(
                "This machine's clock is %.0f s %s Google's. Spillway goes by Google's; the dates of its log do not. %s",
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
                SYNCHRONISE,
            )
        elif self._warned and not wrong:
            _log.info("This machine's clock agrees with Google's again.")
        self._warned = wrong


class SandboxClock:
    """The world's clock, computed from a reference that the sandbox gives; no network but at its halts.

    World now = epoch + (machine now - reference) x speed.
    """

    def __init__(self, *, epoch: float, reference: float, speed: float) -> None:
        """Set the clock.

        Args:
            epoch: the world's UTC seconds at the reference.
            reference: the machine's UTC seconds (`time.time()`) at the same moment.
            speed: world seconds for each real second, above 0.

        Raises:
            ValueError: the speed is not above 0.
        """
        if not speed > 0:
            raise ValueError(f"the sandbox's speed must be above 0, not {speed}")
        self.speed = speed
        self._epoch = epoch
        self.reference = reference
        """The machine's UTC seconds at the world's epoch."""
        self._stands_at: float | None = None

    def now(self) -> float:
        """UTC seconds of the world; the same while it is held."""
        stands_at = self._stands_at
        return (
            stands_at if stands_at is not None else self._epoch + (time.time() - self.reference) * self.speed
        )

    def hold(self) -> None:
        """The world stands still from now on."""
        self._stands_at = self.now()

    def follow(self, reference: float) -> None:
        """The world goes on, with a new reference: the machine's UTC seconds at its first second."""
        self.reference = reference
        self._stands_at = None

    def monotonic(self) -> float:
        """World seconds that never run backwards."""
        return time.monotonic() * self.speed


def sandbox_clock(base: str) -> SandboxClock:
    """Ask the sandbox at `base` (`http://127.0.0.1:8480`) for its time; ends a pause that somebody left who died in a write.

    Raises:
        TemporaryError: it does not answer, or its world has not begun.
        PermanentError: what answers is no sandbox.
    """
    clock = f"{base.rstrip('/')}/sandbox/v1/clock"
    with requests.Session() as session:
        session.trust_env = False  # loopback: no proxy of the environment may come between
        found, held, holder = _ask(session, "GET", clock)
        end = time.monotonic() + _TIMEOUT
        # 1. Somebody who lives has it paused for a write: that takes seconds.
        while held and holder and not is_gone(holder) and time.monotonic() < end:
            time.sleep(_LOOK)
            found, held, holder = _ask(session, "GET", clock)
        # 2. Somebody who died in a write has it paused, or does not let go: the pause is ours now, and ends.
        if held and holder:
            _log.warning("The sandbox's world was held by %s: it goes on.", holder)
            _ask(session, "POST", f"{clock}/hold")
            found, held, _ = _ask(session, "POST", f"{clock}/release")
    # 3. A person has it paused, or it has not begun.
    if held:
        raise TemporaryError(
            f"the sandbox at {base} holds its world: it has not begun, or a person has stopped it",
            remedy=f"let it go on: curl -X POST {clock}/release",
        )
    return found


def _ask(session: requests.Session, method: str, url: str) -> tuple[SandboxClock, bool, str]:
    """The sandbox's clock, whether its world is held, and by whom.

    Raises:
        TemporaryError: it does not answer.
        PermanentError: what answers is no sandbox.
    """
    remedy = "Start it with `spillway sandbox -c CONFIG`, or correct sandbox.http."
    body = {"holder": identity()} if method == "POST" else None
    try:
        response = session.request(method, url, json=body, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise TemporaryError(
            f"the sandbox's clock at {url} does not answer: {root_cause(error)}", remedy=remedy
        ) from error
    try:
        told = response.json()
        clock = SandboxClock(
            epoch=float(told["epoch"]),
            reference=float(told["real_reference"]),
            speed=float(told["speed"]),
        )
        apart = abs(clock.now() - float(told["now"])) / clock.speed
        held = bool(told.get("held")) or apart > _TIMEOUT
        return clock, held, str(told.get("holder", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PermanentError(
            f"{url} answered {response.status_code} and no sandbox clock", remedy=remedy
        ) from error
