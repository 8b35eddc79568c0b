"""Whether a write that was refused for a foreign edit may be sent again: only if it undoes nothing of that edit."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from spillway.adapters.engine.provider.diff import overwrites
from spillway.adapters.engine.provider.kinds_backend import BACKEND_SERVICE

Props = dict[str, Any]
GROUPS = ("api-asia", "api-europe")


def service(scalers: tuple[float | None, ...] = (1, 1), **settings: Any) -> Props:
    """A backend service; a scaler of None leaves its group out."""
    backends = [
        {"group": f"projects/p/zones/z/networkEndpointGroups/{group}", "capacityScaler": scaler}
        for group, scaler in zip(GROUPS, scalers, strict=True)
        if scaler is not None
    ]
    return {"name": "lb", "timeoutSec": 300, "backends": backends, **settings}


def read(props: Props) -> Props:
    """The same as the cloud gives it back: links in full, defaults of the server, another order, a fingerprint."""
    live = copy.deepcopy(props)
    for backend in live["backends"]:
        backend["group"] = f"https://www.googleapis.com/compute/v1/{backend['group']}"
        backend["maxUtilization"] = 0.8
    return {**live, "backends": live["backends"][::-1], "fingerprint": "new", "selfLink": "x"}


BEFORE = service()


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        (service(), service((1, 0.4)), False),
        (service(description="by hand"), service((1, 0.4)), False),
        (service((0.5, 1)), service((1, 0.4)), True),
        (service((0.5, 1)), service((0.5, 0.4)), False),
        (service((0.5, 1)), service((0.4, 1)), True),
        (service(timeoutSec=7), service((1, 0.4)), True),
        (service(timeoutSec=7), service((1, 0.4), timeoutSec=7), False),
        (service((None, 1)), service((1, 0.4)), True),
        (service((None, 1)), service((None, 0.4)), False),
        (service((0, 1)), service((1, 0.4)), True),
        (service(outlierDetection={"consecutiveErrors": 3}), service((1, 0.4)), True),
        (service(localityLbPolicy="RANDOM"), service((1, 0.4)), True),
    ],
    ids=[
        "only the fingerprint", "what is not ours", "another region's scaler", "taken over", "the same scaler", "a setting",
        "a setting taken over", "left by hand", "left by both", "drained by hand", "a block that we do not set", "a watched word",
    ],
)  # fmt: skip
def test_a_write_is_sent_again_only_if_it_undoes_nothing(live: Props, wanted: Props, expected: bool) -> None:
    assert overwrites(BACKEND_SERVICE, BEFORE, read(live), wanted) is expected


def test_a_member_added_by_hand_stays() -> None:
    before = service((1, None))
    assert overwrites(BACKEND_SERVICE, before, read(service((1, 0.1))), service((0.5, None)))
    assert not overwrites(BACKEND_SERVICE, before, read(service((1, 0.1))), service((0.5, 0.1)))


def test_part_of_a_block() -> None:
    def detecting(**more: Any) -> Props:
        return service(outlierDetection={"consecutiveErrors": 5, **more})

    before = detecting(maxEjectionPercent=50)
    by_hand = read(detecting(maxEjectionPercent=20, interval={"seconds": 1}))
    assert overwrites(BACKEND_SERVICE, before, by_hand, detecting(maxEjectionPercent=10))
    assert not overwrites(BACKEND_SERVICE, before, by_hand, detecting(maxEjectionPercent=20))
    assert not overwrites(BACKEND_SERVICE, before, read(before), detecting(maxEjectionPercent=10))
