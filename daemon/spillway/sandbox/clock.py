"""Scaled time: the sandbox's world runs `speed` times faster than the machine it lives on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

HOLD_LIMIT = 300.0
"""Real seconds after which a world that was held by somebody without a name goes on by itself."""
LEASE = 10.0
"""The same for a holder with a name, who renews it: after this time without a word it has died."""


class ScaledClock:
    """World time as a function of real time, with halts.

    While it runs, `world = (real - real_reference) * speed`, and the date in the world is `epoch + world`. Another
    process on this machine computes the same world time from `time.time()` with the three numbers of `reference()`.

    A client may hold the world while it works (`hold`, `release`): what takes real seconds in an engine then takes none
    in the world, but for the time that its writes owe (`owe`). So a busy machine does not make Google slower.
    The pause belongs to whoever asked last: a new holder takes over at once, and an earlier one's `release` says nothing then.
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
        self._lock = threading.RLock()
        self._reference = real()
        self._stands_at: float | None = 0.0 if held else None
        self._held_until = float("inf")
        self._owed = 0.0
        self.holder = ""
        """Who holds the world; empty where nobody does, or somebody without a name."""
        self.begun = not held

    @property
    def held(self) -> bool:
        """True while the world stands still."""
        self.world()
        return self._stands_at is not None

    def world(self) -> float:
        """World seconds since the start; never negative, and the same while it is held."""
        with self._lock:
            if self._stands_at is not None and self._real() > self._held_until:
                self.release()
            if self._stands_at is not None:
                return self._stands_at
            return max(0.0, (self._real() - self._reference) * self.speed)

    def hold(self, holder: str = "") -> None:
        """Let the world stand still until `release`; for `LEASE` real seconds at most, or `HOLD_LIMIT` without a holder's name."""
        with self._lock:
            if self._stands_at is None:
                self._stands_at = self.world()
            if self.begun:
                self.holder = holder
                self._held_until = self._real() + (LEASE if holder else HOLD_LIMIT)

    def owe(self, world_seconds: float) -> None:
        """Something takes this long in a world that is held: it goes on from that much later."""
        with self._lock:
            if self._stands_at is not None and self.begun:
                self._owed = max(self._owed, world_seconds)

    def release(self, holder: str = "") -> None:
        """Let the world go on, or begin; changes nothing where it is not held, or where `holder` is named and is not the one."""
        with self._lock:
            if self._stands_at is not None and holder in {"", self.holder}:
                self._reference = self._real() - (self._stands_at + self._owed) / self.speed
                self._stands_at, self._owed, self._held_until = None, 0.0, float("inf")
                self.holder = ""
                self.begun = True

    def now(self) -> float:
        """The date in the world, in UTC seconds."""
        return self.epoch + self.world()

    def real_seconds(self, world_seconds: float) -> float:
        """How long a span of world time takes on this machine, in real seconds; nothing while the world is held."""
        return 0.0 if self.held else world_seconds / self.speed

    def reference(self) -> dict[str, float]:
        """What another process needs: `epoch + (time.time() - real_reference) * speed` is the date in the world."""
        with self._lock:
            return {
                "epoch": self.epoch,
                "speed": self.speed,
                "real_reference": self._reference,
                "world": self.world(),
                "now": self.now(),
                "held": float(self.held),
            }


def rfc3339(utc_seconds: float) -> str:
    """A date as the Compute API writes it, to the millisecond, in UTC."""
    moment = datetime.fromtimestamp(utc_seconds, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
