"""What gets the requests that no route names: a service, or a bucket where there is no service at all."""

from __future__ import annotations

from typing import Any

import pytest
from tests.config.sample_config import REMOVE, Change
from tests.program.sketch import sketch

from spillway.config.fleet import fleet, starting_overlay

BUCKETS = {"site": {"bucket": "acme-site"}, "media": {"bucket": "acme-media"}}
FILES_ALONE: dict[str, Any] = {
    "topology/default_service": REMOVE,
    "topology/default_bucket": "site",
    "topology/buckets": BUCKETS,
    "topology/routes": [{"hosts": ["*"], "paths": [{"paths": ["/media/*"], "bucket": "media"}]}],
    "topology/health_checks": REMOVE,
    "topology/regions": REMOVE,
    "topology/services": REMOVE,
    "policies": REMOVE,
}


def test_buckets_alone_are_a_load_balancer(change: Change) -> None:
    verdict = change(FILES_ALONE)
    assert verdict.config is not None, verdict.text
    assert verdict.warnings == ()
    assert fleet(verdict.config).services == ()
    assert starting_overlay(verdict.config).services == ()
    made = sketch(verdict.config)
    assert made.one("URLMap")["defaultService"].endswith("spillway-site")
    (matcher,) = made.one("URLMap")["pathMatchers"]
    assert matcher["defaultService"].endswith("spillway-site")
    assert matcher["pathRules"][0]["service"].endswith("spillway-media")
    assert "BackendService" not in str(made)


@pytest.mark.parametrize(
    ("changes", "at", "message", "remedy"),
    [
        ({"topology/default_service": REMOVE}, "topology.default_service", "nothing gets the requests", "default_bucket: NAME"),
        ({"topology/default_bucket": "site", "topology/buckets": BUCKETS}, "topology.default_bucket", "a service and a bucket are given", "Keep"),
        ({**FILES_ALONE, "topology/default_bucket": "sit"}, "topology.default_bucket", "no bucket called 'sit'", "site"),
        ({"topology/default_service": "site", "topology/buckets": BUCKETS}, "topology.default_service", "site is a bucket", "Write `default_bucket: site`"),
        ({"topology/regions": REMOVE, "topology/services/pool/regions": "all"}, "topology.regions", "`regions` is missing", "Add it"),
    ],
)  # fmt: skip
def test_there_is_exactly_one(
    change: Change, changes: dict[str, Any], at: str, message: str, remedy: str
) -> None:
    problem = change(changes).at(at)
    assert message in problem.message
    assert remedy in problem.remedy
