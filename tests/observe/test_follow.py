"""Going on from the pass before saves time and changes nothing: every pass sees what a first look would see."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.observe.fleets import AMERICA, EUROPE, FLEET, NO_POLICIES, NOW, health, listing

from spillway.core.observe.minutes import Builder, Tally
from spillway.core.observe.rows import Answer, CountRow, LatencyRow, PlaceRow, Readings
from spillway.core.observe.snapshot import Past, follow, observe
from spillway.core.values.histogram import Distribution
from spillway.core.values.snapshot import Absence, Missing, Seen
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
        return CountRow("spillway-pool", key.name, key.scope, code, points)

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
            LatencyRow("spillway-pool", k.name, k.scope, tuple((end, self._say(k, end)[1]) for end in ends))
            for k in keys
        ]
        places = [
            PlaceRow("spillway-pool", k.scope, "Asia", tuple((end, self._say(k, end)[0]) for end in ends))
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
def test_a_pass_that_goes_on_sees_what_a_first_look_sees(seed: int) -> None:
    cloud = Cloud(seed)
    at, past, told = NOW, Past(), 0
    for tick in range(40):
        at += cloud.chance.choice((60.0, 60.0, 60.0, 30.0, 120.0))
        groups = EUROPE + AMERICA if cloud.chance.random() > 0.2 else EUROPE
        attached = replace(listing(*groups, scaler=cloud.chance.choice((1.0, 0.5))), at=at)
        reads = replace(health(healthy=cloud.chance.choice((3, 4))), at=at)
        readings = cloud.read(at, tick)
        snapshot, past = follow(
            FLEET, past, at=at, readings=readings, listing=attached, policies=NO_POLICIES, health=reads
        )
        assert snapshot == observe(
            FLEET, at=at, readings=readings, listing=attached, policies=NO_POLICIES, health=reads
        )
        told += sum(isinstance(view.traffic, Seen) for view in snapshot.services[0].backends)
    assert told > 20, "most passes have something to see"


def test_minutes_that_have_not_changed_are_the_same_objects() -> None:
    def tally(newest: float) -> Tally:
        made = Tally()
        made.add(200, tuple((newest - 60.0 * back, 100.0 + newest - back) for back in range(15)))
        return made

    def shifted(before: Tally, newest: float) -> Tally:
        (points,) = before.counts
        made = Tally()
        made.add(200, ((newest, 1.0), *points[:-1]))
        return made

    first = tally(NOW)
    before = Builder(NOW - 210.0, with_latency=True).build(first, None)
    after = Builder(NOW - 150.0, with_latency=True).build(shifted(first, NOW + 60.0), before)
    assert len(after.minutes) == len(before.minutes)
    assert all(a is b for a, b in zip(after.minutes[:-1], before.minutes[1:], strict=True))
    assert after.ends[-1] == before.ends[-1] + 60.0


def test_backends_with_the_same_minutes_share_their_ends() -> None:
    def tally(newest: float, answers: float) -> Tally:
        made = Tally()
        made.add(200, tuple((newest - 60.0 * back, answers) for back in range(15)))
        return made

    first = Builder(NOW - 210.0, with_latency=True).build(tally(NOW, 100.0), None)
    later = Builder(NOW - 150.0, with_latency=True)
    one, two = (later.build(tally(NOW + 60.0, 100.0), first) for _ in range(2))
    assert one.ends is two.ends
    assert one.ends == (*first.ends[1:], NOW - 180.0)
    assert one.answers == first.answers == 100.0 * len(first.ends)
