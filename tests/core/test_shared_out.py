"""Steered splits in the core: shares in place of ceilings, from the model to the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import AT, SERVICE, area, model_of, picture_of, whole

from spillway.core.act.plan import make_plan
from spillway.core.decide.limits import limits_of
from spillway.core.decide.operators import check_order
from spillway.core.decide.proposals import Context, by_its_lever
from spillway.core.estimate.capacity import RECOVERY_SECONDS
from spillway.core.estimate.origins import update_origins
from spillway.core.explain.assessment import quiet_reason
from spillway.core.model.predict import UNBOUNDED, Region, TrafficModel, least_bad
from spillway.core.model.service import ServiceModel, weighed_region
from spillway.core.model.verify import Review
from spillway.core.model.waterfall import Origins, share_out
from spillway.core.values.decision import Change, Lever, Purpose, Reason
from spillway.core.values.orders import Order, OrderKind, Orders
from spillway.core.values.overlay import Posture, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, Missing
from spillway.core.values.state import Estimate, QuotaTrack, SaturationTrack, ServiceMemory
from spillway.core.values.topology import Backend

NO_PLACES = Missing(absence=Absence.NOT_ASKED)


def share(name: str, ceiling: float, **changes: Any) -> Region:
    """A region of a split that would have `ceiling` requests/s at scaler 1."""
    unknown = {"capacity": UNBOUNDED, "capacity_nominal": UNBOUNDED, "proven": False}
    return area(name, **{**unknown, "ceiling": ceiling, "shared": True, **changes})


def traffic(*regions: Region, demand: float = 120.0) -> TrafficModel:
    return model_of(regions, {regions[0].name: demand})


def split_picture(*regions: Region) -> ServiceModel:
    """A service whose regions get 60 requests/s each."""
    found = picture_of(tuple(regions), {regions[0].name: 120.0})
    beliefs = tuple(
        f._replace(backend=replace(f.backend, weight=100.0, has_scaler=False), target=None)
        for f in found.beliefs
    )
    return replace(found, beliefs=beliefs)


def test_demand_is_shared_out_in_proportion_wherever_it_comes_from() -> None:
    origins = Origins(rates=(30.0, 60.0), orders=((0, 1), (1, 0)), round_trips=((0.0, 0.1), (0.2, 0.0)))
    flow = share_out(origins, (1.0, 2.0))
    assert flow.loads == pytest.approx((30.0, 60.0))
    assert flow.travel == pytest.approx(30.0 * 2 / 3 * 0.1 + 60.0 * 1 / 3 * 0.2)
    nobody = share_out(origins, (0.0, 0.0))
    assert (nobody.loads, nobody.unserved) == ((0.0, 0.0), 90.0)


def test_a_lower_weight_moves_a_share_and_no_ceiling_limits_the_others() -> None:
    model = traffic(share("a", 60.0), share("b", 60.0))
    assert model.base.flow.loads == (60.0, 60.0)
    assert model.predict((0.5, 1.0)).flow.loads == pytest.approx((40.0, 80.0))
    assert model.predict((0.0, 1.0)).flow.loads == pytest.approx((0.0, 120.0))
    assert model.at_home() == [60.0, 60.0]
    assert model.room() == model.potential >= UNBOUNDED, "nobody knows how much the regions take"


def test_what_a_region_was_found_to_take_bounds_the_room() -> None:
    model = traffic(
        share("a", 60.0, capacity=50.0, capacity_nominal=50.0),
        share("b", 60.0, capacity=90.0, capacity_nominal=90.0),
    )
    assert model.potential == pytest.approx(140.0)
    assert model.room() == pytest.approx(140.0)
    assert model.predict((0.5, 1.0)).bad < model.base.bad, "40 and 80 fit, 60 and 60 do not"
    assert least_bad(model) == pytest.approx(0.0)


def test_an_ill_region_may_be_emptied_where_the_others_take_its_share() -> None:
    model = split_picture(share("a", 60.0, bad=0.4), share("b", 60.0))
    requirements = model.constraints.against(model.traffic.base)
    assert requirements.broken((0.0, 1.0), {"a"}) is None
    last = requirements.broken((0.0, 0.0), {"a", "b"})
    assert last is not None
    assert last.code == "last-backend"


def test_a_share_may_move_to_a_region_that_is_a_little_worse() -> None:
    """All that comes is carried, so no room to spare is counted: a person may halve the weight of the better region."""
    model = split_picture(share("a", 60.0), share("b", 60.0, bad=0.015))
    requirements = model.constraints.against(model.traffic.base)
    assert requirements.broken((0.5, 1.0), {"a"}) is None
    assert requirements.price(model.traffic.predict((0.5, 1.0)), 0.0) < 10.0, (
        "and the search sees no breach in it"
    )
    ill = split_picture(share("a", 60.0), share("b", 60.0, bad=0.4))
    violation = ill.constraints.against(ill.traffic.base).broken((0.5, 1.0), {"a"})
    assert violation is not None
    assert violation.code == "floor-capacity"


def test_a_full_region_is_pushed_by_nobody() -> None:
    full = share("b", 60.0, capacity=70.0, capacity_nominal=70.0, proven=True)
    model = split_picture(share("a", 60.0, bad=0.02), full)
    violation = model.constraints.against(model.traffic.base).broken((0.1, 1.0), {"a"})
    assert violation is not None
    assert violation.code in {"receiver-limit", "floor-capacity"}


def change(**more: Any) -> Change:
    why = Reason(code="test", sentence="a test")
    plain = {"lever": Lever.SCALER, "purpose": Purpose.RELIEVE, "before": 1.0, "after": 0.4}
    return Change(service=SERVICE, reason=why, **{"region": "a", **plain, **more})


def test_every_change_of_a_split_is_one_of_weight_and_keeps_its_services_attached() -> None:
    model = split_picture(share("a", 60.0), share("b", 60.0))
    assert by_its_lever(model, change()).lever is Lever.WEIGHT
    planned = by_its_lever(
        model, change(lever=Lever.MEMBERSHIP, purpose=Purpose.CALENDAR, after=0.0, leaving=True)
    )
    assert (planned.lever, planned.member, planned.leaving) == (Lever.WEIGHT, True, False)
    move = by_its_lever(model, change()).move()
    assert (move.lever, move.before, move.after) == (Lever.WEIGHT, "1.00", "0.40")


def test_the_plan_takes_a_set_of_weights_whole() -> None:
    model = split_picture(share("a", 60.0, bad=0.4), share("b", 30.0, scaler=0.5))
    setting = ServiceSetting(
        service=SERVICE, posture=Posture.NORMAL, backends=tuple(f.setting for f in model.beliefs)
    )
    up = change(region="b", before=0.5, after=1.0, purpose=Purpose.MAKE_ROOM, lever=Lever.WEIGHT)
    changes, after = make_plan(setting, (change(lever=Lever.WEIGHT), replace(up, region="b")), model)
    assert [c.region for c in changes] == ["b", "a"]
    assert [(b.region, b.scaler, b.member) for b in after.backends] == [("a", 0.4, True), ("b", 1.0, True)]


def test_what_moves_from_region_to_region_is_the_same_demand() -> None:
    beliefs = split_picture(share("a", 60.0), share("b", 60.0)).beliefs
    policy = Policy()
    memory = update_origins(
        ServiceMemory(service=SERVICE), beliefs, NO_PLACES, policy.postures.normal, policy
    )
    assert [(o.home, o.level) for o in memory.origins] == [("a", 100.0)], (
        "50 requests/s of each region, from no home of its own"
    )


def weighed(estimate: Estimate, at: float = AT) -> Region:
    (belief, _) = picture_of((whole("a"), whole("b")), {"a": 60.0}).beliefs
    backend: Backend = replace(belief.backend, weight=100.0)
    return weighed_region(
        belief._replace(backend=backend, estimate=estimate), (0.0, True), Policy(), 0.0, at=at
    )


def test_nothing_is_made_up_of_a_region_without_a_finding() -> None:
    found = weighed(Estimate(served=60.0))
    assert (found.capacity, found.quota, found.graded, found.movable) == (UNBOUNDED, None, True, True)


def test_a_quota_fades_by_its_chance_and_is_tried_when_it_is_surely_over() -> None:
    def met(ago: float) -> Region:
        return weighed(Estimate(served=30.0, quota=QuotaTrack(rate=40.0, met_rate=40.0, met_at=AT - ago)))

    young = met(RECOVERY_SECONDS)
    assert (young.quota, young.capacity) == (40.0, 40.0)
    assert young.p_quota_lifted == pytest.approx(0.5)
    assert met(5.0 * RECOVERY_SECONDS).quota is None


def test_a_capacity_that_was_found_fades_likewise() -> None:
    def found(ago: float) -> Region:
        full = SaturationTrack(last_at=AT - ago, last_rate=50.0)
        return weighed(Estimate(served=80.0, saturation=full))

    young = found(RECOVERY_SECONDS)
    assert (young.capacity, young.capacity_nominal) == (50.0, 80.0)
    assert 0.0 < young.p_recovered < 1.0
    assert found(100.0 * RECOVERY_SECONDS).capacity == UNBOUNDED


def test_it_is_told_in_weights() -> None:
    model = split_picture(share("a", 60.0), share("b", 60.0))
    assert "headroom unknown" in quiet_reason(model, None)


def test_no_order_takes_the_share_that_is_kept() -> None:
    model = split_picture(share("a", 60.0), share("b", 60.0))
    first, second = model.beliefs
    kept = first._replace(backend=replace(first.backend, least_scaler=0.3))
    model = replace(model, beliefs=(kept, second))
    context = Context(
        model=model, limits=limits_of(model, Orders(), None), verdicts=Review(memory=model.memory)
    )

    def told(scaler: float, *, force: bool = False) -> str | None:
        order = Order(
            kind=OrderKind.PIN,
            service=SERVICE,
            region="a",
            scaler=scaler,
            until=None,
            reason="trial",
            at=AT,
            force=force,
        )
        refused = check_order(context, order).refused
        return None if refused is None else refused.code

    assert told(0.2) == told(0.2, force=True) == "least-share"
    assert told(0.3) is None
