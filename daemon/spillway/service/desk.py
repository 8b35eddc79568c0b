"""Between the thread of the control socket and the loop's: requests one way, answers the other.

A request waits until the pass that is under way has ended. Who waits no longer withdraws it: then it is surely not carried out.
Both the queue and the waiting are bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from spillway.control.orders import Answer, Request, Verdict

MOST_WAITING = 32
"""Requests that wait for the loop at the same time."""


class Ticket:
    """One request on its way. `done` is called once, by whichever thread has the answer."""

    def __init__(self, request: Request, done: Callable[[Answer], None]) -> None:
        self.request = request
        self._done = done
        self._lock = threading.Lock()
        self._begun = False

    def begin(self) -> bool:
        """Take it for carrying out or for withdrawal; False where somebody else did."""
        with self._lock:
            begun, self._begun = self._begun, True
        return not begun

    def answer(self, answer: Answer) -> None:
        """Give the answer."""
        self._done(answer)

    def withdraw(self) -> bool:
        """Take it back; False where it is being carried out already, so that nobody knows what becomes of it."""
        return self.begin()


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
        self._waiting: deque[Ticket] = deque()

    def submit(self, request: Request, done: Callable[[Answer], None]) -> Ticket | None:
        """Hand a request over; None where too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            return None
        ticket = Ticket(request, done)
        self._waiting.append(ticket)
        self._soon("orders", self._serve)
        return ticket

    def _serve(self) -> None:
        """Carry out all that waits."""
        changed = False
        while self._waiting:
            ticket = self._waiting.popleft()
            if not ticket.begin():
                continue
            answer = Answer(
                verdict=Verdict.FAILED,
                sentence="it ended in a defect of Spillway",
                remedy="The daemon's log has the trace; please report it.",
            )
            try:
                answer = self._handle(ticket.request)
            finally:
                ticket.answer(answer)
            changed = changed or answer.verdict is Verdict.DONE
        if changed:
            self._after()
