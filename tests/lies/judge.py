"""What lies may not do to a load balancer: the rules, against the run of the same story without lies."""

from __future__ import annotations

from collections.abc import Iterator

from tests.lies.story import Levers, Record

AROUND = 1800.0
"""Seconds around a move within which the true run may have made the same one, for another sample or an earlier one."""
SAME = 0.051
"""Scalers that differ by less are as good: one step of the way back."""
RESERVE = 0.05
"""Share of demand by which ceilings exceed it, at least (`floors.reserve`)."""
KEPT_MAX = 65_536
"""Bytes of state, and characters of problems in one pass, for a fleet of five regions."""


def faults(lied: Record, true: Record) -> list[str]:
    """What is wrong with a run with lies; each as a sentence with its world second."""
    return [*_floors(lied), *_closed(lied, true), *_lowered(lied, true), *_back(lied, true), *_size(lied)]


def moved(record: Record) -> list[str]:
    """The moves of a run, as sentences with their world seconds."""
    return [f"{when:.0f}: {sentence}" for when, sentence in record.sentences]


def added(record: Record) -> bool:
    """Whether the moves of a quiet run only add capacity, or take away what they have added: a true picture allows that, too."""
    start = record.levers[0][1]
    kept = all(
        levers.get(place, 0.0) >= scaler for _, levers in record.levers for place, scaler in start.items()
    )
    return kept and not any(" posture " in sentence for _, sentence in record.sentences)


def _spans(record: Record) -> Iterator[tuple[float, float, Levers]]:
    """(from, to, levers) for each stretch of time in which no lever moved."""
    ends = [when for when, _ in record.levers[1:]] + [record.dead[-1][0]]
    for (when, levers), end in zip(record.levers, ends, strict=True):
        yield when, end, levers


def _lowest(record: Record, place: tuple[str, str], begin: float, end: float) -> float:
    """The lowest scaler of a region between two moments; 0 where it was detached."""
    return min(
        levers.get(place, 0.0) for when, until, levers in _spans(record) if until >= begin and when <= end
    )


def _floors(lied: Record) -> Iterator[str]:
    """At every moment one region is open that has healthy endpoints."""
    for when, dead in lied.dead:
        open_regions = {region for (_, region), scaler in lied.at(when).items() if scaler > 0}
        if not open_regions - dead:
            yield f"{when:.0f}: no healthy region is open"


def _closed(lied: Record, true: Record) -> Iterator[str]:
    """No region is closed or detached that the true run leaves open around that time, unless it is dead."""
    dead = dict(lied.dead)
    for (_, before), (when, after) in zip(lied.levers, lied.levers[1:], strict=False):
        for place, scaler in before.items():
            if scaler > 0 and not after.get(place, 0.0) > 0 and place[1] not in dead.get(when, frozenset()):
                if _lowest(true, place, when - AROUND, when + AROUND) > 0:
                    what = "closed" if place in after else "detached"
                    yield f"{when:.0f}: {place[1]} is {what}, and is needed"
            elif place not in after and _lowest(true, place, when - AROUND, when + AROUND) > 0:
                yield f"{when:.0f}: {place[1]} is detached, and is needed"


def _lowered(lied: Record, true: Record) -> Iterator[str]:
    """No healthy region is lowered further than the true run lowers it around that time."""
    dead = dict(lied.dead)
    for (_, before), (when, after) in zip(lied.levers, lied.levers[1:], strict=False):
        for place, scaler in after.items():
            if 0 < scaler < before.get(place, 0.0) and place[1] not in dead.get(when, frozenset()):
                lowest = _lowest(true, place, when - AROUND, when + AROUND)
                if scaler < lowest - SAME:
                    yield f"{when:.0f}: {place[1]} is lowered to {scaler:.2f}, in truth to {lowest:.2f} at most"


def _back(lied: Record, true: Record) -> Iterator[str]:
    """Two dead times after the last lie each region that should be open is open, and their ceilings carry what arrives."""
    end = lied.dead[-1][0]
    now, wanted = lied.at(end), true.at(end)
    for place, scaler in wanted.items():
        if scaler > 0 and not now.get(place, 0.0) > 0:
            yield f"{end:.0f}: {place[1]} is {'closed' if place in now else 'detached'} at the end"
    demand, carried = (
        lied.demand,
        {name: _ceilings(lied, levers) for name, levers in (("now", now), ("true", wanted))},
    )
    if carried["now"] < min(carried["true"], (1 + RESERVE) * demand) - 1.0:
        yield f"{end:.0f}: the ceilings carry {carried['now']:.0f} requests/s at the end, in truth {carried['true']:.0f}"


def _ceilings(record: Record, levers: Levers) -> float:
    """Requests/s that the open regions that are not dead may take."""
    dead = record.dead[-1][1]
    return sum(record.targets[place] * scaler for place, scaler in levers.items() if place[1] not in dead)


def _size(lied: Record) -> Iterator[str]:
    if lied.longest > KEPT_MAX:
        yield f"state or problems have {lied.longest} bytes"
