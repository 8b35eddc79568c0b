"""Signals as bytes on a socket: no handler ever runs Python code that could meet a lock held by the main thread."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
RELOADING = frozenset({signal.SIGHUP})
WITHOUT_MEANING = frozenset({signal.SIGUSR1, signal.SIGUSR2})
"""Their default would end the process; tools that rotate logs send them."""


class SignalListener:
    """Receives signals, and those that other threads of the process send."""

    def __init__(self) -> None:
        self._sender, self._receiver = socket.socketpair()
        for end in (self._sender, self._receiver):
            end.settimeout(0.0)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch SIGTERM, SIGINT, SIGHUP and those without a meaning inside the block; for the main thread alone."""
        caught = STOPPING | RELOADING | WITHOUT_MEANING
        before = {number: signal.signal(number, _caught) for number in caught}
        old = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)

    def send(self, number: signal.Signals) -> None:
        """As if this signal had come; from any thread."""
        self._sender.send(bytes([number]))

    def received(self, seconds: float) -> set[int]:
        """What has come, waiting at most `seconds` for the first."""
        ready, _, _ = select.select([self._receiver], [], [], seconds)
        return set(self._receiver.recv(64)) if ready else set()

    def close(self) -> None:
        """Let go of the sockets."""
        self._sender.close()
        self._receiver.close()


def _caught(number: int, frame: object) -> None:
    """The byte on the socket is all that matters."""
