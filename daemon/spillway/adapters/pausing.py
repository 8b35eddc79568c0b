"""Pause the simulated world while the engine works: its real seconds on a busy machine are not Google's.

A write then takes the world exactly as long as the scenario says. On Google nothing of this is used.
The pause is a lease: it is renewed while the engine works, and ends by itself soon after this process does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from spillway.adapters.clock import SandboxClock
from spillway.adapters.process import identity
from spillway.core.values.drift import DriftReport
from spillway.core.values.overlay import Overlay
from spillway.ports import Applied, Deployer, Preview

_log = logging.getLogger(__name__)

_TIMEOUT = 5.0
"""Wall seconds for one word with the sandbox on this machine."""
_RENEW = 3.0
"""Wall seconds between two renewals: three of them fit into the sandbox's lease of ten."""


class PausingDeployer:
    """Implements `ports.Deployer` over another one.

    Args:
        inner: the engine.
        base: the sandbox, `http://127.0.0.1:8480`.
        clock: the daemon's clock, which is paused with the world.
    """

    def __init__(self, inner: Deployer, base: str, clock: SandboxClock) -> None:
        self._inner = inner
        self._base = base
        self._clock = clock
        self.kind = inner.kind

    def look(self, overlay: Overlay) -> DriftReport | None:
        """What stands beside what (config, overlay) say; None where the engine does not look."""
        look = getattr(self._inner, "look", None)
        return None if look is None else look(overlay)

    def preview(self, overlay: Overlay) -> Preview:
        """What `build` would change; see `ports.Deployer`."""
        return self._inner.preview(overlay)

    def build(self, overlay: Overlay) -> Applied:
        """Build it while the world waits; see `ports.Deployer`."""
        with self._paused():
            return self._inner.build(overlay)

    def apply(self, overlay: Overlay) -> Applied:
        """Make it so while the world waits; see `ports.Deployer`."""
        with self._paused():
            return self._inner.apply(overlay)

    def destroy(self) -> Applied:
        """Remove it while the world waits; see `ports.Deployer`."""
        with self._paused():
            return self._inner.destroy()

    def recover(self) -> str | None:
        """Clear up after a crash while the world waits; see `ports.Deployer`."""
        with self._paused():
            return self._inner.recover()

    def outputs(self) -> dict[str, str]:
        """See `ports.Deployer`."""
        return self._inner.outputs()

    def close(self) -> None:
        """Close the engine, where it has something to close."""
        getattr(self._inner, "close", lambda: None)()

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """The world is paused inside. Where the sandbox does not answer it goes on, and the engine will say more."""
        paused = self._tell("hold") is not None
        if not paused:
            yield
            return
        self._clock.hold()
        done = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(done,), name="spillway-pause", daemon=True)
        renewer.start()
        try:
            yield
        finally:
            done.set()
            renewer.join(_TIMEOUT)
            # Without an answer the old reference stays: ahead of the world by this pause until the next one.
            self._clock.follow(self._tell("release") or self._clock.reference)

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(_RENEW):
            self._tell("hold")

    def _tell(self, word: str) -> float | None:
        """Say `hold` or `release`; the world's new reference, or None where nobody answered."""
        try:
            with requests.Session() as session:
                session.trust_env = False  # loopback: no proxy of the environment may come between
                answer = session.post(
                    f"{self._base}/sandbox/v1/clock/{word}", json={"holder": identity()}, timeout=_TIMEOUT
                )
            return float(answer.json()["real_reference"])
        except (requests.RequestException, ValueError, KeyError, TypeError, RecursionError) as error:
            _log.warning("The sandbox did not %s its world: %s", word, error)
            return None
