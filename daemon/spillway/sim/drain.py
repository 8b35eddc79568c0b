"""Google's automatic capacity drain, for the groups of one service (reference gcp.md 2.3; SLP).

A group with less than 25 % of its members healthy gets capacity 0; it is restored once at least 35 % have been
healthy for 60 s. Groups are never drained so that half or more of all would be; groups whose scaler is
already 0 count among all, not among the drained.
"""

from __future__ import annotations

from math import inf

DRAIN_BELOW = 0.25
RESTORE_FROM = 0.35
RESTORE_AFTER = 60.0

GroupIndex = tuple[int, int]
"""(region, zone)."""


class AutoDrain:
    """The groups of one service that are drained now."""

    def __init__(self) -> None:
        self._drained: dict[GroupIndex, float | None] = {}
        """Drained groups, and since when they have been well again."""

    def copy(self) -> AutoDrain:
        """An independent copy."""
        twin = AutoDrain()
        twin._drained = dict(self._drained)
        return twin

    @property
    def drained(self) -> frozenset[GroupIndex]:
        """Groups that get nothing."""
        return frozenset(self._drained)

    def next_change(self) -> float:
        """When a group will be restored if its health stays as it is; infinity if none will."""
        return min(
            (since + RESTORE_AFTER for since in self._drained.values() if since is not None), default=inf
        )

    def update(
        self, t: float, healthy: dict[GroupIndex, float], at_zero: frozenset[GroupIndex], *, enabled: bool
    ) -> None:
        """Take in health shares at `t`; `healthy` has every group of the service, `at_zero` those with scaler 0."""
        if not enabled:
            self._drained.clear()
            return
        for group in [g for g in self._drained if g not in healthy]:
            del self._drained[group]
        for group, since in list(self._drained.items()):
            if healthy[group] < RESTORE_FROM:
                self._drained[group] = None
            elif since is None:
                self._drained[group] = t
            elif t - since >= RESTORE_AFTER - 1e-9:
                del self._drained[group]
        ill = [
            g
            for g in sorted(healthy, key=lambda g: (healthy[g], g))
            if healthy[g] < DRAIN_BELOW and g not in self._drained and g not in at_zero
        ]
        for group in ill:
            acting = sum(g not in at_zero for g in self._drained)
            if 2 * (acting + 1) < len(healthy):
                self._drained[group] = None
