"""Scaled time: the sandbox's world runs `speed` times faster than the machine it lives on."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class ScaledClock:
    """World time as a function of real time.

    `world = (real - real_reference) * speed`, and the date in the world is `epoch + world`. Another process on this
    machine computes the same world time from `time.time()` with the three numbers of `reference()`.
    """

    def __init__(
        self, *, speed: float, epoch: float, held: bool = False, real: Callable[[], float] = time.time
    ) -> None:
        """Start the world now.

        Args:
            speed: world seconds per real second, above 0.
            epoch: UTC seconds at which the world starts.
            held: keep the world at its start until `release`.
            real: the machine's clock, in UTC seconds; tests hand in their own.

        Raises:
            ValueError: the speed is not above 0.
        """
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self.epoch = epoch
        self._real = real
        self._reference = real()
        self.held = held

    def world(self) -> float:
        """World seconds since the start; never negative, and 0 while it is held."""
        if self.held:
            return 0.0
        return max(0.0, (self._real() - self._reference) * self.speed)

    def release(self) -> None:
        """Let the world begin; a second call changes nothing."""
        if self.held:
            self._reference = self._real()
            self.held = False

    def now(self) -> float:
        """The date in the world, in UTC seconds."""
        return self.epoch + self.world()

    def real_seconds(self, world_seconds: float) -> float:
        """How long a span of world time takes on this machine, in real seconds; nothing while the world is held."""
        return 0.0 if self.held else world_seconds / self.speed

    def reference(self) -> dict[str, float]:
        """What another process needs: `epoch + (time.time() - real_reference) * speed` is the date in the world."""
        return {
            "epoch": self.epoch,
            "speed": self.speed,
            "real_reference": self._reference,
            "world": self.world(),
            "now": self.now(),
        }


def rfc3339(utc_seconds: float) -> str:
    """A date as the Compute API writes it, to the millisecond, in UTC."""
    moment = datetime.fromtimestamp(utc_seconds, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
