"""For which `name` an engine's state was built. Whoever builds another one on it would have the first deleted, address and all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from spillway.adapters.files import remedy_for, write_atomically
from spillway.config.reading import read_bounded
from spillway.errors import PermanentError, TemporaryError
from spillway.ports import Applied, Outcome

_LONGEST = 4096
"""Bytes of a note that are read: a name has 30 characters at most."""


class OtherNameError(PermanentError):
    """What stands on this state is another load balancer."""

    def __init__(self, there: str, wanted: str) -> None:
        super().__init__(
            f"what stands was built for name {there}, and the configuration says {wanted}:"
            f" to build or destroy {wanted} here would delete {there}, its address too",
            remedy=f"Run `spillway destroy` with the configuration of {there} first, or give each load balancer its"
            " own daemon.state_dir and daemon.engine.stack.",
        )


@dataclass(slots=True)
class Ownership:
    """A note beside the state: written when a build begins, gone after a destroy.

    A state without a note is older than this rule; the next build takes it over.
    """

    path: Path
    name: str
    _fresh: bool = field(default=False, init=False)

    def check(self) -> None:
        """Do nothing if the state is ours or nobody's.

        Raises:
            OtherNameError: it was built for another name.
            SpillwayError: the note cannot be read, so nobody knows for which.
        """
        there = self._noted()
        if there and there != self.name:
            raise OtherNameError(there, self.name)

    def claim(self) -> None:
        """Note that the state is ours, before anything is made.

        Raises:
            OtherNameError: it was built for another name.
            SpillwayError: the note cannot be read, so nobody knows for which, or not be written.
        """
        self.check()
        if not self._noted():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self.path, self.name.encode())
            except OSError as error:
                raise TemporaryError(
                    f"the name {self.name} cannot be noted in {self.path}: {error}", remedy=remedy_for(error)
                ) from error
            self._fresh = True

    def settle(self, applied: Applied) -> Applied:
        """Take the note back if the build that wrote it has changed nothing: a refused first name binds nobody."""
        if self._fresh and applied.outcome is Outcome.REFUSED:
            self.free()
        self._fresh = False
        return applied

    def free(self) -> None:
        """Forget the name: nothing stands any more."""
        self.path.unlink(missing_ok=True)

    def _noted(self) -> str:
        try:
            return read_bounded(self.path, _LONGEST).decode().strip()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise PermanentError(
                f"{self.path} does not hold a name: {error}",
                remedy=f"If what stands was built for {self.name}, write that name into it; else put the copy of it back.",
            ) from error
        except OSError as error:
            raise TemporaryError(
                f"{self.path}, which tells for which name this was built, cannot be read: {error}",
                remedy=remedy_for(error),
            ) from error
