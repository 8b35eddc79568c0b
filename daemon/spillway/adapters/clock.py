"""Time: the machine's own, or the sandbox world's, which runs `speed` times faster."""

from __future__ import annotations

import time

import requests

from spillway.adapters.why import why
from spillway.errors import PermanentError, TemporaryError

_TIMEOUT = 5.0
"""Seconds for one question to the sandbox on this machine."""


class SystemClock:
    """The machine's clock, for real clouds."""

    def now(self) -> float:
        """UTC seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


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
    """Ask the sandbox at `base` (`http://127.0.0.1:8480`) for its time.

    Raises:
        TemporaryError: it does not answer.
        PermanentError: what answers is no sandbox.
    """
    url = f"{base.rstrip('/')}/sandbox/v1/clock"
    remedy = "start it with `spillway sandbox`, or correct sandbox.http"
    try:
        with requests.Session() as session:
            session.trust_env = False  # loopback: no proxy of the environment may come between
            response = session.get(url, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise TemporaryError(
            f"the sandbox's clock at {url} does not answer: {why(error)}", remedy=remedy
        ) from error
    try:
        body = response.json()
        clock = SandboxClock(
            epoch=float(body["epoch"]),
            reference=float(body["real_reference"]),
            speed=float(body["speed"]),
        )
        apart = abs(clock.now() - float(body["now"])) / clock.speed
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(
            f"{url} answered {response.status_code} and no sandbox clock", remedy=remedy
        ) from error
    if apart > _TIMEOUT:
        raise TemporaryError(
            f"the sandbox at {base} holds its world at the start",
            remedy=f"let it begin: curl -X POST {base.rstrip('/')}/sandbox/v1/clock/release",
        )
    return clock
