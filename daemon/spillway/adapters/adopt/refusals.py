"""What cannot be taken over, each with the reason and the way out. Adoption is all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spillway.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing that stands in the way."""

    resource: str
    """Kind and name, such as `backend service web`."""
    field: str
    """Path of the field, as the API or the provider has it; empty for the resource as a whole."""
    sentence: str
    """A sentence."""
    remedy: str
    """What to do."""

    def __str__(self) -> str:
        where = f"{self.resource}: {self.field}" if self.field else self.resource
        return f"{where}: {self.sentence} {self.remedy}"


class RefusedError(PermanentError):
    """The load balancer cannot be taken over; nothing was written, neither here nor in the cloud."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("\n".join(map(str, refusals)))
        self.refusals = tuple(refusals)


class Refusals:
    """Collects, so that all that stands in the way is told at once."""

    def __init__(self) -> None:
        self.found: list[Refusal] = []

    def add(self, resource: str, field: str, why: str, remedy: str) -> None:
        """Note one, once."""
        refusal = Refusal(resource=resource, field=field, sentence=why, remedy=remedy)
        if refusal not in self.found:
            self.found.append(refusal)

    def stop(self) -> None:
        """Do nothing if there is none.

        Raises:
            RefusedError: with all that were noted.
        """
        if self.found:
            raise RefusedError(self.found)
