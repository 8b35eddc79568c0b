"""A region that was cut for what it seemed to take, and turns out to take far less before that cut can be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from tests.bench.ablation import Part, without
from tests.bench.library import FOLDER
from tests.bench.varied import varied
from tests.core.pictures import AT, area, change_of, considered, flight_of, guards, made, picture_of, space

from spillway.core.model.service import ServiceModel
from spillway.core.model.verify import STILL_OVERLOADED, still_overloaded
from spillway.core.values.decision import Purpose
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario import Scenario
from spillway.sim.setup import build


def cut(takes: float, *, ago: float = 60.0, more: int = 0, **changes: Any) -> ServiceModel:
    """Region a, which was cut to 0.7 for 100 requests/s that it would take and now takes so many; b and c have room."""
    sunk = area("a", scaler=0.7, capacity=takes)._replace(**changes)
    flights = tuple(
        replace(flight_of("a", 1.0, 0.7, AT - ago - 60.0 * number), takes=100.0) for number in range(1 + more)
    )
    memories = {"a": {"moved_at": AT - ago, "direction": -1, "moved_by": -0.3, "scaler": 0.7}}
    return picture_of((sunk, area("b"), area("c")), {"a": 100.0}, memories=memories, flights=flights)


CUT = change_of("a", 0.7, 0.4)


def lowered(picture: ServiceModel) -> tuple[bool, bool]:
    """Whether the search may lower a, and a cut of it is accepted."""
    return space(picture).ranges[0].low < 0.7, made(considered(picture, [CUT])) == {"a": 0.4}


def test_what_takes_far_less_than_it_was_cut_for_is_cut_again_at_once() -> None:
    assert lowered(cut(50.0)) == (True, True)


@pytest.mark.parametrize(
    "picture",
    [cut(100.0 * STILL_OVERLOADED), cut(50.0, proven=False), cut(50.0, more=1), cut(50.0, ago=400.0)],
    ids=["about what was found", "by its target", "cut twice", "after its effect"],
)
def test_anything_else_rests(picture: ServiceModel) -> None:
    assert not still_overloaded(picture, picture.beliefs[0])
    assert lowered(picture) == (False, False)
    assert guards(considered(picture, [CUT])) == {"resting"}


def test_a_rest_is_for_raises_too() -> None:
    found = considered(cut(50.0), [change_of("a", 0.7, 0.9, Purpose.MAKE_ROOM)])
    assert made(found) == {}
    assert guards(found) == {"resting"}


def test_half_an_hours_harm_is_spared_where_the_first_minute_promised_too_much() -> None:
    """A region is lost while its neighbour's metrics are missing; its first minute of trouble promises nearly twice what it takes."""
    drawn = varied(yaml.safe_load((FOLDER / "metrics-missing.yaml").read_text(encoding="utf-8")), 0)
    lost = build(Scenario.model_validate(drawn), FOLDER)
    quick = Run(lost, Pilot()).go()
    with without(Part(name="cutting again", constants=(("model.verify.STILL_OVERLOADED", 0.0),))):
        slow = Run(lost, Pilot()).go()
    assert quick.report.bad_requests < 0.75 * slow.report.bad_requests
    assert quick.wrong_way_moves == quick.floors_broken == 0
