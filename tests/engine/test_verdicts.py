"""What is said of a refusal or of silence: by its reason, by what had been sent, and what to do about it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.bench_config import config, overlay
from tests.engine.tinycloud import Refuse, TinyCloud, serving

from spillway.adapters.engine.embedded.embedded_engine import EmbeddedEngine
from spillway.adapters.engine.verdicts import cloud_error, is_conflict, outcome_of
from spillway.adapters.program.build import build
from spillway.errors import TemporaryError
from spillway.ports import Applied, Outcome

UPDATING = 'updating urn:pulumi:main::spillway::x: Error updating BackendService "projects/p/...": '
CREATING = "creating urn:pulumi:main::spillway::x: Error creating GlobalAddress: "
REFRESHING = 'refreshing urn:pulumi:main::spillway::x: Error when reading or editing Address "x": '
SAID = [
    (UPDATING + "googleapi: Error 412: Invalid fingerprint., conditionNotMet", Outcome.CONFLICT),
    (
        UPDATING
        + "googleapi: Error 412: Certificate Map or at least 1 SSL certificate must be specified for setting"
        " SSL certificates in TargetHttpsProxy., conditionNotMet: provider=google-beta@10.2.0\n* updating urn:pulumi",
        Outcome.REFUSED,
    ),
    (UPDATING + "googleapi: Error 403: Quota exceeded for 'Writes'., rateLimitExceeded", Outcome.FAILED),
    (
        UPDATING + "googleapi: Error 403: Quota exceeded.\nDetails:\n[\n  {}\n]\n, rateLimitExceeded",
        Outcome.FAILED,
    ),
    (UPDATING + "googleapi: Error 429: Resource has been exhausted", Outcome.FAILED),
    (UPDATING + "googleapi: Error 403: Required permission is missing, forbidden", Outcome.REFUSED),
    (UPDATING + "googleapi: got HTTP response code 502 with body: <html>", Outcome.UNKNOWN),
    (CREATING + "googleapi: Error 503: The service is unavailable., backendError", Outcome.UNKNOWN),
    (REFRESHING + "googleapi: Error 503: The service is unavailable., backendError", Outcome.FAILED),
    (
        "googleapi: Error 504: no, backendError\n ~  gcp:compute:URLMap lb **refreshing failed** error: update failed",
        Outcome.FAILED,
    ),
    (
        "googleapi: Error 504: no, backendError\n ~  gcp:compute:URLMap lb **updating failed** error: update failed",
        Outcome.UNKNOWN,
    ),
    (
        UPDATING
        + "googleapi: Error 400: no, invalid\n"
        + UPDATING
        + "googleapi: Error 504: no, backendError",
        Outcome.UNKNOWN,
    ),
    (UPDATING + 'Put "http://h/x": context deadline exceeded', Outcome.UNKNOWN),
    (REFRESHING + 'Get "http://h/x": context deadline exceeded', Outcome.FAILED),
    (CREATING + 'Post "http://h/x": dial tcp 127.0.0.1:1: connect: connection refused', Outcome.FAILED),
]


@pytest.mark.parametrize(("text", "outcome"), SAID)
def test_the_provider_s_words_are_understood(text: str, outcome: Outcome) -> None:
    error = cloud_error(f"it failed\n{text}\n1 error occurred\n")
    assert error is not None
    found, words = outcome_of(error, anything_done=False)
    assert found is outcome, words
    assert is_conflict(error) is (outcome is Outcome.CONFLICT)
    assert "1 error occurred" not in words or not error.status


def test_words_that_are_no_refusal_are_none() -> None:
    assert cloud_error("no language plugin found") is None


def test_what_is_in_use_comes_with_a_way_out() -> None:
    error = cloud_error(
        "googleapi: Error 400: The ssl_certificate resource 'x' is already being used by 'y', resourceInUseByAnotherResource"
    )
    for done in (True, False):
        _, words = outcome_of(error, anything_done=done)
        assert (
            "give the new one another name in the configuration, and the old one goes once nothing uses it"
            in words
        )


@pytest.fixture
def cloud() -> Iterator[TinyCloud]:
    with serving(TinyCloud()) as served:
        yield served


def engine_at(url: str, folder: Path) -> EmbeddedEngine:
    return EmbeddedEngine(
        lambda wanted: build(config(), wanted),
        endpoint=url,
        folder=folder,
        stack="main",
        name="lb",
        deadline=20.0,
        parallel=8,
    )


@pytest.fixture
def engine(cloud: TinyCloud, tmp_path: Path) -> Iterator[EmbeddedEngine]:
    made = engine_at(cloud.url, tmp_path)
    yield made
    made.close()


def refused(engine: EmbeddedEngine, cloud: TinyCloud, refuse: Refuse) -> Applied:
    """What is said where every PUT is answered so; the next change must work."""
    assert engine.apply(overlay()).outcome is Outcome.DONE

    def before(method: str, _path: str) -> None:
        if method == "PUT":
            raise refuse

    cloud.before = before
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    cloud.before = lambda _method, _path: None
    assert engine.apply(overlay({"europe-west4": 0.5})).outcome is Outcome.DONE
    return applied


def test_too_many_requests_are_no_refusal_for_good(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    applied = refused(engine, cloud, Refuse(403, "Quota exceeded for 'Writes'.", "rateLimitExceeded"))
    assert applied.outcome is Outcome.FAILED
    assert "nothing was changed" in applied.sentence
    assert "tried again" in applied.sentence


def test_a_gateway_s_answer_to_a_change_leaves_it_open(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    applied = refused(engine, cloud, Refuse(504, "Gateway timeout", "backendError"))
    assert applied.outcome is Outcome.UNKNOWN
    assert "may have been carried out" in applied.sentence


def test_an_operation_that_is_lost_from_sight_leaves_it_open(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    cloud.slow_operations = 1

    def before(_method: str, path: str) -> None:
        if "/operations/" in path:
            raise Refuse(503, "Unavailable", "backendError")

    cloud.before = before
    assert engine.apply(overlay()).outcome is Outcome.UNKNOWN
    cloud.before = lambda _method, _path: None
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence


def test_a_precondition_that_is_no_fingerprint_is_a_refusal(engine: EmbeddedEngine, cloud: TinyCloud) -> None:
    why = "Certificate Map or at least 1 SSL certificate must be specified"
    applied = refused(engine, cloud, Refuse(412, why, "conditionNotMet"))
    assert applied.outcome is Outcome.REFUSED
    assert why in applied.sentence
    assert not applied.foreign_edit


def test_without_a_connection_nothing_was_changed(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        engine = engine_at(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path)
        applied = engine.apply(overlay())
        engine.close()
    assert applied.outcome is Outcome.FAILED
    assert "Connection refused; nothing was changed" in applied.sentence
    assert "part of it may be done" not in applied.sentence


def test_a_plan_that_met_too_many_requests_may_be_asked_again(
    engine: EmbeddedEngine, cloud: TinyCloud
) -> None:
    engine.apply(overlay())

    def before(_method: str, _path: str) -> None:
        raise Refuse(403, "Quota exceeded for 'Reads'.", "rateLimitExceeded")

    cloud.before = before
    with pytest.raises(TemporaryError, match="what stands cannot be read"):
        engine.preview(overlay())
    assert engine.build(overlay()).outcome is Outcome.FAILED
