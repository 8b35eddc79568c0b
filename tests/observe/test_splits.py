"""The weights of a URL map as the core reads them."""

from __future__ import annotations

from typing import Any

import pytest

from spillway.adapters.answers import ShapeError
from spillway.adapters.splits import listed_splits
from spillway.core.observe.places import directory
from spillway.core.observe.rows import ListedGroup, ListedService
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Service, Target

RUN = {region: GroupKey(name="run", scope=region) for region in "ab"}


def backend(region: str, weight: float) -> Backend:
    return Backend(
        service="chat",
        region=region,
        groups=(RUN[region],),
        target=Target(mode=BalancingMode.RATE),
        has_scaler=False,
        weight=weight,
        resource=f"lb-{region}",
    )


SPLIT = Service(
    name="chat",
    resource="lb/chat",
    policy="default",
    backends=(backend("a", 300.0), backend("b", 100.0)),
    has_policy=False,
)
SERVICES = {
    f"lb-{region}": ListedService(
        resource=f"lb-{region}", groups=(ListedGroup(key=RUN[region], url=region, scaler=1.0),)
    )
    for region in "ab"
}


def answer(weights: dict[str, Any], matcher: str = "chat") -> dict[str, Any]:
    parts = [{"backendService": f"https://x/{name}", "weight": w} for name, w in weights.items()]
    action = {"weightedBackendServices": parts}
    return {"fingerprint": "f", "pathMatchers": [{"name": matcher, "defaultRouteAction": action}]}


def scalers(weights: dict[str, Any]) -> dict[str, float]:
    listed = listed_splits([SPLIT], answer(weights), SERVICES)["lb/chat"]
    assert listed.fingerprint == "f"
    return {group.key.scope: group.scaler for group in listed.groups}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"lb-a": 300, "lb-b": 100}, {"a": 1.0, "b": 1.0}),
        ({"lb-a": 150, "lb-b": 100}, {"a": 0.5, "b": 1.0}),
        ({"lb-a": 0, "lb-b": 100}, {"a": 0.0, "b": 1.0}),
        ({"lb-b": 100}, {"a": 0.0, "b": 1.0}),
        ({"lb-a": 300, "lb-b": 200}, {"a": 0.5, "b": 1.0}),
        ({"lb-a": 10, "lb-b": 100}, {"a": 0.0, "b": 1.0}),
        ({"lb-a": 3, "lb-b": 1}, {"a": 1.0, "b": 1.0}),
        ({"lb-a": 0, "lb-b": 1}, {"a": 0.0, "b": 1.0}),
        ({"lb-a": 6, "lb-b": 1}, {"a": 1.0, "b": 0.5}),
        ({"lb-a": 30, "lb-b": 5}, {"a": 0.1, "b": 0.1}),
    ],
)
def test_a_weight_is_its_part_of_the_configured_one(
    weights: dict[str, Any], expected: dict[str, float]
) -> None:
    assert scalers(weights) == expected


@pytest.mark.parametrize("weight", [100, 137, 150, 333, 999, 1000])
def test_what_is_written_is_read_back_as_it_was_wanted(weight: int) -> None:
    split = Service(
        name="chat",
        resource="lb/chat",
        policy="default",
        backends=(backend("a", float(weight)), backend("b", 100.0)),
    )
    for hundredths in (0, *range(10, 101)):
        written = {"lb-a": round(weight * hundredths / 100), "lb-b": 100}
        listed = listed_splits([split], answer(written), SERVICES)["lb/chat"]
        assert listed.groups[0].scaler == hundredths / 100


def test_what_does_not_stand_says_nothing() -> None:
    weights = {"lb-a": 300, "lb-b": 100}
    assert listed_splits([SPLIT], answer(weights, "other"), SERVICES) == {}
    assert listed_splits([SPLIT], {"pathMatchers": [{"name": "chat"}]}, SERVICES) == {}
    assert listed_splits([SPLIT], answer({"lb-x": 5}), SERVICES) == {}, "somebody put others in their place"
    assert listed_splits([SPLIT], answer(weights), {"lb-a": SERVICES["lb-a"]}) == {}


@pytest.mark.parametrize("weight", [-1, 1001, "many", None])
def test_a_weight_that_cannot_be_is_a_broken_answer(weight: object) -> None:
    with pytest.raises(ShapeError):
        scalers({"lb-a": weight, "lb-b": 100})


def test_a_region_that_lost_its_group_is_detached() -> None:
    gone = {**SERVICES, "lb-a": ListedService(resource="lb-a", groups=())}
    listed = listed_splits([SPLIT], answer({"lb-a": 300, "lb-b": 100}), gone)["lb/chat"]
    assert [group.key.scope for group in listed.groups] == ["b"]


def test_rows_of_its_services_belong_to_the_split() -> None:
    places = directory(Fleet(services=(SPLIT,)))
    assert places.find("lb-a", "run", "a") == (0, "a")
    assert places.find("lb-b", "run", "b") == (0, "b")
    assert places.find("lb-b", "run", "") == (0, "b")
    assert places.targets == {"lb-a": 0, "lb-b": 0}
