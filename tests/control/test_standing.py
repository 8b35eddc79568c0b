"""What stands in the cloud is read before every build, and wins over what is remembered."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from itertools import count

import pytest
from tests.control.fakes import REGIONS, Crash, Rig, drain

from spillway.control.memory import Kept
from spillway.control.standing import LOOKS
from spillway.core.act.sightings import LOOKS_APART
from spillway.core.values.foreign import ForeignPin
from spillway.core.values.overlay import Overlay, Posture
from spillway.core.values.snapshot import ObservedPolicy, Seen, Snapshot
from spillway.core.values.topology import Service
from spillway.errors import TemporaryError
from spillway.ports import Outcome

EUROPE = "europe-west4"


def pin(rig: Rig, region: str = EUROPE) -> ForeignPin | None:
    return rig.loop.kept.memory.service("pool").backend(region).pin


def ticked(rig: Rig, times: int = 3) -> Rig:
    for _ in range(times):
        rig.loop.tick()
        rig.later()
    return rig


def restarted(rig: Rig, digest: str = "two") -> Rig:
    rig.digest = digest
    rig.restart()
    return rig.started()


@pytest.mark.parametrize("digest", ["one", "two"])
def test_a_drain_by_hand_while_the_daemon_is_down_stands_after_the_start(digest: str) -> None:
    """With another configuration, a byte of it or a new version, it used to be undone."""
    rig = ticked(Rig().started())
    rig.cloud.edit(EUROPE, 0.0)
    restarted(rig, digest)
    assert rig.scaler(EUROPE) == 0.0
    assert rig.waits == [LOOKS_APART]
    found = pin(rig)
    assert found is not None
    assert (found.scaler, found.wanted_scaler) == (0.0, 1.0)
    ticked(rig, 60)
    assert rig.scaler(EUROPE) == 0.0


@pytest.mark.parametrize("digest", ["one", "two"])
def test_a_region_detached_by_hand_while_the_daemon_is_down_stays_out(digest: str) -> None:
    rig = ticked(Rig().started())
    rig.cloud.edit(EUROPE, 0.0, member=False)
    ticked(restarted(rig, digest), 5)
    assert not rig.cloud.overlay.service("pool").backend(EUROPE).member
    found = pin(rig)
    assert found is not None
    assert found.until is None


def test_what_is_as_remembered_needs_one_look_and_a_first_build_none_more() -> None:
    rig = Rig()
    rig.cloud.built = False
    ticked(rig.started())
    restarted(rig)
    assert rig.waits == []
    assert pin(rig) is None


def test_a_failover_policy_set_by_hand_stands_after_a_start_too() -> None:
    rig = ticked(Rig().started())
    guarded = replace(rig.policy.postures.normal, failover_threshold=50)
    rig.policy = replace(rig.policy, postures=replace(rig.policy.postures, guarded=guarded))

    def lie(snapshot: Snapshot) -> Snapshot:
        found = Seen(value=ObservedPolicy(failover_threshold=50, auto_drain=True), age=1.0, evidence=1)
        return replace(snapshot, services=tuple(replace(s, policy=found) for s in snapshot.services))

    rig.cloud.lie = lie
    restarted(rig)
    assert rig.cloud.applied[-1].service("pool").posture is Posture.GUARDED
    assert rig.loop.kept.memory.service("pool").posture_pin is not None


def test_an_open_intent_of_ours_is_no_edit_by_somebody_else() -> None:
    rig = Rig().started(drain(EUROPE))

    def dies() -> None:
        raise Crash

    rig.cloud.after_write = dies
    with pytest.raises(Crash):
        rig.loop.tick()
    rig.cloud.after_write = lambda: None
    rig.later()
    restarted(rig)
    assert rig.scaler(EUROPE) == 0.0
    assert pin(rig) is None
    assert rig.waits == [LOOKS_APART]


def test_an_open_build_of_ours_is_no_edit_by_somebody_else() -> None:
    """Killed in a build that had taken over an edit: what it was to leave is known."""
    rig = ticked(Rig().started())
    rig.cloud.edit(EUROPE, 0.4)

    def dies() -> None:
        raise Crash

    rig.cloud.after_write = dies
    rig.digest = "two"
    rig.restart()
    with pytest.raises(Crash):
        rig.started()
    rig.cloud.after_write = lambda: None
    rig.cloud.edit("us-east4", 0.3)
    restarted(rig, "two")
    assert (rig.scaler(EUROPE), rig.scaler("us-east4")) == (0.4, 0.3)
    ours, theirs = pin(rig), pin(rig, "us-east4")
    assert ours is not None
    assert ours.wanted_scaler == 1.0
    assert theirs is not None
    assert theirs.wanted_scaler == 1.0


def test_a_region_that_is_new_in_the_configuration_was_detached_by_nobody() -> None:
    """Also if the first build with it fails: it was never there, and must not be left out for good."""
    rig = Rig()
    rig.fleet = replace(rig.fleet, services=(_without(rig, EUROPE),))
    rig.cloud.overlay = _overlay(rig)
    rig.restart()
    ticked(rig.started())
    whole = Rig()
    rig.fleet = whole.fleet
    before = rig.cloud.overlay
    setting = replace(whole.cloud.overlay.service("pool").backend(EUROPE), member=False, scaler=0.0)
    backends = tuple(sorted((*before.service("pool").backends, setting), key=lambda b: b.region))
    rig.cloud.overlay = before.with_service(replace(before.service("pool"), backends=backends))
    rig.cloud.carried_out = False
    rig.cloud.outcomes = [Outcome.FAILED] * 3
    restarted(rig)
    rig.cloud.carried_out = True
    restarted(rig)
    assert rig.scaler(EUROPE) == 1.0
    assert pin(rig) is None


def _without(rig: Rig, region: str) -> Service:
    service = rig.fleet.services[0]
    return replace(service, backends=tuple(b for b in service.backends if b.region != region))


def _overlay(rig: Rig) -> Overlay:
    return rig.parts().starting


def test_a_reload_builds_what_stands_and_not_what_is_remembered() -> None:
    rig = ticked(Rig().started())
    rig.cloud.edit(EUROPE, 0.3)
    applied = rig.loop.swap(rig.parts(digest="two"))
    assert applied is not None
    assert applied.outcome is Outcome.DONE
    assert rig.scaler(EUROPE) == 0.3
    assert pin(rig) is not None


def test_a_reload_that_cannot_read_the_cloud_builds_nothing() -> None:
    rig = ticked(Rig().started())
    rig.cloud.readable = False
    with pytest.raises(TemporaryError, match="nobody knows which regions are drained"):
        rig.loop.swap(rig.parts(digest="two"))
    assert len(rig.cloud.applied) == 1
    assert rig.loop.parts.digest == "one"


def test_a_start_with_another_configuration_that_cannot_read_the_cloud_builds_nothing() -> None:
    rig = ticked(Rig().started())
    rig.cloud.readable = False
    rig.digest = "two"
    rig.restart()
    with pytest.raises(TemporaryError, match="nobody knows which regions are drained"):
        rig.started()
    assert len(rig.cloud.applied) == 1


def test_readings_that_never_agree_build_nothing_and_end() -> None:
    rig = ticked(Rig().started())
    values = count()

    def lie(snapshot: Snapshot) -> Snapshot:
        rig.cloud.edit(EUROPE, 0.2 + 0.01 * next(values))
        return snapshot

    rig.cloud.lie = lie
    rig.cloud.edit(EUROPE, 0.15)
    rig.digest = "two"
    rig.restart()
    with pytest.raises(TemporaryError, match="nobody knows what stands"):
        rig.started()
    assert len(rig.waits) == LOOKS - 1
    assert len(rig.cloud.applied) == 1


def test_one_false_listing_at_a_start_closes_nothing() -> None:
    rig = ticked(Rig().started())
    lies = iter([True])

    def lie(snapshot: Snapshot) -> Snapshot:
        return closed(snapshot) if next(lies, False) else snapshot

    rig.cloud.lie = lie
    restarted(rig)
    assert {rig.scaler(r) for r in REGIONS} == {1.0}


def closed(snapshot: Snapshot) -> Snapshot:
    """The listing says that no backend is attached."""
    services = []
    for view in snapshot.services:
        backends = []
        for b in view.backends:
            assert isinstance(b.observed, Seen)
            gone = replace(b.observed.value, member=False, scaler=0.0)
            backends.append(replace(b, observed=replace(b.observed, value=gone)))
        services.append(replace(view, backends=tuple(backends)))
    return replace(snapshot, services=tuple(services))


@pytest.mark.parametrize("digest", ["one", "two"])
def test_a_lie_at_a_start_that_lasts_closes_nothing(digest: str) -> None:
    rig = ticked(Rig().started())
    rig.cloud.lie = closed
    rig.digest = digest
    rig.restart()
    if digest == "two":
        with pytest.raises(TemporaryError, match="its regions answer requests"):
            rig.started()
    else:
        ticked(rig.started(), 30)
    assert {rig.scaler(r) for r in REGIONS} == {1.0}
    assert len(rig.cloud.applied) == 1
    assert all(b.member for b in rig.loop.kept.overlay.service("pool").backends)  # type: ignore[union-attr]


# --- a memory that leaves too little open


def forged(rig: Rig, scaler: float) -> None:
    """Somebody edits or restores the state file: all regions at one scaler."""
    assert rig.store.content is not None
    kept = json.loads(rig.store.content)
    for backend in kept["overlay"]["services"][0]["backends"]:
        backend["scaler"] = scaler
    rig.store.content = json.dumps(kept).encode()


@pytest.mark.parametrize("digest", ["one", "two"])
def test_an_overlay_with_all_scalers_0_is_not_built_and_what_stands_counts(
    digest: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig().started(drain("us-east4"))
    ticked(rig)
    forged(rig, 0.0)
    with caplog.at_level(logging.WARNING):
        restarted(rig, digest)
    assert [rig.scaler(r) for r in REGIONS] == [1.0, 1.0, 0.0]
    assert "state.json leaves too few regions of pool open" in caplog.text
    ticked(rig, 5)
    assert [rig.scaler(r) for r in REGIONS] == [1.0, 1.0, 0.0]
    assert {pin(rig, r) for r in REGIONS} == {None}
    alarms = [a for a in rig.loop.tick().alarms if "panic" in a.code]
    assert alarms == []


def test_where_nothing_stands_the_configured_start_counts(caplog: pytest.LogCaptureFixture) -> None:
    rig = ticked(Rig().started())
    forged(rig, 0.0)
    rig.cloud.built = False
    with caplog.at_level(logging.WARNING):
        restarted(rig)
    assert {rig.scaler(r) for r in REGIONS} == {1.0}
    assert "state.json leaves too few regions of pool open" in caplog.text


def test_a_cloud_that_is_closed_by_a_person_stays_so_at_a_cold_start() -> None:
    rig = Rig()
    rig.cloud.rate = 0.0
    for region in REGIONS:
        rig.cloud.edit(region, 0.0)
    rig.started()
    assert {rig.scaler(r) for r in REGIONS} == {0.0}


def test_what_an_older_state_file_left_alone_is_a_pin() -> None:
    rig = ticked(Rig().started())
    assert rig.store.content is not None
    kept = json.loads(rig.store.content)
    kept["version"] = 2
    (backend, *_) = kept["memory"]["services"][0]["backends"]
    del backend["pin"]
    backend |= {"edit_grace_until": kept["saved_at"] + 300.0, "before_edit": 0.7}
    rig.store.content = json.dumps(kept).encode()
    rig.restart()
    rig.loop.restore()
    found = pin(rig, backend["region"])
    assert found is not None
    assert (found.scaler, found.wanted_scaler) == (1.0, 0.7)
    assert found.until == kept["saved_at"] + 300.0
    assert rig.loop.kept.version == Kept().version == 3
