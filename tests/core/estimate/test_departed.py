"""A region without series from which nobody's requests are missing has no traffic left, and no demand is looked for there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from tests.bench.library import FOLDER
from tests.core.pictures import AT, area, picture_of, window

from spillway.core.estimate.belief import BackendBelief, is_blind, posture_set
from spillway.core.estimate.origins import update_origins
from spillway.core.estimate.sample import Blind
from spillway.core.estimate.service import drop_departed_traffic
from spillway.core.values.snapshot import Absence, Missing
from spillway.core.values.state import Estimate, HealthTrack, OriginMemory
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario import Scenario
from spillway.sim.setup import build

NEWEST = AT - 210.0


def after_silence(
    *, served: float, others: float, joined: bool, absence: Absence = Absence.NO_SERIES
) -> tuple[BackendBelief, BackendBelief]:
    """Region b has fallen silent after it served so much; a serves `others` now. Together they had 100 requests/s."""
    memories: dict[str, dict[str, Any]] = {
        "a": {"joined_at": AT - 600.0 if joined else None},
        "b": {"estimate": Estimate(served=served)},
    }
    picture = picture_of((area("a"), area("b")), {"a": others}, memories=memories)
    a, b = picture.beliefs
    a = a._replace(window=window(others))
    b = b._replace(window=Blind(absence=absence, why="nothing"))
    found = drop_departed_traffic((a, b), (OriginMemory(place="Europe", home="b", level=100.0),), NEWEST)
    return found[0], found[1]


def test_what_a_region_that_joined_has_taken_over_is_not_missing() -> None:
    _, silent = after_silence(served=40.0, others=98.0, joined=True)
    assert silent.idle
    assert not is_blind(silent)


@pytest.mark.parametrize(
    ("served", "others", "joined", "absence"),
    [
        (40.0, 60.0, True, Absence.NO_SERIES),  # what it served is seen nowhere
        (40.0, 98.0, False, Absence.NO_SERIES),  # nobody was opened: growth elsewhere explains nothing
        (40.0, 98.0, True, Absence.STALE),
        (40.0, 98.0, True, Absence.GARBAGE),
    ],
)
def test_a_hole_in_the_metrics_stays_a_hole(
    served: float, others: float, joined: bool, absence: Absence
) -> None:
    _, silent = after_silence(served=served, others=others, joined=joined, absence=absence)
    assert is_blind(silent)
    assert silent.estimate.served == served


def test_the_end_of_a_trickle_is_believed() -> None:
    _, silent = after_silence(served=4.0, others=90.0, joined=False)
    assert silent.idle
    _, silent = after_silence(served=6.0, others=90.0, joined=False)
    assert is_blind(silent)


def test_what_a_lost_region_sent_on_is_no_surge_of_its_neighbour_once_its_health_is_back() -> None:
    """The newest minute is older than its return: a still served all of it then."""
    back = HealthTrack(changes=((AT - 900.0, 0.0), (AT - 20.0, 1.0)))
    picture = picture_of(
        (area("a"), area("b")), {"a": 95.0}, memories={"b": {"estimate": Estimate(health=back)}}
    )
    a, b = picture.beliefs
    a = a._replace(window=window(95.0))
    b = b._replace(window=Blind(absence=Absence.NO_SERIES, why="nothing"))
    origins = tuple(
        OriginMemory(place="Europe", home=home, level=rate) for home, rate in (("a", 45.0), ("b", 50.0))
    )
    memory = replace(picture.memory, origins=origins, origins_at=NEWEST - 60.0)
    found = update_origins(
        memory,
        (a, b),
        Missing(absence=Absence.NO_SERIES),
        posture_set(picture.policy, picture.posture),
        picture.policy,
    )
    assert {o.home: o.level for o in found.origins} == pytest.approx({"a": 45.0, "b": 50.0})


def test_demand_falls_after_a_surge_though_a_region_is_left_without_requests() -> None:
    """europe-west1 joins for the surge and is nearer; once that is over, nobody is sent to europe-west4 for the pool any more.

    It was taken for a hole in the metrics, and so much more demand than there was believed in for an hour.
    """
    text = yaml.safe_load((FOLDER / "demo.yaml").read_text(encoding="utf-8"))
    text |= {"scenario": "joined", "faults": [], "duration": "70m"}
    for client in text["clients"]:
        surge = {"shape": "surge", "factor": 1.8, "at": "20m", "for": "20m", "ramp": "5m", "noise": 0.03}
        client["demand"] = {**surge, "rps": client["demand"]["rps"]}
    pilot = Pilot()
    run = Run(build(Scenario.model_validate(text), FOLDER), pilot)
    run.go()
    pool = pilot._memory.service("pool")
    assert pool.backend("europe-west1").member
    assert sum(o.level for o in pool.origins) == pytest.approx(226.0, rel=0.05)
