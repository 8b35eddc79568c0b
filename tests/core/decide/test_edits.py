"""Edits from outside: one that hurts is put back at once and in one step, a harmless one is left for a dwell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.core.pictures import AT, area, picture_of, proposed
from tests.core.plant import SERVICE, Client, Plant, Run, Zone, drive

from spillway.core.decide.overrides import edit_reverts
from spillway.core.model.predict import TROUBLE
from spillway.core.values.policy import Rhythm

EDITED_AT = 1800.0


def plant(america: float) -> Plant:
    """Two regions of 120 requests/s; Europe sends 80."""
    zones = [
        Zone(name="europe-west4", latitude=53.4, longitude=6.8, target=120, capacity=130),
        Zone(name="us-east4", latitude=39.0, longitude=-77.5, target=120, capacity=130),
    ]
    clients = [
        Client(place="Europe", latitude=48.9, longitude=2.3, rate=lambda _: 80.0),
        Client(place="America", latitude=40.0, longitude=-83.0, rate=lambda _: america),
    ]
    return Plant(zones, clients)


def edit(scaler: float) -> Callable[[Run], None]:
    """Somebody else sets the scaler of Europe's region."""

    def hook(run: Run) -> None:
        assert run.overlay is not None
        setting = run.overlay.service(SERVICE)
        run.plant.write(setting.with_backend(replace(setting.backend("europe-west4"), scaler=scaler)))

    return hook


def moves(run: Run) -> list[tuple[float, str, str, str]]:
    """(seconds after the edit, before, after, reason) of all moves of the edited region."""
    return [
        (at - EDITED_AT, m.before, m.after, m.reason.code)
        for at, r in run.results
        for m in r.plan.moves
        if m.region == "europe-west4"
    ]


def test_a_harmful_edit_is_put_back_at_once_in_one_step() -> None:
    run = drive(plant(100.0), EDITED_AT + 900.0, hooks={EDITED_AT: edit(0.1)})
    assert moves(run) == [(0.0, "0.10", "1.00", "revert-edit")]
    assert Rhythm().up_step < 0.9
    assert run.overlay is not None
    assert run.overlay.service(SERVICE).backend("europe-west4").scaler == 1.0


def test_a_closing_edit_is_put_back_too() -> None:
    run = drive(plant(100.0), EDITED_AT + 300.0, hooks={EDITED_AT: edit(0.0)})
    assert moves(run) == [(0.0, "0.00", "1.00", "revert-edit")]


def test_a_harmless_edit_is_left_alone_for_a_dwell() -> None:
    run = drive(plant(20.0), EDITED_AT + 1800.0, hooks={EDITED_AT: edit(0.6)})
    found = moves(run)
    assert found != []
    assert found[0][3] != "revert-edit"
    assert all(after >= Rhythm().dwell for after, *_ in found)


def lowered(memory: dict[str, Any], *, scaler: float = 0.1, **changes: Any) -> list[tuple[str, float]]:
    """What is wanted back where the neighbour cannot take what a sheds."""
    regions = (area("a", scaler=scaler, **changes), area("b"))
    edited = {"edit_grace_until": AT + 300.0, "before_edit": 1.0, **memory}
    picture = picture_of(regions, {"a": 80.0, "b": 80.0}, memories={"a": edited})
    return [(c.region or "", c.after) for c in proposed(edit_reverts, picture)]


def test_the_way_back_leads_to_the_scaler_before_the_edit() -> None:
    assert lowered({}) == [("a", 1.0)]
    assert lowered({"before_edit": 0.8}) == [("a", 0.8)]


@pytest.mark.parametrize(
    ("memory", "changes"),
    [
        ({"before_edit": None}, {}),
        ({"edit_grace_until": AT}, {}),
        ({"before_edit": 0.1}, {}),
        ({"before_edit": 0.2}, {"scaler": 0.5}),
        ({}, {"dead": True}),
        ({}, {"movable": False}),
    ],
    ids=["no-edit", "dwell-over", "same", "it-raised", "dead", "not-movable"],
)
def test_what_is_no_edit_that_lowered_a_live_region_is_left(
    memory: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert lowered(memory, **changes) == []


@pytest.mark.parametrize(("bad", "back"), [(TROUBLE + 0.01, True), (TROUBLE - 0.01, False)])
def test_only_what_makes_many_more_requests_bad_is_put_back(bad: float, back: bool) -> None:
    # all of a's clients go to b, where a share of them fails
    regions = (area("a", scaler=0.0), area("b", bad=bad))
    picture = picture_of(
        regions, {"a": 50.0}, memories={"a": {"edit_grace_until": AT + 300.0, "before_edit": 1.0}}
    )
    assert bool(proposed(edit_reverts, picture)) is back


def test_before_any_demand_is_known_nothing_is_put_back() -> None:
    edited = {"edit_grace_until": AT + 300.0, "before_edit": 1.0}
    regions = (area("a", scaler=0.1), area("b"))
    assert proposed(edit_reverts, picture_of(regions, {}, memories={"a": edited})) == []
