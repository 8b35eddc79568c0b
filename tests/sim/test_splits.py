"""Splits in the simulated world: shares by weight, wherever requests come from; and the stories about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.sim.test_serverless import run_region, story
from tests.sim.worlds import client, region, scenario, setup

from spillway.sim.balancer import Balancer
from spillway.sim.baselines import BASELINES
from spillway.sim.baselines.levers import Levers
from spillway.sim.pilot.fleet import fleet_of
from spillway.sim.pilot.pilot import Pilot
from spillway.sim.run import Run
from spillway.sim.scenario_check import check

REGIONS = {"europe-west4": run_region(), "us-east4": run_region(300.0)}
PARIS = [client("paris", 150.0, 48.9, 2.4)]
CHAT = {"chat": {"weights": {"europe-west4": 200, "us-east4": 100}}}


def loads(scalers: dict[str, float]) -> dict[str, float]:
    """Requests/s that reach each region under these parts of the weights."""
    built = setup(regions=REGIONS, clients=PARIS, services=CHAT)
    levers = Levers.of(built, built.controls)
    (control,) = levers.apply(built.controls, {("chat", name): value for name, value in scalers.items()})
    balancer = Balancer(built.regions, built.scenario.clients, built.rtt, built.continents)
    balancer.apply(control)
    balancer.route(built.routes)
    balancer.update(0.0, (((10, 10),), ((10, 10),)), np.array([1.0, 1.0]))
    sent, _, lost = balancer.send(np.array([[150.0]]))
    assert lost.sum() == 0.0
    return dict(zip(REGIONS, (float(x) for x in sent.sum(axis=(0, 1))), strict=True))


def test_weights_share_out_what_comes() -> None:
    assert loads({"europe-west4": 1.0, "us-east4": 1.0}) == {"europe-west4": 100.0, "us-east4": 50.0}
    assert loads({"europe-west4": 0.5, "us-east4": 1.0}) == {"europe-west4": 75.0, "us-east4": 75.0}
    assert loads({"europe-west4": 0.0, "us-east4": 0.3}) == {"europe-west4": 0.0, "us-east4": 150.0}


def test_a_split_is_one_service_with_graded_levers() -> None:
    chat = fleet_of(setup(regions=REGIONS, clients=PARIS, services=CHAT)).service("chat")
    assert [(b.region, b.weight, b.has_scaler, b.graded) for b in chat.backends] == [
        ("europe-west4", 200, False, True),
        ("us-east4", 100, False, True),
    ]
    assert (chat.shared_out, chat.has_policy) == (True, False)


@pytest.mark.parametrize(
    ("changes", "service", "what"),
    [
        ({}, {"weights": {"europe-west4": 200}}, "at least two"),
        ({}, {"weights": {"europe-west4": 200, "us-west1": 100}}, "no region"),
        ({}, {"weights": {"europe-west4": 200, "us-east4": 100}, "regions": ["us-east4"]}, "neither a pool"),
        ({"us-east4": run_region(standby=True)}, CHAT["chat"], "standby"),
        ({"us-east4": region()}, CHAT["chat"], "not serverless"),
    ],
)
def test_what_a_split_cannot_be(changes: Any, service: Any, what: str) -> None:
    mistakes = check(
        scenario(regions={**REGIONS, **changes}, clients=PARIS, services={"chat": service}), Path()
    )
    assert any(what in message for _, message, _ in mistakes), mistakes


@pytest.mark.parametrize("name", ["split-region-ill", "split-quota"])
def test_a_story_beats_nobody_and_the_script(name: str) -> None:
    ours = story(name, Pilot(), 2.0)
    assert (ours.wrong_way_moves, ours.floors_broken, ours.reversals) == (0, 0, 0)
    for opponent in ("static", "google", "threshold"):
        theirs = story(name, BASELINES[opponent](), 2.0)
        assert ours.report.bad_requests < 0.9 * theirs.report.bad_requests, opponent


def test_an_ill_region_gives_its_share_and_gets_it_back_in_steps() -> None:
    pilot = Pilot()
    story("split-region-ill", pilot, 4.0)
    moves = [sentence.split(":")[0] for _, sentence in pilot.sentences]
    assert moves == [
        "chat/europe-west1 weight 1.00 -> 0.00",
        "chat/europe-west1 weight 0.00 -> 0.10",
        "chat/europe-west1 weight 0.10 -> 0.55",
        "chat/europe-west1 weight 0.55 -> 1.00",
    ]


def test_a_quota_is_met_by_the_share_that_it_accepts() -> None:
    pilot = Pilot()
    ours = story("split-quota", pilot, 4.0)
    first = pilot.sentences[0][1]
    assert first.startswith("chat/us-east4 weight 1.00 -> 0.3"), first
    assert "refuses" in first
    assert (ours.wrong_way_moves, ours.floors_broken, ours.reversals) == (0, 0, 0)


def test_a_weight_set_by_hand_is_left_alone_until_its_pin_ends() -> None:
    edit = {"kind": "outside-edit", "region": "europe-west4", "at": "30m", "scaler": 0.4}
    ill = {"kind": "errors", "region": "europe-west4", "at": "40m", "for": "4h", "ratio": 0.4}
    calm = [client("paris", 90.0, 48.9, 2.4)]
    built = setup(regions=REGIONS, clients=calm, services=CHAT, duration="4h", faults=[edit, ill])
    pilot = Pilot()
    result = Run(built, pilot).go()
    first, sentence = pilot.sentences[0]
    assert 1800.0 + 7200.0 <= first - built.scenario.start <= 1800.0 + 7200.0 + 600.0, "two hours of pin"
    assert sentence.startswith("chat/europe-west4 weight 0.40 -> 0.00"), sentence
    assert result.floors_broken == 0


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_every_opponent_plays_a_split(name: str) -> None:
    result = story("split-quota", BASELINES[name](), 1.0)
    assert result.report.requests > 0
