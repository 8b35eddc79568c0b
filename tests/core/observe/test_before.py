"""Taking minutes over from the snapshot before saves time and changes nothing: each pass sees what a first look would see."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.observe.fleets import AMERICA, EUROPE, FLEET, NEWEST, NO_POLICIES, NOW, health, listing, readings

from spillway.core.observe.rows import Answer, CountRow, LatencyRow, PlaceRow, Readings
from spillway.core.observe.snapshot import observe
from spillway.core.values.histogram import Distribution
from spillway.core.values.snapshot import Absence, Minute, Missing, Seen, Snapshot
from spillway.core.values.topology import GroupKey

BOUNDS = (0.4, 0.8, 1.6)


class Cloud:
    """Rows as a nervous project has them: gaps, late points, corrections, codes that come and go, nonsense."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._said: dict[tuple[GroupKey, float], tuple[float, Distribution | None]] = {}
        self._gone: set[tuple[GroupKey, int, float]] = set()

    def _say(self, key: GroupKey, end: float) -> tuple[float, Distribution | None]:
        """The answers and latencies of a minute; now and then they are corrected."""
        chance = self.chance.random
        if (key, end) not in self._said or chance() < 0.002:
            count = self.chance.choice((100.0, 120.0, 7.0, 0.0)) if chance() > 0.01 else -1.0
            samples = max(0.0, count) * (1.0 if chance() > 0.01 else 5.0)
            bounds = BOUNDS if chance() > 0.02 else (*BOUNDS[:2], 3.2)
            spread = Distribution(bounds=bounds, counts=(0.0, samples, 0.0, 0.0), mean=0.5)
            self._said[key, end] = (count, spread if chance() > 0.01 else None)
        return self._said[key, end]

    def _row(self, key: GroupKey, code: int, ends: list[float]) -> CountRow:
        points = tuple((end, self._say(key, end)[0]) for end in ends if (key, code, end) not in self._gone)
        trim = self.chance.random()
        if trim < 0.1:
            points = points[::-1] if trim < 0.03 else points[1:] if trim < 0.07 else points[:-2]
        at = tuple(end for end, _ in points)
        return CountRow("spillway-pool", key.name, key.scope, code, at, tuple(value for _, value in points))

    def read(self, at: float, tick: int) -> Readings:
        """The last quarter of an hour."""
        ends = [at // 60.0 * 60.0 - 60.0 * back for back in range(15)]
        keys = EUROPE + AMERICA
        codes = (200, 503) if tick // 7 % 2 else (200, 404, 429)
        for _ in range(2):
            self._gone.add((self.chance.choice(keys), self.chance.choice(codes), self.chance.choice(ends)))
        if self.chance.random() < 0.1:
            self._gone.clear()  # what was late has arrived
        counts = [self._row(key, code, ends) for key in keys for code in codes]
        if self.chance.random() < 0.1:
            self.chance.shuffle(counts)
        latencies = [
            LatencyRow(
                "spillway-pool", k.name, k.scope, tuple(ends), tuple(self._say(k, end)[1] for end in ends)
            )
            for k in keys
        ]
        places = [
            PlaceRow(
                "spillway-pool", k.scope, "Asia", tuple(ends), tuple(self._say(k, end)[0] for end in ends)
            )
            for k in keys
        ]
        errors = ("a shard is late",) if self.chance.random() < 0.03 else ()
        failed = Missing(absence=Absence.QUERY_FAILED, detail="no answer")
        return Readings(
            counts=Answer(asked=at, rows=tuple(counts), errors=errors),
            latencies=Answer(asked=at, rows=tuple(latencies)) if self.chance.random() > 0.05 else failed,
            places=Answer(asked=at, rows=tuple(places)),
        )


@pytest.mark.parametrize("seed", range(12))
def test_a_pass_with_a_snapshot_before_sees_what_a_first_look_sees(seed: int) -> None:
    cloud = Cloud(seed)
    at, before, told = NOW, None, 0
    for tick in range(40):
        at += cloud.chance.choice((60.0, 60.0, 60.0, 30.0, 120.0))
        groups = EUROPE + AMERICA if cloud.chance.random() > 0.2 else EUROPE
        attached = replace(listing(*groups, scaler=cloud.chance.choice((1.0, 0.5))), at=at)
        reads = replace(health(healthy=cloud.chance.choice((3, 4))), at=at)
        read = cloud.read(at, tick)
        snapshot = observe(
            FLEET,
            at=at,
            readings=read,
            listing=attached,
            policies=NO_POLICIES,
            health=reads,
            before=before,
        )
        assert snapshot == observe(
            FLEET, at=at, readings=read, listing=attached, policies=NO_POLICIES, health=reads
        )
        before = snapshot
        told += sum(isinstance(view.traffic, Seen) for view in snapshot.services[0].backends)
    assert told > 20, "most passes have something to see"


def _observed(row: CountRow, at: float, before: Snapshot | None) -> Snapshot:
    return observe(
        FLEET,
        at=at,
        readings=replace(readings((row,)), counts=Answer(asked=at, rows=(row,))),
        listing=listing(*EUROPE),
        policies=NO_POLICIES,
        health=health(),
        before=before,
    )


def _minutes(snapshot: Snapshot) -> tuple[Minute, ...]:
    traffic = snapshot.service("pool").backend("europe-west4").traffic
    assert isinstance(traffic, Seen)
    return traffic.value


def _row(newest: float, **corrected: float) -> CountRow:
    """A quarter of an hour of answers; `corrected` is what the minute before `NEWEST` says now."""
    values = {NOW - 60.0 * back: 100.0 + back for back in range(-1, 14)}
    values[NEWEST - 60.0] = corrected.get("value", values[NEWEST - 60.0])
    ends = tuple(end for end in values if end <= newest)
    answers = tuple(values[end] for end in ends)
    return CountRow("spillway-pool", EUROPE[0].name, EUROPE[0].scope, 200, ends, answers)


def test_minutes_that_say_the_same_are_taken_over() -> None:
    first = _observed(_row(NOW), NOW, None)
    later = _observed(_row(NOW + 60.0), NOW + 60.0, first)
    assert [minute.end for minute in _minutes(later)][-2:] == [NEWEST, NEWEST + 60.0]
    assert all(now is then for now, then in zip(_minutes(later), _minutes(first), strict=False))


def test_a_minute_that_was_corrected_is_seen_as_it_is_now() -> None:
    first = _observed(_row(NOW), NOW, None)
    later = _observed(_row(NOW + 60.0, value=7.0), NOW + 60.0, first)
    assert [minute.ok for minute in _minutes(later) if minute.end == NEWEST - 60.0] == [7.0]
