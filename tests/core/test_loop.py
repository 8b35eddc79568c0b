"""The core in closed loop on a tiny plant with late eyes and hands: right moves, none wrong, no swinging."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from tests.core.plant import SERVICE, Client, Factor, Plant, Run, Zone, drive

from spillway.core.values.decision import Lever
from spillway.core.values.policy import Evidence, Mode, Policy, Rhythm

HOUR = 3600.0
ACT = Policy(mode=Mode.ACT)
WATCH = Policy(mode=Mode.OBSERVE)


def between(start: float, end: float, inside: float, outside: float) -> Factor:
    """`inside` from minute `start` to minute `end`, else `outside`."""
    return lambda t: inside if start * 60 <= t < end * 60 else outside


def steady(rate: float) -> Factor:
    return lambda _: rate


PARIS, OHIO = steady(60.0), steady(70.0)


def world(
    europe: dict[str, Any] | None = None,
    *,
    us: dict[str, Any] | None = None,
    asia_standby: bool = False,
    paris: Factor = PARIS,
    ohio: Factor = OHIO,
    noise: float = 0.03,
    propagation: float = 90.0,
    seed: int = 1,
) -> Plant:
    zones = [
        Zone(
            name="europe-west4",
            latitude=53.4,
            longitude=6.8,
            target=120,
            capacity=130,
            endpoints=12,
            **(europe or {}),
        ),
        Zone(
            name="us-east4",
            latitude=39.0,
            longitude=-77.5,
            target=160,
            capacity=175,
            endpoints=16,
            **(us or {}),
        ),
        Zone(
            name="asia-northeast1",
            latitude=35.7,
            longitude=139.7,
            target=80,
            capacity=85,
            endpoints=8,
            standby=asia_standby,
        ),
    ]
    clients = [
        Client(place="Europe", latitude=48.9, longitude=2.3, rate=paris),
        Client(place="America", latitude=40.0, longitude=-83.0, rate=ohio),
        Client(place="Asia", latitude=35.7, longitude=139.7, rate=steady(30.0)),
    ]
    return Plant(zones, clients, noise=noise, propagation=propagation, seed=seed)


def bad_share(run: Run) -> float:
    return run.plant.bad / run.plant.total


def reversals(path: list[float]) -> int:
    """Changes of direction in a list of scalers that starts from 1."""
    steps = [b - a for a, b in zip([1.0, *path], path, strict=False) if b != a]
    return sum(1 for a, b in pairwise(steps) if a * b < 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quiet_fleet_is_left_alone(seed: int) -> None:
    run = drive(world(noise=0.1, seed=seed), 2 * HOUR)
    assert run.moves == []
    assert "all 3 regions are well" in run.results[-1][1].sentence


def test_a_slow_region_is_shed_at_once_and_comes_back_in_steps() -> None:
    fault: dict[str, Any] = {"slow": between(20, 60, 3.0, 1.0)}
    run, idle = drive(world(fault), 4 * HOUR), drive(world(fault), 4 * HOUR, WATCH)
    assert bad_share(run) < 0.35 * bad_share(idle)
    path = run.scaler_path("europe-west4")
    first_at = next(at for at, r in run.results if r.plan.moves)
    assert first_at <= 27 * 60
    assert path[0] <= 0.3
    assert path[1:] == sorted(path[1:])
    assert all(b - a <= Rhythm().up_step + 1e-9 for a, b in pairwise(path))
    assert path[-1] == 1.0
    receiver = run.scaler_path(
        "us-east4"
    )  # capped at what it surely takes while it takes more, and then let go
    assert all(s >= 0.9 for s in receiver)
    assert receiver[-1:] in ([], [1.0])


def test_lost_machines_with_passing_checks_are_found_by_their_answer_rate() -> None:
    fault: dict[str, Any] = {"working": between(20, 80, 0.4, 1.0)}
    run, idle = drive(world(fault), 2 * HOUR), drive(world(fault), 2 * HOUR, WATCH)
    assert bad_share(run) < 0.3 * bad_share(idle)


def test_an_outage_that_google_handles_is_not_doubled() -> None:
    fault: dict[str, Any] = {"healthy": between(20, 60, 0.0, 1.0)}
    run = drive(world(fault), 1.5 * HOUR)
    assert [m for _, m in run.moves if "scaler" in m] == []
    dead = next(r for at, r in run.results if at == 40 * 60)
    assert any(a.code == "region-dead" for a in dead.alarms)
    notes = {n.code for b in dead.assessment[0].backends for n in b.notes}
    assert "auto-drained" in notes


def test_errors_behind_passing_checks_are_shed_and_probed() -> None:
    fault: dict[str, Any] = {"errors": between(20, 60, 0.7, 0.0)}
    run, idle = drive(world(fault), 4 * HOUR), drive(world(fault), 4 * HOUR, WATCH)
    assert bad_share(run) < 0.35 * bad_share(idle)
    path = run.scaler_path("europe-west4")
    assert path[0] == 0.0
    assert path[1] == 0.1
    assert path[-1] > 0.3


def test_a_quota_is_a_ceiling_and_not_ill_health() -> None:
    fault: dict[str, Any] = {"quota": between(20, 80, 30.0, 1e9)}
    run, idle = drive(world(fault), 2 * HOUR), drive(world(fault), 2 * HOUR, WATCH)
    assert bad_share(run) < 0.4 * bad_share(idle)
    first = next(m for _, m in run.moves)
    assert "[cap-quota]" in first
    assert 0.15 <= run.scaler_path("europe-west4")[0] <= 0.25


def test_a_surge_brings_the_standby_and_it_leaves_again() -> None:
    def surge(t: float) -> float:
        return 60 + 120 * min(1.0, max(0.0, (t - 1200) / 600)) if t < 4200 else 60.0

    run = drive(world(asia_standby=True, paris=surge), 3 * HOUR)
    members = [
        (m.before, m.after) for _, r in run.results for m in r.plan.moves if m.lever is Lever.MEMBERSHIP
    ]
    assert members[0] == ("detached", "1.00")  # nobody knows how far it rises
    assert [after for _, after in members[1:]] == ["0.00", "detached"]
    assert any(m.lever is Lever.POSTURE for _, r in run.results for m in r.plan.moves)
    assert run.memory.services[0].backend("asia-northeast1").state == "standby"


def test_a_slow_rise_brings_the_standby_by_a_ramp() -> None:
    def rise(t: float) -> float:
        return 60 + 120 * min(1.0, max(0.0, (t - 1200) / 7200))

    run = drive(world(asia_standby=True, paris=rise), 2.5 * HOUR)
    joined = [m.after for _, r in run.results for m in r.plan.moves if m.lever is Lever.MEMBERSHIP]
    assert joined == ["0.50"]
    assert bad_share(run) < 0.02


def test_flapping_health_is_left_to_google() -> None:
    fault: dict[str, Any] = {"healthy": lambda t: 0.0 if (t // 180) % 2 and 1200 < t < 4800 else 1.0}
    run = drive(world(fault), 2 * HOUR)
    for region in ("europe-west4", "us-east4", "asia-northeast1"):
        assert reversals(run.scaler_path(region)) <= 1


@pytest.mark.parametrize("propagation", [20.0, 300.0, 1200.0])
def test_a_dead_time_that_was_guessed_wrong_makes_no_swing(propagation: float) -> None:
    fault: dict[str, Any] = {"slow": between(20, 300, 2.2, 1.0)}
    run = drive(world(fault, propagation=propagation), 3 * HOUR)
    for region in ("europe-west4", "us-east4", "asia-northeast1"):
        assert reversals(run.scaler_path(region)) <= 2


def test_blindness_stops_everything_and_starts_nothing() -> None:
    fault: dict[str, Any] = {"slow": between(20, 60, 3.0, 1.0), "blind": between(15, 90, 1.0, 0.0)}
    run = drive(world(fault), 1.2 * HOUR)
    assert [m for _, m in run.moves if "europe-west4" in m] == []


def test_two_slow_regions_share_what_the_third_can_take() -> None:
    eu: dict[str, Any] = {"slow": between(20, 80, 2.5, 1.0)}
    us: dict[str, Any] = {"slow": between(25, 80, 2.0, 1.0)}
    run, idle = drive(world(eu, us=us), 2 * HOUR), drive(world(eu, us=us), 2 * HOUR, WATCH)
    assert bad_share(run) < 0.8 * bad_share(idle)


def test_a_write_of_unknown_outcome_is_settled_by_the_next_listing() -> None:
    fault: dict[str, Any] = {"slow": between(20, 200, 3.0, 1.0)}
    plant = world(fault)
    answers = iter([False])
    lost: list[float] = []

    def write(at: float) -> bool:
        if next(answers, True):
            return True
        lost.append(at)
        return False

    run = drive(plant, 1.2 * HOUR, write=write)
    assert len(lost) == 1
    retried = [at for at, r in run.results if r.plan.moves and at > lost[0]]
    assert retried[0] == lost[0] + 60.0
    assert run.memory.services[0].unknown == ()


def test_an_outside_edit_is_taken_over_and_rests() -> None:
    def edit(run: Run) -> None:
        assert run.overlay is not None
        setting = run.overlay.service(SERVICE)
        run.plant.write(setting.with_backend(replace(setting.backend("us-east4"), scaler=0.6)))

    run = drive(world(), 1.2 * HOUR, hooks={1800.0: edit})
    first = next(r for at, r in run.results if at == 1800.0)
    assert first.overlay.service(SERVICE).backend("us-east4").scaler == 1.0
    assert "one reading shows us-east4 at 0.60" in first.sentence
    seen = next(r for at, r in run.results if at == 1860.0)
    assert seen.overlay.service(SERVICE).backend("us-east4").scaler == 0.6
    assert not any(m.region == "us-east4" for _, r in run.results for m in r.plan.moves)
    assert run.overlay is not None
    ours = run.memory.services[0].backend("us-east4")
    assert ours.scaler == run.overlay.service(SERVICE).backend("us-east4").scaler


@pytest.mark.parametrize("begins", [20.0, 30.0, 40.0, 50.0])
def test_a_standby_does_not_join_for_the_beginning_of_a_steady_demand(begins: float) -> None:
    """A rise from nothing was carried on as a trend: 441 requests/s were expected at 226."""

    def begun(rate: float) -> Factor:
        return lambda t: rate if t >= begins else 0.0

    run = drive(world(asia_standby=True, paris=begun(100.0), ohio=begun(60.0)), HOUR / 2)
    assert [m for _, r in run.results for m in r.plan.moves if m.lever is Lever.MEMBERSHIP] == []


def test_a_trend_is_believed_after_two_dead_times_of_demand() -> None:
    rise = Policy().timing.dead_time * 2.0

    def growing(t: float) -> float:
        return 60.0 + 0.1 * t

    run = drive(world(asia_standby=True, paris=growing), HOUR / 2, WATCH)
    services = [(at, r.assessment[0]) for at, r in run.results]
    seen = {at: a.forecast / a.demand for at, a in services if a.forecast and a.demand}
    since = run.memory.services[0].demand_since
    assert all(ratio == pytest.approx(1.0) for at, ratio in seen.items() if at < since + rise)
    assert max(seen.values()) > 1.05


def test_how_sure_an_assessment_is_goes_by_the_answers_that_the_policy_demands() -> None:
    """It used to go by the default of `evidence.min_requests`, whatever the policy said."""

    def sure(min_requests: int) -> float:
        policy = Policy(evidence=Evidence(min_requests=min_requests))
        assessment = drive(world(), 1800.0, policy).results[-1][1].assessment[0]
        return min(b.confidence for b in assessment.backends)

    assert sure(50) == 1.0
    assert 0.5 < sure(5000) < 0.8
