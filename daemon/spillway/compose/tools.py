"""What the commands without a daemon work with: `plan`, `up`, `destroy`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spillway.compose.clouds import clock_of, closer, deployer_of, observer_of
from spillway.config import load
from spillway.config.load import Loaded
from spillway.control.memory import Keeper, fit, read_back
from spillway.core.overlay import Overlay
from spillway.errors import TemporaryError
from spillway.ports import Deployer


@dataclass(frozen=True)
class Hands:
    """What `plan`, `up` and `destroy` work with."""

    loaded: Loaded
    deployer: Deployer

    @cached_property
    def overlay(self) -> Overlay:
        """What a daemon has chosen; what the cloud has where none has run; the configured start where it cannot be read."""
        config = self.loaded.config
        starting = load.starting_overlay(config)
        kept, _ = keeper_of(Path(config.daemon.state_dir)).restore()
        if kept.overlay is not None:
            return fit(starting, kept.overlay)
        try:
            observer = observer_of(config, clock_of(config)[0])
        except TemporaryError:
            return starting
        try:
            return read_back(starting, observer.observe_health()) or starting
        finally:
            observer.close()


def hands(loaded: Loaded) -> Hands:
    """Engine and overlay for a look that touches nothing.

    Raises:
        PermanentError: the engine that is demanded is not installed.
    """
    return Hands(loaded=loaded, deployer=deployer_of(loaded.config))


@contextmanager
def exclusive(loaded: Loaded) -> Iterator[Hands]:
    """Engine and overlay, with the lease of the state folder held.

    Raises:
        TemporaryError: a daemon runs on the same state folder.
    """
    from spillway.adapters.lease import FileLease

    with FileLease(Path(loaded.config.daemon.state_dir)):
        found = hands(loaded)
        try:
            yield found
        finally:
            closer(found.deployer)()


def keeper_of(state_dir: Path) -> Keeper:
    """What survives, in `state_dir`/state.json."""
    from spillway.adapters.store import FileStore

    return Keeper(FileStore(state_dir / "state.json"))
