"""What a guard may look at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spillway.core.holds import Holds
from spillway.core.picture import Picture
from spillway.core.result import Reason
from spillway.core.wishes import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A guard's objection: the scaler that is left, or None if the change is gone, and why."""

    left: float | None
    why: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The service as it stands with the changes that were let through so far."""

    picture: Picture
    holds: Holds
    panic: Reason | None
    scalers: tuple[float, ...]
    """In the order of the model's regions, accepted changes included."""
    accepted: tuple[Change, ...] = ()

    def index(self, change: Change) -> int:
        """Position of the changed region in the model.

        Raises:
            ValueError: a change of posture has none.
        """
        return self.picture.model.index(change.region or "")

    def with_scaler(self, change: Change, value: float) -> tuple[float, ...]:
        """The scalers if the changed region had `value`."""
        i = self.index(change)
        return (*self.scalers[:i], value, *self.scalers[i + 1 :])

    def accept(self, change: Change) -> Situation:
        """The situation with one more change let through."""
        if change.region is None:
            return replace(self, accepted=(*self.accepted, change))
        return replace(
            self, scalers=self.with_scaler(change, change.after), accepted=(*self.accepted, change)
        )


def refused(why: Reason) -> Ruling:
    """The change is gone."""
    return Ruling(left=None, why=why)
