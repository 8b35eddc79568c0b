"""Names whose DNS does not lead to the load balancer, and what that does to certificates that wait for them.

In the sandbox every name leads there, unless the control API says otherwise: `{"kind": "dns-missing", "domain": NAME}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ISSUING_SECONDS = 600.0
"""A managed certificate becomes active after its domain points here; Google says up to 60 minutes, the sandbox takes ten."""

Interval = tuple[float, float]
"""UTC seconds in the world, the end not included."""


@dataclass(slots=True)
class Missing:
    """One name that leads elsewhere for a time."""

    name: str
    """The id of the fault."""
    domain: str
    begins: float
    ends: float


class Dns:
    """Which names lead where. The store's lock guards it."""

    def __init__(self) -> None:
        """Every name leads to the load balancer."""
        self._missing: list[Missing] = []

    def lose(self, domain: str, begins: float, ends: float) -> str:
        """Let a name lead elsewhere; the id of the fault."""
        found = Missing(name=f"dns-{len(self._missing)}", domain=domain, begins=begins, ends=ends)
        self._missing.append(found)
        return found.name

    def restore(self, name: str, now: float) -> bool:
        """End a fault now; False where there is none that acts or will act."""
        for missing in self._missing:
            if missing.name == name and missing.ends > now:
                missing.ends = max(now, missing.begins)
                return True
        return False

    def ahead(self, now: float) -> tuple[dict[str, object], ...]:
        """The faults that act or will act, as JSON can hold them."""
        return tuple(
            {"id": m.name, "kind": "dns-missing", "domain": m.domain, "at": m.begins}
            | ({"until": m.ends} if m.ends != float("inf") else {})
            for m in self._missing
            if m.ends > max(now, m.begins)
        )

    def missing(self, domain: str) -> tuple[Interval, ...]:
        """When a name leads elsewhere, oldest first."""
        return tuple(
            sorted((m.begins, m.ends) for m in self._missing if m.domain == domain and m.ends > m.begins)
        )


def state_of(asked: float, missing: Iterable[Interval], now: float) -> str:
    """What becomes of a domain that a certificate was asked for: ACTIVE, PROVISIONING or FAILED_NOT_VISIBLE.

    It is issued after `ISSUING_SECONDS` in a row in which the name leads here, and stays so.
    """
    issued, fails = asked + ISSUING_SECONDS, False
    for begins, ends in missing:
        if begins < issued and ends > issued - ISSUING_SECONDS:
            issued = ends + ISSUING_SECONDS
            fails = fails or begins <= now < ends
    if now >= issued:
        return "ACTIVE"
    return "FAILED_NOT_VISIBLE" if fails else "PROVISIONING"
