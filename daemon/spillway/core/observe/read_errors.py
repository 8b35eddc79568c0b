"""Sentences for people about the reads of one pass that failed or came back incomplete."""

from __future__ import annotations

from typing import TypeVar

from spillway.core.observe.rows import Answer, HealthReads, Listing, Policies, Readings
from spillway.core.values.snapshot import Absence, Missing

Row = TypeVar("Row")


def read_errors(
    readings: Readings,
    listing: Listing | Missing,
    policies: Policies | Missing,
    health: HealthReads | Missing,
) -> list[str]:
    """One sentence for each read that failed or came back incomplete; none for what was not asked."""
    reads = {
        "request counts": readings.counts,
        "latencies": readings.latencies,
        "demand by continent": readings.places,
        "backend services": listing,
        "service LB policies": policies,
        "health": health,
    }
    sentences: list[str] = []
    for name, read in reads.items():
        if isinstance(read, Missing):
            if read.absence is not Absence.NOT_ASKED:
                sentences.append(f"{name} could not be read: {read.detail or read.absence.value}")
        elif isinstance(read, HealthReads):
            sentences += _failed_groups(read)
        elif isinstance(read, Answer):
            if read.errors:
                sentences.append(f"{name} may be incomplete: {'; '.join(read.errors)}")
            sentences += [f"{name}: {note}" for note in read.notes]
    return sentences


def _failed_groups(health: HealthReads) -> list[str]:
    """One sentence for all groups whose health could not be read, with the reason of the first."""
    failed = [
        read.detail
        for read in health.groups.values()
        if isinstance(read, Missing) and read.absence is Absence.QUERY_FAILED
    ]
    if not failed:
        return []
    return [f"health of {len(failed)} of {len(health.groups)} groups could not be read: {failed[0]}"]


def usable(answer: Answer[Row] | Missing) -> Answer[Row] | Missing:
    """`answer`, or why none of its rows can be used: with errors, rows may be missing."""
    if isinstance(answer, Missing) or not answer.errors:
        return answer
    return Missing(absence=Absence.PARTIAL, detail="; ".join(answer.errors))
