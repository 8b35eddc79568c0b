"""Between the thread of the control socket and the loop's: requests one way, answers the other.

A request waits until the pass that is under way has ended. Who waits no longer withdraws it: then it is surely not carried out.
Both the queue and the waiting are bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from spillway.control.requests import Answer, Request, Verdict

MOST_WAITING = 32
"""Requests that wait for the loop at the same time."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """One request on its way."""

    request: Request
    done: Callable[[Answer], None]
    """Called once with the answer, in the loop's thread; never for one that was withdrawn."""


class Desk:
    """Hands requests over.

    Args:
        handle: carries one out, in the loop's thread.
        soon: runs a function in the loop's thread, after the pass that is under way.
        after: called in the loop's thread once requests were carried out that change something.
    """

    def __init__(
        self,
        *,
        handle: Callable[[Request], Answer],
        soon: Callable[[str, Callable[[], object]], None],
        after: Callable[[], None],
    ) -> None:
        self._handle = handle
        self._soon = soon
        self._after = after
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()

    def submit(self, request: Request, done: Callable[[Answer], None]) -> Ticket | None:
        """Hand a request over; None where too many wait."""
        ticket = Ticket(request, done)
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                return None
            self._waiting.append(ticket)
        self._soon("orders", self._serve)
        return ticket

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a request back; False where it is being carried out already, so that nobody knows what becomes of it."""
        with self._lock:
            if ticket not in self._waiting:
                return False
            self._waiting.remove(ticket)
            return True

    def waiting(self) -> int:
        """Requests that wait for the loop."""
        with self._lock:
            return len(self._waiting)

    def _next(self) -> Ticket | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _serve(self) -> None:
        """Carry out all that waits."""
        changed = False
        while (ticket := self._next()) is not None:
            answer = _DEFECT
            try:
                answer = self._handle(ticket.request)
            finally:
                ticket.done(answer)
            changed = changed or answer.verdict is Verdict.DONE
        if changed:
            self._after()


_DEFECT = Answer(
    verdict=Verdict.FAILED,
    sentence="it ended in a defect of Spillway",
    remedy="The daemon's log has the trace; please report it.",
)
