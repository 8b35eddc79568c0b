"""What `check` says of each service, and what the core is told of its groups."""

from __future__ import annotations

from typing import Any

import pytest
from tests.config.sample_config import REMOVE, Change
from tests.config.test_rules import EU, IG, SERVERLESS, R, S
from tests.config.test_service_rules import REGIONAL

from spillway.config.fleet import fleet
from spillway.config.steering import steering
from spillway.core.values.topology import GroupKey, Peer

NO_PIN = {f"{S}europe": {"health_check": "ready", "regions": ["us-east4"]}}

SENTENCES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "zonal groups": ({}, ("scalers and the failover policy of europe-west4 and us-east4 are steered.",)),
    "one region": ({f"{S}pool/regions": ["us-east4"]}, ("us-east4 stands alone",)),
    "serverless groups": (
        SERVERLESS,
        (
            "the membership of europe-west4 and us-east4 is steered, each as a whole",
            "serverless groups are attached or detached, and have no scaler",
        ),
    ),
    "one serverless group": (
        {**SERVERLESS, f"{S}pool/regions": ["us-east4"]},
        ("nothing is steered: us-east4 is its only region", "serverless groups have no scaler"),
    ),
    "regional groups": (
        {**IG, EU: REGIONAL, **NO_PIN},
        (
            "scalers of europe-west4 and us-east4 are steered",
            "Google takes neither for regional instance groups",
        ),
    ),
    "utilization": (
        {**IG, f"{R}us-east4/balancing": {"mode": "UTILIZATION", "max_utilization": 0.8}},
        ("follows the CPU",),
    ),
    "a header that ties": (
        {f"{S}pool/affinity": "HEADER_FIELD", f"{S}pool/affinity_header": "x-conversation"},
        ("keeps prompt caches warm", "whole conversations move"),
    ),
    "a cookie that ties": ({f"{S}pool/affinity": "GENERATED_COOKIE"}, ("later and in lumps",)),
    "a standby region": ({f"{R}us-east4/standby": True}, ("scalers, membership and the failover policy",)),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_one_sentence_says_what_can_be_steered(change: Change, what: str) -> None:
    changes, words = SENTENCES[what]
    verdict = change(changes)
    assert verdict.config is not None, verdict.problems
    said = steering(verdict.config)["pool"]
    assert said.endswith(".")
    for word in words:
        assert word in said


def test_a_regional_group_is_moved_and_its_service_has_no_policy(change: Change) -> None:
    verdict = change({**IG, EU: REGIONAL, **NO_PIN})
    assert verdict.config is not None
    pool, europe = fleet(verdict.config).service("pool"), fleet(verdict.config).service("europe")
    backend = pool.backend("europe-west4")
    assert backend.groups == (GroupKey(name="eu", scope="europe-west4"),)
    assert backend.movable
    assert not pool.has_policy
    assert europe.has_policy


def test_services_on_their_own_groups_share_what_they_share(change: Change) -> None:
    both = [{"zone": "us-east4-a", "neg": "us"}, {"zone": "us-east4-b", "neg": "us"}]
    verdict = change(
        {
            f"{R}us-east4/groups": both,
            f"{S}europe/backends": {"us-east4": {"groups": both[:1], "scaler": 0.5}},
            f"{S}apart": {
                "health_check": "ready",
                "regions": ["us-east4"],
                "backends": {"us-east4": {"groups": [{"zone": "us-east4-c", "neg": "apart"}]}},
            },
        }
    )
    assert verdict.config is not None, verdict.problems
    peers = fleet(verdict.config).peers
    assert peers["europe", "us-east4"] == (Peer("pool", "us-east4", 0.5),)
    assert peers["pool", "us-east4"] == (Peer("europe", "us-east4", 1.0),)
    assert ("apart", "us-east4") not in peers


def test_an_own_serverless_group_takes_nothing_from_its_region(change: Change) -> None:
    verdict = change(
        {
            f"{R}us-east4/scaler": 0.5,
            f"{R}us-east4/standby": True,
            f"{S}web": {
                "regions": ["us-east4"],
                "backends": {"us-east4": {"groups": [{"serverless_neg": "web"}]}},
            },
            f"{S}europe": REMOVE,
            "topology/routes": REMOVE,
        }
    )
    assert verdict.config is not None, verdict.problems
    backend = fleet(verdict.config).service("web").backend("us-east4")
    assert (backend.movable, backend.has_scaler, backend.standby) == (True, False, False)
