"""Opponents: harmless in quiet, useful where they should be, ordered by what they know."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from tests.sim.worlds import client, region, setup

from spillway.core.values.overlay import Posture
from spillway.core.values.topology import is_legal_scaler
from spillway.sim.baselines import BASELINES
from spillway.sim.baselines.foresight import Promised, futures
from spillway.sim.baselines.levers import Levers, careful
from spillway.sim.baselines.starts import starts
from spillway.sim.baselines.trial import Plan, Trial
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Moment, Run, RunResult
from spillway.sim.setup import Setup
from spillway.sim.world import World

VISIBLE = ("threshold", "aimd", "pid")
ORACLES = ("oracle-delayed", "oracle")

SLOW = [{"kind": "slow", "region": "us-east4", "at": "10m", "for": "30m", "factor": 3}]
STORIES: dict[str, dict[str, Any]] = {
    "quiet": {"duration": "40m"},
    "slow": {"duration": "1h", "faults": SLOW},
    "quota": {
        "duration": "1h",
        "faults": [{"kind": "quota", "region": "us-east4", "at": "10m", "for": "40m", "rps": 20}],
    },
    "blind": {"duration": "1h", "faults": [*SLOW, {"kind": "metrics-missing", "at": "5m", "for": "50m"}]},
    "refused": {"duration": "40m", "faults": [*SLOW, {"kind": "write-refused", "at": "5m", "for": "35m"}]},
    "short": {
        "duration": "50m",
        "clients": [
            client("paris", 135.0, 48.9, 2.4),
            client("ohio", 125.0, 40.0, -83.0),
            client("tokyo", 130.0, 35.7, 139.7),
        ],
    },
    "edited": {
        "duration": "1h",
        "clients": [
            client("paris", 85.0, 48.9, 2.4),
            client("ohio", 85.0, 40.0, -83.0),
            client("tokyo", 50.0, 35.7, 139.7),
        ],
        "faults": [{"kind": "outside-edit", "region": "europe-west4", "at": "10m", "scaler": 0.1}],
    },
    "garbage": {"duration": "90m", "faults": [{"kind": "metrics-garbage", "at": "10m", "for": "70m"}]},
    "surge": {
        "duration": "80m",
        "regions": {
            "europe-west4": region(),
            "us-east4": region(),
            "us-central1": region(standby=True),
        },
        "clients": [
            {
                **client("paris", 80.0, 48.9, 2.4),
                "demand": {
                    "shape": "surge",
                    "rps": 80,
                    "factor": 2.2,
                    "at": "20m",
                    "for": "30m",
                    "ramp": "15m",
                },
            },
            client("ohio", 70.0, 40.0, -83.0),
        ],
    },
}

BRIEF = "brief-"
"""Prefix of a story of a quarter of an hour or so. An oracle tries whole futures at every tick: it takes a minute for an hour."""
SOON = [{"kind": "slow", "region": "us-east4", "at": "3m", "for": "17m", "factor": 3}]
BRIEFS: dict[str, dict[str, Any]] = {
    "quiet": {"duration": "12m"},
    "slow": {"duration": "20m", "faults": SOON},
    "quota": {
        **STORIES["quota"],
        "duration": "20m",
        "faults": [{**STORIES["quota"]["faults"][0], "at": "3m"}],
    },
    "blind": {"duration": "20m", "faults": [*SOON, {"kind": "metrics-missing", "at": "1m", "for": "19m"}]},
    "refused": {"duration": "12m", "faults": [*SOON, {"kind": "write-refused", "at": "1m", "for": "11m"}]},
    "short": {**STORIES["short"], "duration": "9m"},
    "surge": {
        **STORIES["surge"],
        "duration": "26m",
        "clients": [
            {
                **client("paris", 80.0, 48.9, 2.4),
                "demand": {
                    "shape": "surge",
                    "rps": 80,
                    "factor": 2.2,
                    "at": "3m",
                    "for": "22m",
                    "ramp": "15m",
                },
            },
            client("ohio", 70.0, 40.0, -83.0),
        ],
    },
}
STORIES |= {BRIEF + name: story for name, story in BRIEFS.items()}


def told(*stories: str) -> list[Any]:
    """Each story brief, and in the long runs whole."""
    return [
        *(BRIEF + story for story in stories),
        *(pytest.param(story, marks=pytest.mark.long) for story in stories),
    ]


def acting(*stories: str) -> list[Any]:
    """Everybody who acts with each story: a script has it whole, an oracle as `told` says."""
    scripts = [(policy, story) for story in stories for policy in VISIBLE]
    return [
        *scripts,
        *((policy, BRIEF + story) for story in stories for policy in ORACLES),
        *(pytest.param(policy, story, marks=pytest.mark.long) for story in stories for policy in ORACLES),
    ]


@cache
def run(policy: str, story: str) -> tuple[RunResult, tuple[Moment, ...]]:
    moments: list[Moment] = []
    controller = Pilot() if policy == "spillway" else BASELINES[policy]()
    result = Run(setup(**STORIES[story]), controller).go(moments.append)
    return result, tuple(moments)


def bad(policy: str, story: str) -> float:
    return run(policy, story)[0].report.bad_requests


def noise(*counts: float) -> float:
    """Three standard deviations of the larger Poisson count."""
    return float(3.0 * max(counts) ** 0.5)


def test_every_name_of_the_contract_is_there_and_called_so() -> None:
    assert list(BASELINES) == ["static", "google", "threshold", "aimd", "pid", "oracle-delayed", "oracle"]
    assert all(make().name == name for name, make in BASELINES.items())


@pytest.mark.parametrize(("policy", "story"), acting("quiet"))
def test_nobody_writes_in_quiet(policy: str, story: str) -> None:
    result, _ = run(policy, story)
    assert result.writes == 0
    assert result.report.bad_requests == pytest.approx(bad("google", story))


@pytest.mark.parametrize(("policy", "story"), acting("slow", "quota"))
def test_everybody_who_acts_helps_a_region_in_need(policy: str, story: str) -> None:
    # a loop tuned for a dead time of 380 s takes longer than a switch
    share = 0.85 if policy == "pid" else 0.7
    assert bad(policy, story) < share * bad("google", story)


@pytest.mark.parametrize(("policy", "story"), acting("surge"))
def test_everybody_who_acts_joins_standby_before_a_surge_fills_the_fleet(policy: str, story: str) -> None:
    assert bad(policy, story) < 0.2 * bad("google", story)
    joined = [
        b.scaler
        for m in run(policy, story)[1]
        for c in m.decision or ()
        for b in c.backends
        if b.region == "us-central1"
    ]
    assert max(joined) > 0


@pytest.mark.parametrize("story", told("quiet", "slow", "quota"))
def test_who_knows_more_does_no_worse(story: str) -> None:
    delayed, now = bad("oracle-delayed", story), bad("oracle", story)
    assert now <= delayed + noise(now, delayed)
    for policy in ("static", "google", *VISIBLE, "spillway"):
        other = bad(policy, story)
        assert delayed <= other + noise(delayed, other), policy


@pytest.mark.parametrize("story", told("surge"))
def test_on_a_surge_no_rule_that_joins_by_utilisation_beats_an_oracle(story: str) -> None:
    best = min(bad(policy, story) for policy in VISIBLE)
    assert bad("oracle-delayed", story) <= best + noise(best)
    assert bad("oracle", story) <= best + noise(best)


def test_in_a_shortage_no_script_makes_it_worse() -> None:
    for policy in VISIBLE:
        assert bad(policy, "short") <= 1.02 * bad("google", "short"), policy


@pytest.mark.parametrize("story", told("short"))
def test_in_a_shortage_an_oracle_helps(story: str) -> None:
    assert bad("oracle-delayed", story) < 0.9 * bad("google", story)


def test_scripts_undo_what_somebody_else_lowered() -> None:
    for policy in VISIBLE:
        assert bad(policy, "edited") < 0.2 * bad("google", "edited"), policy


def test_nonsense_in_the_metrics_does_not_let_a_threshold_close_the_fleet() -> None:
    assert bad("threshold", "garbage") <= bad("google", "garbage") + noise(bad("google", "garbage"))


@pytest.mark.parametrize(
    ("blind", "seen"),
    [(f"{BRIEF}blind", f"{BRIEF}slow"), pytest.param("blind", "slow", marks=pytest.mark.long)],
)
def test_oracles_see_through_monitoring(blind: str, seen: str) -> None:
    for policy in ORACLES:
        assert bad(policy, blind) == bad(policy, seen)


def test_scripts_do_not_see_through_monitoring() -> None:
    for policy in VISIBLE:
        assert bad(policy, "blind") > bad(policy, "slow")


@pytest.mark.parametrize(("policy", "story"), acting("refused"))
def test_nobody_sees_through_a_refused_write(policy: str, story: str) -> None:
    result, _ = run(policy, story)
    assert result.writes > 0
    assert result.report.bad_requests >= bad("google", story) * 0.999


@pytest.mark.parametrize(("policy", "story"), acting("slow", "surge"))
def test_every_move_is_legal_and_leaves_a_region_open(policy: str, story: str) -> None:
    written = [c for m in run(policy, story)[1] for c in m.decision or ()]
    assert written
    for control in written:
        assert all(is_legal_scaler(b.scaler) for b in control.backends)
        assert any(b.scaler > 0 for b in control.backends)


@pytest.mark.parametrize(
    ("policy", "story"),
    [
        ("threshold", "slow"),
        ("pid", "slow"),
        ("oracle-delayed", f"{BRIEF}slow"),
        pytest.param("oracle-delayed", "slow", marks=pytest.mark.long),
    ],
)
def test_equal_seeds_make_equal_traces(policy: str, story: str) -> None:
    again = Run(setup(**STORIES[story]), BASELINES[policy]()).go()
    assert again.trace_hash == run(policy, story)[0].trace_hash


@pytest.mark.parametrize(
    ("policy", "duration"),
    [
        ("threshold", "40m"),
        *((policy, "20m") for policy in ORACLES),
        *(pytest.param(policy, "40m", marks=pytest.mark.long) for policy in ORACLES),
    ],
)
def test_a_pinned_service_is_given_its_failover_region(policy: str, duration: str) -> None:
    services = {
        "pool": {},
        "europe": {
            "home": "europe-west4",
            "failover": ["us-east4"],
            "paths": ["/europe/*"],
        },
    }
    clients = [client("paris", 60.0, path="/europe/chat"), client("ohio", 20.0, 40.0, -83.0)]
    faults = [{"kind": "errors", "region": "europe-west4", "at": "5m", "for": "50m", "ratio": 0.9}]
    story = setup(duration=duration, services=services, clients=clients, faults=faults)
    result = Run(story, BASELINES[policy]()).go()
    left = Run(story, BASELINES["google"]()).go()
    assert result.report.bad_requests < 0.7 * left.report.bad_requests


def world_of(story: Setup, until: float) -> World:
    world = World(story, controls=careful(story.controls))
    world.advance(until)
    return world


def test_an_oracle_does_not_know_what_will_begin_or_end() -> None:
    known = world_of(setup(faults=SLOW), 300.0)
    (promise,) = futures(known)
    promise.world.advance(1200.0)
    assert promise.world.state("us-east4").mean == pytest.approx(known.state("us-east4").mean)
    begun = world_of(setup(faults=SLOW), 900.0)
    (promise,) = futures(begun)
    future = promise.world
    future.advance(3000.0)
    assert future.state("us-east4").mean == pytest.approx(begun.state("us-east4").mean)
    begun.advance(3000.0)
    assert begun.state("us-east4").mean < future.state("us-east4").mean


def test_a_leak_is_thought_to_go_on_at_its_pace() -> None:
    leak = [{"kind": "slow-leak", "region": "us-east4", "at": "0s", "for": "2h", "factor": 3}]
    world = world_of(setup(duration="3h", faults=leak), 1800.0)
    (promise,) = futures(world)
    promise.world.advance(3600.0)
    world.advance(3600.0)
    assert promise.world.state("us-east4").mean == pytest.approx(world.state("us-east4").mean, rel=0.03)


def test_a_trend_is_a_future_of_its_own_and_a_step_is_none() -> None:
    def changing(**demand: Any) -> Setup:
        return setup(clients=[{**client("paris", 1.0), "demand": demand}])

    ramp = changing(shape="surge", rps=50, factor=2, at="5m", **{"for": "30m"}, ramp="20m")
    assert len(futures(world_of(ramp, 900.0))) == 2
    rates = [float(Promised(world_of(ramp, 900.0), t).rates(120, 121)[0, 0]) for t in (None, 300.0)]
    assert rates == pytest.approx([75.0, 75.0 + 50.0 / 1200.0 * 305.0], rel=1e-3)
    step = changing(shape="step", rps=50, to_rps=80, at="14m")
    assert len(futures(world_of(step, 900.0))) == 1


def test_a_surge_shows_within_a_minute_and_is_not_carried_on_for_ever() -> None:
    steep = {"shape": "surge", "rps": 50, "factor": 3, "at": "10m", "for": "30m", "ramp": "5m"}
    story = setup(clients=[{**client("paris", 1.0), "demand": steep}])
    assert len(futures(world_of(story, 600.0))) == 1
    begun = world_of(story, 660.0)
    assert len(futures(begun)) == 2
    ahead = Promised(begun, 60.0)
    near, far, farther = (float(ahead.rates(k, k + 1)[0, 0]) for k in (66 + 6, 66 + 36, 66 + 90))
    assert near == pytest.approx(70.0 + 65.0 / 3.0, rel=1e-3)
    assert far == farther == pytest.approx(70.0 + 120.0, rel=1e-3)


def test_what_came_and_went_twice_may_come_again() -> None:
    brief = [
        {"kind": "slow", "region": "us-east4", "at": at, "for": "5m", "factor": 3} for at in ("5m", "20m")
    ]
    once = world_of(setup(duration="2h", faults=brief), 900.0)
    assert len(futures(once)) == 1
    world = world_of(setup(duration="2h", faults=brief), 1600.0)
    calm, again = futures(world)
    assert again.weight < calm.weight
    for future in (calm, again):
        future.world.advance(1700.0)
    ordinary = calm.world.state("us-east4").mean
    assert again.world.state("us-east4").mean > 2.9 * ordinary
    assert len(futures(world_of(setup(duration="2h", faults=brief), 1500.0 + 3700.0))) == 1


def test_starts_are_legal_distinct_in_kind_and_leave_every_service_open() -> None:
    story = setup(faults=[{"kind": "outage", "region": "us-east4", "at": "1m", "for": "20m"}])
    world = world_of(story, 300.0)
    listing = careful(story.controls)
    trial = Trial(futures(world), Levers.of(story, listing), listing)
    plans = list(starts(trial))
    assert all(is_legal_scaler(v) for p in plans for v in p.scalers.values())
    assert all(any(v > 0 for v in p.scalers.values()) for p in plans)
    closed = {k[1] for p in plans for k, v in p.scalers.items() if v == 0.0}
    assert closed == {"europe-west4", "us-east4", "asia-northeast1"}
    capped = [v for p in plans for k, v in p.scalers.items() if k[1] == "europe-west4" and 0.8 < v < 1.0]
    assert capped


def test_the_same_plan_is_run_once_and_a_harmful_one_costs_more() -> None:
    story = setup(duration="1h")
    listing = careful(story.controls)
    trial = Trial(futures(world_of(story, 600.0)), Levers.of(story, listing), listing)
    everything = Plan(scalers={**trial.leave.scalers, ("pool", "europe-west4"): 0.0}, postures={})
    crowded = Plan(
        scalers={k: 1.0 if k[1] == "asia-northeast1" else 0.0 for k in trial.leave.scalers}, postures={}
    )
    assert trial.cost(crowded) > trial.cost(everything) >= 0.0
    assert trial.cost(crowded) > 100 * trial.cost(trial.leave)
    tries = trial.tries
    trial.cost(crowded)
    assert trial.tries == tries
    guarded = trial.controls(Plan(scalers=trial.leave.scalers, postures={"pool": Posture.GUARDED}))
    assert guarded[0].failover_threshold == 0.5
