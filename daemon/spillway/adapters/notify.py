"""Messages to the service manager over its notify socket (sd_notify(3)); silent where there is none."""

from __future__ import annotations

import logging
import os
import socket
import time

_log = logging.getLogger(__name__)


class SystemdNotifier:
    """Says ready, reloading, stopping, alive, and one line of status.

    Args:
        address: the socket, by default `$NOTIFY_SOCKET`; a leading `@` means the abstract name space.
    """

    def __init__(self, address: str | None = None) -> None:
        named = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + named[1:] if named.startswith("@") else named

    def ready(self) -> None:
        """The first tick is done, or a reload has ended."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; systemd wants the time on its own clock (Type=notify-reload)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The process is on its way out."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog; called once for each finished tick and for nothing else."""
        self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + sentence.replace("\n", " "))

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.connect(self._address)
                sender.sendall(message.encode())
        except OSError as error:
            _log.debug("the service manager did not take %r: %s", message.split("=", 1)[0], error)
