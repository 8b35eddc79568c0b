"""What the commands without a daemon work with: `plan`, `up`, `destroy`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from spillway.compose.changes import digest_of, session_of
from spillway.compose.clouds import clock_of, closer, deployer_of, observer_of
from spillway.config import load
from spillway.config.load import Loaded
from spillway.control.memory import Keeper, fit, read_back
from spillway.control.writer import GOOD
from spillway.core.values.overlay import Overlay
from spillway.errors import PermanentError, TemporaryError
from spillway.ports import Applied, Deployer


@dataclass(frozen=True)
class Provisioner:
    """What `plan`, `up` and `destroy` work with."""

    loaded: Loaded
    deployer: Deployer

    @cached_property
    def overlay(self) -> Overlay:
        """What a daemon has chosen; what the cloud has where none has run; the configured start where it cannot be read."""
        config = self.loaded.config
        starting = load.starting_overlay(config)
        kept, flaw = self._keeper.look()
        if flaw:
            raise PermanentError(
                f"{config.daemon.state_dir}/state.json is {flaw}, so nobody knows what a daemon has chosen.",
                remedy="Move it away: what the cloud has counts then. A daemon that starts does so by itself.",
            )
        if kept is not None and kept.overlay is not None:
            return fit(starting, kept.overlay)
        try:
            observer = observer_of(config, clock_of(config)[0])
        except TemporaryError:
            return starting
        try:
            policies = config.policies
            in_force = {s.name: policies[s.policy] for s in load.fleet(config).services}
            return read_back(starting, observer.observe_health(), in_force) or starting
        finally:
            observer.close()

    def build(self) -> Applied:
        """Build, and keep in mind what was built: a daemon does not build the same again."""
        overlay = self.overlay
        self._built("")
        applied = self.deployer.build(overlay)
        if applied.outcome in GOOD:
            self._built(digest_of(self.loaded, self.deployer.kind, session_of(self.loaded.config)))
        return applied

    def destroy(self) -> Applied:
        """Remove all, and keep in mind that nothing stands."""
        self._built("")
        return self.deployer.destroy()

    @property
    def _keeper(self) -> Keeper:
        return keeper_of(Path(self.loaded.config.daemon.state_dir))

    def _built(self, digest: str) -> None:
        """What a daemon that has run here takes for the last build."""
        kept, _ = self._keeper.look()
        if kept is not None and kept.overlay is not None and kept.provisioned != digest:
            self._keeper.save(replace(kept, provisioned=digest))


def provisioner(loaded: Loaded) -> Provisioner:
    """Engine and overlay for a look that touches nothing.

    Raises:
        PermanentError: the engine that is demanded is not installed.
    """
    return Provisioner(loaded=loaded, deployer=deployer_of(loaded.config))


@contextmanager
def exclusive(loaded: Loaded) -> Iterator[Provisioner]:
    """Engine and overlay, with the lease of the state folder held.

    Raises:
        TemporaryError: a daemon runs on the same state folder.
    """
    from spillway.adapters.file_lock import FileLease

    with FileLease(Path(loaded.config.daemon.state_dir)):
        found = provisioner(loaded)
        try:
            yield found
        finally:
            closer(found.deployer)()


def keeper_of(state_dir: Path) -> Keeper:
    """What survives, in `state_dir`/state.json."""
    from spillway.adapters.files import FileStore

    return Keeper(FileStore(state_dir / "state.json"))
