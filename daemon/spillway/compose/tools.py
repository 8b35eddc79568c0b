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
from spillway.control.memory import Keeper, Kept, fit
from spillway.control.standing import Wanted, wait_on, what_stands
from spillway.control.writer import GOOD
from spillway.core.values.overlay import Overlay
from spillway.errors import PermanentError, TemporaryError
from spillway.ports import Applied, Deployer


@dataclass(frozen=True)
class Provisioner:
    """What `plan`, `up` and `destroy` work with."""

    loaded: Loaded
    deployer: Deployer

    @property
    def overlay(self) -> Overlay:
        """What stands in the cloud, with what a daemon has chosen for the rest; the configured start where neither is known.

        Raises:
            PermanentError: the state of the daemon makes no sense.
            TemporaryError: a daemon has run here, and the cloud cannot be read, so nobody knows what stands.
        """
        return self._read[0]

    @property
    def unread(self) -> TemporaryError | None:
        """Why what stands could not be read; None where it was. It raises as `overlay` does."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Overlay, TemporaryError | None]:
        config = self.loaded.config
        starting = load.starting_overlay(config)
        kept, flaw = self._keeper.look()
        if flaw:
            raise PermanentError(
                f"{config.daemon.state_dir}/state.json is {flaw}, so nobody knows what a daemon has chosen.",
                remedy="Move it away: what the cloud has counts then. A daemon that starts does so by itself.",
            )
        kept = kept or Kept()
        try:
            clock = clock_of(config)[0]
            observer = observer_of(config, clock)
        except TemporaryError as error:
            return fit(starting, kept.overlay), error  # no sandbox runs: the engine will say so
        policies = config.policies
        in_force = {s.name: policies[s.policy] for s in load.fleet(config).services}
        try:
            standing = what_stands(
                Wanted(starting=starting, policies=in_force),
                kept,
                observer.observe,
                wait_on(clock),
                intended=kept.intent.plan.overlay if kept.intent is not None else None,
                where=self._keeper.name,
            )
        except TemporaryError as error:
            if kept.overlay is not None:
                raise
            return starting, error
        else:
            return standing.overlay, None
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


def standing_resources(loaded: Loaded) -> tuple[str, ...]:
    """Kind and name of all that the engine's state holds, which is what a `destroy` deletes.

    Raises:
        SpillwayError: the state cannot be read, or this engine tells nothing of it.
    """
    from spillway.adapters.drift.guarded import GuardedDeployer

    deployer = deployer_of(loaded.config)
    try:
        if not isinstance(deployer, GuardedDeployer):
            raise PermanentError("this engine tells nothing of its state")
        return deployer.resources()
    finally:
        closer(deployer)()


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

    file = state_dir / "state.json"
    return Keeper(FileStore(file), str(file))
