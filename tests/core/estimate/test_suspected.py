"""Regions that look bad although their load does not explain it, and what is not learned of them while that is suspected."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.pictures import AT, area, picture_of, window

from spillway.core.estimate.belief import LOADED, BackendBelief, looks_bad
from spillway.core.estimate.service import unlearned
from spillway.core.explain.assessment import BELIEVE_SECONDS, panic_of
from spillway.core.model.service import ServiceModel
from spillway.core.values.state import (
    ConcurrencyTrack,
    Estimate,
    HealthTrack,
    LatencyTrack,
    OriginMemory,
    SaturationTrack,
)

USUAL = Estimate(
    last_minute=AT - 270.0,
    latency=LatencyTrack(baseline=1.0, service_time=1.0),
    concurrency=ConcurrencyTrack(limit=100.0),
)
"""A region that carries 100 requests/s."""


def queued(rate: float) -> Estimate:
    """The same once it is taken for saturated at so many requests/s."""
    return replace(
        USUAL, last_minute=AT - 210.0, saturation=SaturationTrack(rate=rate), health=HealthTrack(endpoints=10)
    )


def late(belief: BackendBelief, rate: float) -> BackendBelief:
    return belief._replace(window=window(rate)._replace(slow=0.9, mean=10.0), estimate=queued(rate))


def picture(rate: float, *, bad: int = 3) -> ServiceModel:
    """Of a, b and c, so many answer at a tenth of their speed, at this rate."""
    found = picture_of((area("a"), area("b"), area("c")), {"a": rate, "b": rate, "c": rate})
    beliefs = [late(f, rate) if i < bad else f for i, f in enumerate(found.beliefs)]
    estimates = tuple((f.region, f.estimate) for f in beliefs)
    return replace(found, beliefs=tuple(beliefs), memory=replace(found.memory, estimates=estimates))


@pytest.mark.parametrize(
    ("rate", "share", "limit", "bad"),
    [
        (50.0, 1.0, 100.0, True),
        (100.0 * LOADED - 1.0, 1.0, 100.0, True),
        (100.0 * LOADED, 1.0, 100.0, False),
        (50.0, 0.5, 100.0, False),
        (50.0, 1.0, None, False),
    ],
    ids=["half of its load", "little less", "its load", "half of its endpoints are healthy", "not known"],
)
def test_a_queue_at_less_than_its_load_looks_bad(
    rate: float, share: float, limit: float | None, bad: bool
) -> None:
    belief = late(picture(rate).beliefs[0], rate)
    known = replace(belief.estimate, concurrency=ConcurrencyTrack(limit=limit))
    assert looks_bad(belief._replace(share=share, estimate=known)) is bad


@pytest.mark.parametrize(("bad", "rate", "held"), [(3, 50.0, True), (1, 50.0, False), (3, 90.0, False)])
def test_queues_everywhere_at_less_than_the_load_are_a_panic_until_they_are_believed(
    bad: int, rate: float, held: bool
) -> None:
    model = picture(rate, bad=bad)
    why, since = panic_of(model, only_dead=False)
    assert (why is not None, since) == (held, AT if held else None)
    later = replace(model, memory=replace(model.memory, panic_since=AT - BELIEVE_SECONDS))
    assert panic_of(later, only_dead=False)[0] is None


def test_what_a_suspected_measurement_shows_is_not_learned() -> None:
    model = picture(50.0, bad=2)
    origins = (OriginMemory(place="Europe", home="a", level=150.0),)
    before = replace(
        model.memory, estimates=(("a", USUAL), ("c", USUAL)), origins=origins, origins_at=AT - 270.0
    )
    after = replace(model.memory, origins=(replace(origins[0], level=300.0),), origins_at=AT - 210.0)
    found = unlearned(after, before, model.beliefs)
    known = dict(found.estimates)
    health = queued(50.0).health
    assert known["a"] == replace(USUAL, health=health), "health is another signal"
    assert known["b"] == Estimate(health=health), "nothing was known of it"
    assert known["c"] == model.beliefs[2].estimate
    assert (found.origins, found.origins_at) == (origins, AT - 270.0)


def test_all_is_learned_where_regions_are_only_dead_or_blind() -> None:
    model = picture_of((area("a", dead=True), area("b", dead=True), area("c")), {"c": 50.0})
    before = replace(model.memory, estimates=())
    assert unlearned(model.memory, before, model.beliefs) is model.memory
