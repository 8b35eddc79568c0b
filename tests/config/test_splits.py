"""Steered splits in the configuration: what they may be, what the core sees of them, and what is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from spillway.config import load
from spillway.config.fleet import fleet, starting_overlay
from spillway.config.splits import steered_splits
from spillway.config.steering import steering
from spillway.control.memory import fit
from spillway.errors import ConfigError

REGIONS = {"europe-west1": "eu", "us-central1": "us"}
CONFIG: dict[str, Any] = {
    "cloud": "gcp",
    "project": "demo-project",
    "name": "lb",
    "daemon": {"state_dir": "/var/lib/spillway"},
    "policies": {"default": {}, "wide": {"floors": {"min_serving_regions": 3}}},
    "topology": {
        "frontends": {"http": {}},
        "default_service": "rest",
        "health_checks": {"ready": {}},
        "regions": {
            **{region: {"groups": [{"serverless_neg": f"run-{short}"}]} for region, short in REGIONS.items()},
            "us-east4": {
                "groups": [{"zone": "us-east4-b", "neg": "vm"}],
                "balancing": {"mode": "RATE", "max_rate_per_endpoint": 10},
            },
        },
        "services": {
            "eu": {"regions": ["europe-west1"]},
            "us": {"regions": ["us-central1"]},
            "rest": {"regions": ["us-east4"], "health_check": "ready"},
        },
        "routes": [
            {
                "hosts": ["chat.example.com"],
                "split": [
                    {"service": "eu", "weight": 400, "min_weight": 45},
                    {"service": "us", "weight": 600},
                ],
                "steer": True,
            }
        ],
    },
}


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """The configuration with another value at a path; `...` takes the key out."""
    found = copy.deepcopy(CONFIG)
    at: Any = found["topology"]
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    elif isinstance(at, list) and path[-1] == len(at):
        at.append(value)
    else:
        at[path[-1]] = value
    return found


def loaded(raw: dict[str, Any], folder: Path) -> load.Loaded:
    file = folder / "lb.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    return load.load(file)


def problems(raw: dict[str, Any], folder: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        loaded(raw, folder)
    return [(problem.path, problem.message, problem.remedy) for problem in caught.value.problems]


def test_the_core_sees_one_service_in_place_of_those_of_the_split(tmp_path: Path) -> None:
    config = loaded(CONFIG, tmp_path).config
    found = fleet(config)
    assert [service.name for service in found.services] == ["rest", "route-1"]
    split = found.service("route-1")
    assert (split.resource, split.has_policy, split.shared_out) == ("lb/route-1", False, True)
    assert split.resources == ("lb-eu", "lb-us")
    assert [
        (b.region, b.weight, b.least_scaler, b.resource, b.movable, b.graded) for b in split.backends
    ] == [
        ("europe-west1", 400.0, 0.12, "lb-eu", True, True),
        ("us-central1", 600.0, 0.0, "lb-us", True, True),
    ]
    setting = starting_overlay(config).service("route-1")
    assert [(b.member, b.scaler) for b in setting.backends] == [(True, 1.0), (True, 1.0)]
    (of_config,) = steered_splits(config.topology)
    assert of_config.weights(setting) == {"eu": 400, "us": 600}


def test_a_section_names_it_and_its_policy(tmp_path: Path) -> None:
    raw = changed("routes", 0, "steer", value={"name": "chat", "policy": "gentle"})
    raw["policies"]["gentle"] = {}
    split = fleet(loaded(raw, tmp_path).config).service("chat")
    assert (split.policy, split.resource) == ("gentle", "lb/route-1")
    raw = changed("routes", 0, "steer", value=False)
    del raw["topology"]["routes"][0]["split"][0]["min_weight"]
    off = loaded(raw, tmp_path)
    assert off.config.topology.routes[0].steering is None
    assert [service.name for service in fleet(off.config).services] == ["eu", "rest", "us"]


def test_check_says_what_is_steered(tmp_path: Path) -> None:
    found = loaded(CONFIG, tmp_path)
    told = steering(found.config)
    assert told["route-1"].startswith("the weights of eu and us are steered, never below eu 45: ")
    assert told["eu"] == "its weight in the split route-1 is steered, and nothing else of it."
    lonely = [
        w for w in found.warnings if w.path.startswith(("topology.services.eu", "topology.services.us"))
    ]
    assert lonely == [], "a weight is a lever, so one region is no lack"


@pytest.mark.parametrize(
    ("raw", "place", "message", "remedy"),
    [
        (changed("routes", 0, "split", value=...), "steer", "nothing to steer", "`split`|split"),
        (changed("routes", 0, "split", 0, "weight", value=40), "split[0].weight", "no whole hundredths", "100 to 1000"),
        (changed("routes", 0, "split", 0, "min_weight", value=500), "split[0].min_weight", "above its weight", "400 or less"),
        (changed("services", "eu", "regions", value=["europe-west1", "us-central1"]), "split[0].service", "has 2 regions", "service of its own"),
        (changed("services", "us", "regions", value=["europe-west1"]), "split[1].service", "both in europe-west1", "one service"),
        (changed("routes", 0, "split", 1, "service", value="rest"), "split[1].service", "have a scaler", "one service"),
        (changed("default_service", value="us"), "split[1].service", "gets requests from `default_service`", "Lead a service of its own"),
        (changed("routes", 1, value={"hosts": ["x.example.com"], "service": "eu"}), "split[0].service", "gets requests from route 2", "Lead a service of its own"),
        (changed("routes", 0, "paths", value=[{"paths": ["/eu/*"], "service": "eu"}]), "split[0].service", "gets requests from route 1", "Lead a service of its own"),
        (changed("regions", "us-central1", "standby", value=True), "split[1].service", "stands by", "`standby`"),
        (changed("routes", 0, "steer", value={"name": "rest"}), "steer.name", "so is a service", "another name"),
        (changed("routes", 0, "steer", value={"policy": "wild"}), "steer.policy", "no policy called 'wild'", "Did you mean wide?"),
        (changed("routes", 0, "steer", value=False), "split", "`min_weight` is for weights that the daemon moves", "steer: true"),
    ],
)  # fmt: skip
def test_what_cannot_be_steered_is_refused_with_a_way_out(
    raw: dict[str, Any], place: str, message: str, remedy: str, tmp_path: Path
) -> None:
    found = problems(raw, tmp_path)
    ways = remedy.split("|")
    assert any(
        path == f"topology.routes[0].{place}" and message in told and any(way in what for way in ways)
        for path, told, what in found
    ), found


def test_a_split_that_could_never_move_is_warned_of(tmp_path: Path) -> None:
    raw = changed("routes", 0, "split", 0, "min_weight", value=400)
    assert "topology.routes[0].split" not in {w.path for w in loaded(raw, tmp_path).warnings}
    raw["topology"]["routes"][0]["split"][1]["min_weight"] = 600
    (warning,) = [w for w in loaded(raw, tmp_path).warnings if w.path == "topology.routes[0].split"]
    assert "none could ever give anything up" in warning.message


def test_a_policy_that_could_empty_nothing_is_refused(tmp_path: Path) -> None:
    ((path, message, _),) = problems(changed("routes", 0, "steer", value={"policy": "wide"}), tmp_path)
    assert path == "policies.wide.floors.min_serving_regions"
    assert "the split route-1 has 2" in message


def test_what_was_kept_before_a_split_was_steered_goes_on(tmp_path: Path) -> None:
    """An overlay of the same services unsteered says nothing of the split, which begins with its configured weights."""
    raw = changed("routes", 0, "steer", value=False)
    del raw["topology"]["routes"][0]["split"][0]["min_weight"]
    before = starting_overlay(loaded(raw, tmp_path).config)
    start = starting_overlay(loaded(CONFIG, tmp_path).config)
    assert fit(start, before) == start
    assert fit(before, start) == before, "and the way back"


def test_a_policy_that_only_a_split_names_is_used(tmp_path: Path) -> None:
    raw = changed("routes", 0, "steer", value={"policy": "gentle"})
    raw["policies"]["gentle"] = {}
    warnings = loaded(raw, tmp_path).warnings
    assert [w.path for w in warnings if w.path.startswith("policies.gentle")] == []


def test_the_floor_of_a_split_is_that_of_its_policy(tmp_path: Path) -> None:
    """Each of its services has one region, so none of them could keep two."""
    raw = changed("services", "rest", "regions", value=["us-east4"])
    raw["policies"]["default"] = {"floors": {"min_serving_regions": 2}}
    raw["policies"]["lone"] = {}
    raw["topology"]["services"]["rest"]["policy"] = "lone"
    assert fleet(loaded(raw, tmp_path).config).service("route-1").policy == "default"
