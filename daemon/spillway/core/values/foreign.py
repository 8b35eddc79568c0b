"""What others did to the levers: a difference that one reading showed, and the pin that an adopted one becomes.

A reading is one listing of a service with its fingerprint. A difference is believed when two readings show the same values
under the same fingerprint (`core.act.sightings`); then what was found is the new starting point, and it is pinned.
"""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.values.overlay import Posture
from spillway.core.values.snapshot import ObservedPolicy
from spillway.core.values.units import RegionName


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A backend that is listed otherwise than it is wanted."""

    region: RegionName
    member: bool
    scaler: float
    """As listed, in hundredths; 0 where it is detached."""

    @property
    def closed(self) -> bool:
        """True if the balancer would send nobody there."""
        return not self.member or self.scaler == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Differences that are not believed yet."""

    at: float
    """UTC seconds of the first reading that showed them."""
    fingerprint: str
    """Of the service in that reading; empty where the reader knows none."""
    backends: tuple[Difference, ...]
    """Sorted by region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureSighting:
    """A failover policy that is not the wanted one, and not believed yet."""

    at: float
    """UTC seconds of the first reading that showed it."""
    fingerprint: str
    """Of the service in that reading."""
    found: ObservedPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPin:
    """Scaler and membership of one backend, as somebody else has set them."""

    since: float
    """UTC seconds of the adoption."""
    until: float | None
    """UTC seconds of its end; None where a person must decide."""
    member: bool
    scaler: float
    wanted_member: bool
    """Membership before the first of these edits."""
    wanted_scaler: float

    @property
    def shown(self) -> str:
        """The value as people write it."""
        return words(member=self.member, scaler=self.scaler)

    @property
    def wanted(self) -> str:
        """What was wanted before, as people write it."""
        return words(member=self.wanted_member, scaler=self.wanted_scaler)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPosture:
    """The failover policy of a service, as somebody else has set it."""

    since: float
    """UTC seconds of the adoption."""
    until: float | None
    """UTC seconds of its end; None where a person must decide."""
    found: ObservedPolicy
    wanted: Posture
    """The posture before the first of these edits."""

    def holds(self, at: float) -> bool:
        """Tell whether the posture is to be left alone at UTC second `at`.

        A policy that no posture describes is remembered past its end, so that it is not found again and again.
        """
        return self.until is None or at < self.until

    @property
    def shown(self) -> str:
        """The value as people write it."""
        return policy_words(self.found)


def words(*, member: bool, scaler: float) -> str:
    """A setting as people write it: `0.50`, or `detached`."""
    return f"{scaler:.2f}" if member else "detached"


def policy_words(found: ObservedPolicy) -> str:
    """A failover policy as people write it."""
    drain = "on" if found.auto_drain else "off"
    return f"failover threshold {found.failover_threshold} %, auto-drain {drain}"
