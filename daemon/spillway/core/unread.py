"""Sentences about what one pass could not read, for people."""

from __future__ import annotations

from spillway.core.series import HealthReads, Listing, Policies, Readings
from spillway.core.snapshot import Absence, Missing


def unread(
    readings: Readings,
    listing: Listing | Missing,
    policies: Policies | Missing,
    health: HealthReads | Missing,
) -> list[str]:
    """One sentence for each read that failed or came back incomplete; none for what was not asked."""
    sentences: list[str] = []
    for what, read in (
        ("request counts", readings.counts),
        ("latencies", readings.latencies),
        ("demand by continent", readings.places),
        ("backend services", listing),
        ("service LB policies", policies),
        ("health", health),
    ):
        if isinstance(read, Missing):
            if read.absence is not Absence.NOT_ASKED:
                sentences.append(f"{what} could not be read: {read.detail or read.absence.value}")
        elif isinstance(read, HealthReads):
            sentences += _groups(read)
        elif not isinstance(read, Listing | Policies) and read.errors:
            sentences.append(f"{what} may be incomplete: {'; '.join(read.errors)}")
    return sentences


def _groups(health: HealthReads) -> list[str]:
    """One sentence for all groups whose health could not be read."""
    failed = [
        read.detail
        for read in health.groups.values()
        if isinstance(read, Missing) and read.absence is Absence.QUERY_FAILED
    ]
    if not failed:
        return []
    return [f"health of {len(failed)} of {len(health.groups)} groups could not be read: {failed[0]}"]
