"""What a backend service with serverless groups must not say."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.conftest import Cloud

ONE, TWO, FAR = (
    {"group": f"regions/{place}/networkEndpointGroups/{name}"}
    for name, place in (("one", "us-east4"), ("two", "us-east4"), ("far", "europe-west4"))
)
EJECTION = {"consecutiveErrors": 5, "enforcingConsecutiveErrors": 100, "maxEjectionPercent": 50}


@pytest.fixture
def ready(cloud: Cloud) -> Cloud:
    """A sandbox with three serverless groups, two of them in one region."""
    for name, place in (("one", "us-east4"), ("two", "us-east4"), ("far", "europe-west4")):
        group = {"name": name, "cloudRun": {"service": name}}
        cloud.call("POST", f"regions/{place}/networkEndpointGroups", group)
    return cloud


def body(*backends: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "s", "loadBalancingScheme": "EXTERNAL_MANAGED", "backends": list(backends), **more}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            body(ONE, timeoutSec=120),
            "'120'. Timeout sec is not supported for a backend service with Serverless network endpoint groups.",
        ),
        (
            body(ONE, outlierDetection={**EJECTION, "successRateMinimumHosts": 5}),
            "successRateMinimumHosts': '5'",
        ),
        (body(ONE, outlierDetection={"enforcingSuccessRate": 100}), "enforcingSuccessRate': '100'"),
        (body(ONE, TWO), "of us-east4 in this backend service already"),
    ],
    ids=["timeout", "success rate", "enforcing success rate", "two in a region"],
)
def test_it_is_refused(ready: Cloud, given: dict[str, Any], words: str) -> None:
    reason, message = ready.refused("POST", "global/backendServices", given)
    assert (reason, words in message) == ("invalid", True), message


def test_what_remains_is_taken(ready: Cloud) -> None:
    ready.call("POST", "global/backendServices", body(ONE, FAR, timeoutSec=30, outlierDetection=EJECTION))
    assert ready.call("GET", "global/backendServices/s")["outlierDetection"] == EJECTION


def test_logging_is_turned_off_with_the_last_rate_sent_along(ready: Cloud) -> None:
    """So the provider does, and its acceptance tests with the real API."""
    ready.call("POST", "global/backendServices", body(ONE, logConfig={"enable": True, "sampleRate": 0.4}))
    off = {"logConfig": {"enable": False, "sampleRate": 0.4}}
    ready.call("PATCH", "global/backendServices/s", off)
    assert ready.call("GET", "global/backendServices/s")["logConfig"] == {"enable": False}
