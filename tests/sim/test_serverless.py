"""Serverless regions in the simulated world: no ceiling, no probes, attached or detached; and the stories about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.sim.worlds import TIMES, client, region, scenario, setup

from spillway.sim.balancer import Balancer
from spillway.sim.baselines import BASELINES
from spillway.sim.baselines.levers import Levers
from spillway.sim.control import BackendControl, ServiceControl
from spillway.sim.controller import Controller
from spillway.sim.pilot.fleet import fleet_of
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run, RunResult
from spillway.sim.scenario_check import check
from spillway.sim.scenario_file import load_scenario
from spillway.sim.setup import build, public

FOLDER = Path(__file__).resolve().parents[2] / "config" / "scenarios"


def run_region(capacity: float = 100.0, **changes: Any) -> dict[str, Any]:
    return {"endpoints": 10, "capacity_rps": capacity, "serverless": True, "service_time": TIMES, **changes}


REGIONS = {"europe-west4": run_region(), "us-east4": run_region(300.0)}
PARIS = [client("paris", 150.0, 48.9, 2.4)]


def loads(control: ServiceControl, passing: int = 10) -> list[float]:
    """Requests/s that reach each region, while so many endpoints of the first would pass a check."""
    built = setup(regions=REGIONS, clients=PARIS)
    balancer = Balancer(built.regions, built.scenario.clients, built.rtt, built.continents)
    balancer.apply(control)
    balancer.route(built.routes)
    balancer.update(0.0, (((passing, 10),), ((10, 10),)), np.array([1.0, 1.0]))
    sent, _, lost = balancer.send(np.array([[150.0]]))
    assert lost.sum() == 0.0
    return [float(x) for x in sent.sum(axis=(0, 1))]


def test_nothing_spills_and_nobody_probes() -> None:
    both = ServiceControl(
        service="pool",
        backends=tuple(BackendControl(region=r, scaler=1.0) for r in REGIONS),
        auto_drain=True,
    )
    assert loads(both) == [150.0, 0.0], "past its capacity, which nobody has told the balancer"
    assert loads(both, passing=0) == [150.0, 0.0], "neither auto-drain nor threshold see it"
    away = ServiceControl(service="pool", backends=(BackendControl(region="us-east4", scaler=1.0),))
    assert loads(away) == [0.0, 150.0]


def test_a_serverless_region_has_no_target() -> None:
    pool = fleet_of(setup(regions=REGIONS, clients=PARIS)).service("pool")
    backend = pool.backend("us-east4")
    assert not pool.has_policy, "no failover policy, so no posture is ever proposed"
    assert (backend.has_scaler, backend.movable, backend.target.rate(10, 1)) == (False, True, None)
    known = public(setup(regions=REGIONS, clients=PARIS))
    assert [plant.capacity for plant in known.regions] == [100.0, 300.0], "an operator knows its largest size"


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"us-east4": run_region(target_rps=100)}, ("regions", "us-east4", "target_rps"), "has no target"),
        ({"us-east4": run_region(zones=2)}, ("regions", "us-east4", "zones"), "one group"),
        (
            {"us-east4": {k: v for k, v in region().items() if k != "target_rps"}},
            ("regions", "us-east4", "target_rps"),
            "is missing",
        ),
    ],
)
def test_what_a_serverless_region_cannot_have(changes: Any, where: tuple[str, ...], what: str) -> None:
    mistakes = check(scenario(regions={**REGIONS, **changes}, clients=PARIS), Path())
    assert [(place, what in message) for place, message, _ in mistakes] == [(where, True)]


def test_nobody_edits_a_scaler_that_is_not_there() -> None:
    edit = {"kind": "outside-edit", "region": "us-east4", "at": "1m", "scaler": 0.4}
    ((place, message, _),) = check(scenario(regions=REGIONS, clients=PARIS, faults=[edit]), Path())
    assert (place, "has no scaler" in message) == (("faults", 0, "region"), True)


def test_scripts_attach_and_detach_it() -> None:
    built = setup(regions=REGIONS, clients=PARIS)
    levers = Levers.of(built, built.controls)
    keys = levers.keys("pool")
    (cut,) = levers.apply(built.controls, dict(zip(keys, (0.1, 0.0), strict=True)))
    assert [(b.region, b.scaler) for b in cut.backends] == [(keys[0][1], 1.0)]
    (back,) = levers.apply((cut,), dict.fromkeys(keys, 0.5))
    assert {b.region: b.scaler for b in back.backends} == {"europe-west4": 1.0, "us-east4": 1.0}


def story(name: str, controller: Controller, hours: float) -> RunResult:
    """The first hours of a story of the library."""
    whole = load_scenario(FOLDER / f"{name}.yaml").model_copy(update={"duration": 3600.0 * hours})
    return Run(build(whole, FOLDER), controller).go()


@pytest.mark.parametrize("name", ["serverless-region-ill", "serverless-loss-standby"])
def test_a_story_beats_who_sees_no_more(name: str) -> None:
    pilot = Pilot()
    ours = story(name, pilot, 2.0)
    assert (ours.wrong_way_moves, ours.floors_broken, ours.reversals) == (0, 0, 0)
    for opponent in ("google", "threshold"):
        theirs = story(name, BASELINES[opponent](), 2.0)
        assert ours.report.bad_requests < 0.6 * theirs.report.bad_requests, opponent


def test_an_ill_region_leaves_and_comes_back_once() -> None:
    pilot = Pilot()
    ours = story("serverless-region-ill", pilot, 4.0)
    moves = [sentence.split(":")[0] for _, sentence in pilot.sentences]
    assert moves == [
        "pool/europe-west1 membership 1.00 -> detached",
        "pool/europe-west1 membership detached -> 1.00",
    ]
    assert ours.writes == 2


def test_the_standby_comes_before_the_last_region_leaves() -> None:
    pilot = Pilot()
    story("serverless-loss-standby", pilot, 5.0)
    moves = [sentence.split(":")[0] for _, sentence in pilot.sentences]
    assert moves == [
        "pool/us-west1 membership detached -> 1.00",
        "pool/us-east1 membership 1.00 -> detached",
        "pool/us-east1 membership detached -> 1.00",
        "pool/us-west1 membership 1.00 -> detached",
    ]
