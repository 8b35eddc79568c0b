"""After a pause of the daemon the minutes that it missed are learned, but for those in which endpoints came or went."""

from __future__ import annotations

from tests.core.estimate.stretches import CALM, PERIOD, Stretch, minutes

from spillway.core.estimate.backend import believe
from spillway.core.estimate.belief import BackendBelief
from spillway.core.values.overlay import BackendSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import BackendView, HealthCount, ObservedBackend, Seen
from spillway.core.values.state import BackendMemory, Estimate
from spillway.core.values.topology import Backend, BalancingMode, GroupKey, Preference, Target

BACKEND = Backend(
    service="pool",
    region="a",
    groups=(GroupKey(name="g", scope="a-a"),),
    target=Target(mode=BalancingMode.RATE, per_endpoint=16.0),
)
SLOW: tuple[Stretch, ...] = ((4, 46.0, 20.0), (8, 16.0, 3.0), (6, 16.0, 1.0))
"""Three times as slow: saturated behind a long queue, cut to a tenth, well again."""


def looked(before: Estimate, *stretches: Stretch, healthy: int = 10) -> BackendBelief:
    seen = minutes(*stretches)[-20:]  # what a query of twenty minutes shows
    end = seen[-1].end
    view = BackendView(
        region="a",
        traffic=Seen(value=seen, age=210.0, evidence=1000),
        health=Seen(value=HealthCount(healthy=healthy, total=10), age=1.0, evidence=10),
        observed=Seen(
            value=ObservedBackend(member=True, scaler=0.1, mixed=False, preference=Preference.DEFAULT),
            age=1.0,
            evidence=1,
        ),
    )
    setting = BackendSetting(region="a", member=True, scaler=0.1)
    return believe(
        BACKEND,
        setting,
        BackendMemory(region="a"),
        view,
        Policy(),
        estimate=before,
        at=end + 210.0,
        others=None,
        load_from_peers=0.0,
        newest_end=end,
    )


def test_a_slow_region_has_all_its_machines_though_nobody_looked_while_it_was_slow() -> None:
    calm = looked(Estimate(), CALM)
    before = looked(calm.estimate, CALM, SLOW[0])
    assert before.estimate.saturation.rate is not None
    after = looked(before.estimate, CALM, *SLOW)
    assert after.capacity is not None
    assert after.capacity > 0.9 * 160.0
    assert after.estimate.last_minute == PERIOD * (15 + 4 + 8 + 6)


def test_minutes_in_which_endpoints_went_are_not_learned() -> None:
    calm = looked(Estimate(), CALM)
    whole = looked(calm.estimate, CALM, (8, 60.0, 4.0), (4, 60.0, 1.0))
    half = looked(calm.estimate, CALM, (8, 60.0, 4.0), (4, 60.0, 1.0), healthy=5)
    assert whole.capacity is not None
    assert half.capacity is not None
    assert whole.capacity < 80.0, "saturated at 60/s with all its endpoints"
    assert half.capacity > 0.9 * 80.0, "nobody knows how many there were at 60/s"
