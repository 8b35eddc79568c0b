"""Backends without a scaler from the listing to the words: what is read, learned, believed, remembered and told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.estimate.stretches import SETTING, minute
from tests.core.pictures import AT, picture_of, whole

from spillway.core.act.account import account
from spillway.core.estimate.belief import is_known, looks_well
from spillway.core.estimate.capacity import RECOVERY_SECONDS
from spillway.core.estimate.failures import UNKNOWN_SLOW
from spillway.core.estimate.sample import Blind
from spillway.core.estimate.update import learn
from spillway.core.explain.assessment import confidence, quiet_reason
from spillway.core.model.predict import UNBOUNDED, Region, bounded
from spillway.core.model.service import whole_region
from spillway.core.observe.attachments import attachments, observed_health, observed_policy
from spillway.core.observe.rows import GroupHealth, HealthReads, ListedGroup, ListedService, Listing, Policies
from spillway.core.values.decision import BackendState
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Absence, Missing, ObservedBackend
from spillway.core.values.state import BackendMemory, Estimate, FailureTrack, QuotaTrack
from spillway.core.values.topology import Backend, BalancingMode, GroupKey, Service, Target

RUN = GroupKey(name="run", scope="a")


def service(**changes: Any) -> Service:
    backend = Backend(
        service="pool",
        region="a",
        groups=(RUN,),
        target=Target(mode=BalancingMode.RATE),
        has_scaler=False,
        **changes,
    )
    return Service(name="pool", resource="pool", policy="default", backends=(backend,))


# --- what is read


@pytest.mark.parametrize("listed", [1.0, 0.5, 0.03])
def test_a_listed_scaler_of_a_serverless_group_says_nothing(listed: float) -> None:
    group = ListedGroup(key=RUN, url="run", scaler=listed)
    (found,) = attachments(service(), ListedService(resource="pool", policy="", groups=(group,)))
    assert isinstance(found.value, ObservedBackend)
    assert (found.value.member, found.value.scaler, found.value.mixed, found.problem) == (
        True,
        1.0,
        False,
        None,
    )


def test_what_nobody_probes_has_no_health_and_no_failover_policy() -> None:
    group = ListedGroup(key=RUN, url="run", scaler=1.0)
    listed = ListedService(resource="pool", policy="", groups=(group,))
    (attached,) = attachments(service(), listed)
    failed = Missing(absence=Absence.QUERY_FAILED, detail="400")
    counted = HealthReads(at=AT, groups={("pool", RUN): GroupHealth(healthy=0, total=3)})
    for read in (failed, counted):
        health = observed_health(service().backends[0], attached, read, AT)
        assert isinstance(health, Missing)
        assert health.absence is Absence.NOT_PROBED
    policy = observed_policy(
        service(), Listing(at=AT, services={"pool": listed}), Policies(at=AT, policies={}), AT
    )
    assert isinstance(policy, Missing)
    assert policy.absence is Absence.NOT_ASKED


# --- what is learned and believed


def test_a_slow_minute_is_slowness_and_no_queue() -> None:
    calm = [minute(i, 50.0, 1.0) for i in range(1, 16)]
    slow = [minute(i, 50.0, 6.0) for i in range(16, 20)]
    scaled = learn(Estimate(), (*calm, *slow), SETTING)
    autoscaled = learn(Estimate(), (*calm, *slow), SETTING._replace(autoscaled=True, target=None))
    assert scaled.saturation.rate is not None, "with a known number of slots the same minutes are a queue"
    assert autoscaled.saturation.rate is None
    assert autoscaled.failures.slow == pytest.approx(1.0)


def test_what_comes_late_under_far_more_load_than_ever_is_made_late_by_the_load() -> None:
    setting = SETTING._replace(autoscaled=True, target=None)
    calm = learn(Estimate(), tuple(minute(i, 50.0, 1.0) for i in range(1, 16)), setting)
    same = learn(calm, tuple(minute(i, 1.1 * 50.0, 6.0) for i in range(16, 20)), setting)
    assert same.saturation.rate is None
    assert same.failures.slow == pytest.approx(1.0)
    flooded = learn(calm, tuple(minute(i, 80.0, 6.0) for i in range(16, 20)), setting)
    assert flooded.saturation.rate == pytest.approx(80.0, rel=0.01)
    assert flooded.failures.slow <= UNKNOWN_SLOW
    found = region_of(flooded)
    assert (found.capacity, found.proven) == (flooded.saturation.rate, True)
    over = learn(flooded, tuple(minute(i, 40.0, 1.0) for i in range(20, 23)), setting)
    assert over.saturation.rate is None
    at = over.saturation.last_at
    assert region_of(over, at=at + RECOVERY_SECONDS - 1.0).capacity == pytest.approx(80.0, rel=0.01)
    assert region_of(over, at=at + RECOVERY_SECONDS + 1.0).capacity == UNBOUNDED


def test_what_is_not_probed_is_not_unhealthy() -> None:
    (belief, _) = picture_of((whole("a"), whole("b")), {"a": 60.0}).beliefs
    assert belief.health is None
    assert (belief.dead, belief.health_known, looks_well(belief, Policy())) == (False, True, True)
    idle = belief._replace(window=Blind(absence=Absence.NO_SERIES, why="idle"), estimate=Estimate())
    assert idle.silent
    assert is_known(idle)
    assert confidence(belief, 100.0) == 1.0


def test_a_detached_region_looks_well_by_time_alone() -> None:
    (belief, _) = picture_of((whole("a", scaler=0.0), whole("b")), {"a": 60.0}).beliefs
    unseen = belief._replace(window=Blind(absence=Absence.NOT_MEMBER, why="detached"))
    assert unseen.closed
    assert looks_well(unseen, Policy()) is True


def region_of(estimate: Estimate, at: float = AT) -> Region:
    (belief, _) = picture_of((whole("a"), whole("b")), {"a": 60.0}).beliefs
    return whole_region(belief._replace(estimate=estimate), (0.0, True), Policy(), 0.0, at=at)


def test_no_target_is_made_up() -> None:
    found = region_of(Estimate(served=60.0, failures=FailureTrack(slow=0.5)))
    assert (found.ceiling, found.capacity, found.quota, found.only_seen) == (UNBOUNDED, UNBOUNDED, None, None)
    assert bounded(found.capacity_expected) is None


def test_a_quota_holds_until_it_is_as_likely_lifted_as_not() -> None:
    def met(ago: float) -> Region:
        return region_of(Estimate(quota=QuotaTrack(rate=40.0, met_rate=40.0, met_at=AT - ago)))

    young, old = met(RECOVERY_SECONDS - 1.0), met(RECOVERY_SECONDS + 1.0)
    assert (young.quota, young.capacity, young.capacity_expected) == (40.0, 40.0, 40.0)
    assert young.bad_share(80.0) == pytest.approx(0.5, abs=0.01)
    assert (old.quota, old.capacity) == (None, UNBOUNDED)


# --- what is remembered


def memory(state: BackendState, *, member: bool, **more: Any) -> BackendMemory:
    return BackendMemory(region="a", state=state, member=member, scaler=1.0 if member else 0.0, **more)


def test_a_drain_and_a_return_go_through_the_states_of_every_other() -> None:
    serving = memory(BackendState.SERVING, member=True, well_since=AT - 60.0)
    drained = account(serving, member=False, scaler=0.0, at=AT, backoff=1.0)
    assert (drained.state, drained.leaving, drained.empty_since) == (BackendState.DRAINING, False, AT)
    assert (drained.direction, drained.moved_by) == (-1, -1.0)
    back = account(
        replace(drained, state=BackendState.DRAINED), member=True, scaler=1.0, at=AT + 60.0, backoff=1.0
    )
    assert (back.state, back.joined_at, back.well_since) == (BackendState.JOINING, AT + 60.0, None)


def test_a_leave_and_somebody_elses_detachment_end_as_a_standby() -> None:
    serving = memory(BackendState.SERVING, member=True)
    left = account(serving, member=False, scaler=0.0, at=AT, backoff=1.0, leaving=True)
    assert (left.state, left.leaving) == (BackendState.STANDBY, True)
    edited = account(serving, member=False, scaler=0.0, at=AT, backoff=None)
    assert edited.state is BackendState.STANDBY


@pytest.mark.parametrize("state", [BackendState.PINNED, BackendState.HELD, BackendState.EDITED])
def test_an_order_may_detach_and_attach_what_is_fixed(state: BackendState) -> None:
    gone = account(memory(state, member=True), member=False, scaler=0.0, at=AT, backoff=1.0)
    assert gone.state is BackendState.DRAINING
    back = account(memory(state, member=False), member=True, scaler=1.0, at=AT, backoff=1.0)
    assert (back.state, back.joined_at) == (BackendState.SERVING, AT)


# --- what is told


def test_no_figure_stands_for_what_is_not_known() -> None:
    model = picture_of((whole("a"), whole("b")), {"a": 60.0})
    assert "headroom unknown" in quiet_reason(model, None)
