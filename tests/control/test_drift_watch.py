"""What the loop makes of looks at all parts: alarms, what is written back, what it explains; and services that are left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.control.fakes import START, Rig, drain

from spillway.control.drift_watch import EXPIRY_SECONDS
from spillway.control.orders import OrderDesk
from spillway.control.requests import Command, Request, Verdict
from spillway.core.values.alarms import Severity
from spillway.core.values.drift import CertificateState, CertificateWait, DriftReport, HeldPart, SettingDrift
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import DriftAnswer, Mode
from spillway.errors import TemporaryError
from spillway.ports import Outcome

TIMEOUT = SettingDrift(
    kind="backend service",
    name="lb-pool",
    field="timeoutSec",
    expected="300",
    found="77",
    since=START,
    answer=DriftAnswer.ALARM,
    service="pool",
)
RULE = replace(
    TIMEOUT, kind="forwarding rule", name="lb-http", field="", expected="there", found="gone", service=None
)


class Looks:
    """Answers looks as a test says, and counts them."""

    def __init__(self, *drifts: SettingDrift, **report: object) -> None:
        self.report = DriftReport(at=START, drifts=drifts, **report)  # type: ignore[arg-type]
        self.count = 0
        self.broken = False

    def __call__(self, overlay: Overlay) -> DriftReport:
        del overlay
        self.count += 1
        if self.broken:
            raise TemporaryError("no answer")
        return self.report


def looking(looks: Looks, *, mode: Mode = Mode.ACT, services: tuple[str, ...] = ("pool",)) -> Rig:
    rig = Rig(mode=mode, services=services)
    rig.loop.parts = replace(rig.loop.parts, look=looks)
    return rig.started()


def codes(rig: Rig) -> list[tuple[str, str]]:
    report = rig.loop.tick()
    return [(alarm.service, alarm.code) for alarm in report.alarms]


def seen(rig: Rig) -> list[str]:
    """What the next tick sees, whether it is up already or not."""
    return [alarm.code for service in rig.loop.tick().assessments for alarm in service.alarms]


@pytest.mark.parametrize("answer", list(DriftAnswer))
def test_drift_is_an_alarm_unless_the_policy_respects_it(answer: DriftAnswer) -> None:
    rig = looking(Looks(replace(TIMEOUT, answer=answer)))
    assert codes(rig) == []
    rig.loop.drift_pass()
    found = codes(rig)
    assert found == ([] if answer is DriftAnswer.RESPECT else [("pool", "setting-drift")])
    report = rig.loop.tick()
    assert report.drift is not None
    assert [drift.field for drift in report.drift.drifts] == ["timeoutSec"]


@pytest.mark.parametrize("answer", list(DriftAnswer))
def test_a_part_that_is_gone_is_an_alarm_at_once(answer: DriftAnswer) -> None:
    rig = looking(Looks(replace(RULE, answer=answer)))
    rig.loop.drift_pass()
    assert codes(rig) == [("", "part-gone")], "all services share it"
    (alarm,) = rig.loop.active_alarms()
    assert (alarm.severity, alarm.part) == (Severity.PAGE, "forwarding rule lb-http")


@pytest.mark.parametrize("drift", [TIMEOUT, RULE], ids=["a setting", "a part"])
def test_it_is_written_back_after_two_looks_that_agree(drift: SettingDrift) -> None:
    looks = Looks(replace(drift, answer=DriftAnswer.REVERT))
    rig = looking(looks)
    builds = len(rig.cloud.applied)
    rig.loop.drift_pass()
    assert len(rig.cloud.applied) == builds, "one look convinces nobody"
    looks.report = DriftReport(at=START, drifts=(replace(drift, answer=DriftAnswer.REVERT, found="78"),))
    rig.loop.drift_pass()
    assert len(rig.cloud.applied) == builds, "it still changes"
    rig.loop.drift_pass()
    assert len(rig.cloud.applied) == builds + 1
    assert "written back" in str([r["sentence"] for r in rig.journal.records if r["kind"] == "drift"])


@pytest.mark.parametrize("answer", [DriftAnswer.ALARM, DriftAnswer.RESPECT])
def test_nothing_else_is_written_back(answer: DriftAnswer) -> None:
    rig = looking(Looks(replace(TIMEOUT, answer=answer), replace(RULE, answer=answer)))
    builds = len(rig.cloud.applied)
    for _ in range(4):
        rig.loop.drift_pass()
    assert len(rig.cloud.applied) == builds


def test_a_mode_that_writes_nothing_writes_nothing_back() -> None:
    rig = looking(Looks(replace(TIMEOUT, answer=DriftAnswer.REVERT)), mode=Mode.RECOMMEND)
    builds = len(rig.cloud.applied)
    for _ in range(3):
        rig.loop.drift_pass()
    assert len(rig.cloud.applied) == builds


@pytest.mark.parametrize(
    ("status", "days", "code"),
    [
        ("ACTIVE", 90.0, None),
        ("PROVISIONING", None, None),
        ("ACTIVE", None, None),
        ("ACTIVE", 13.9, "certificate-expires"),
        ("ACTIVE", -0.1, "certificate-expired"),
        ("RENEWAL_FAILED", -0.1, "certificate-expired"),
        ("FAILED_NOT_VISIBLE", None, "certificate-failed"),
        ("RENEWAL_FAILED", 90.0, "certificate-failed"),
    ],
)
def test_certificates(status: str, days: float | None, code: str | None) -> None:
    assert EXPIRY_SECONDS == 14 * 86400
    ends = None if days is None else START + days * 86400
    rig = looking(Looks(certificates=(CertificateState(name="own", status=status, expires=ends),)))
    rig.loop.drift_pass()
    assert [found for _, found in codes(rig)] == ([] if code is None else [code])


@pytest.mark.parametrize(("mode", "builds"), [(Mode.ACT, 1), (Mode.OBSERVE, 0)])
def test_a_step_of_certificates_is_taken_after_two_looks_that_agree(mode: Mode, builds: int) -> None:
    looks = Looks(certificate_step="")
    rig = looking(looks, mode=mode)
    rig.loop.drift_pass()
    before = len(rig.cloud.applied)
    looks.report = replace(looks.report, certificate_step="the old one goes")
    rig.loop.drift_pass()
    assert len(rig.cloud.applied) == before
    rig.loop.drift_pass()
    assert len(rig.cloud.applied) == before + builds


def test_a_step_that_is_refused_is_left_to_a_person_and_what_was_built_counts_as_built() -> None:
    """As for a daemon under the role `run`: its next start must not build."""
    looks = Looks(certificate_step="the old one goes")
    rig = looking(looks)
    rig.loop.drift_pass()
    built, before = rig.loop.kept.provisioned, len(rig.cloud.applied)
    assert built
    rig.cloud.outcomes.append(Outcome.REFUSED)
    for _ in range(3):
        rig.loop.drift_pass()
    assert len(rig.cloud.applied) == before + 1
    assert rig.loop.kept.provisioned == built


def test_no_step_is_taken_on_a_look_that_failed() -> None:
    looks = Looks(certificate_step="the old one goes")
    rig = looking(looks)
    rig.loop.drift_pass()
    before = len(rig.cloud.applied)
    looks.broken = True
    rig.loop.drift_pass()
    assert len(rig.cloud.applied) == before


@pytest.mark.parametrize(("waited", "alarm"), [(3599.0, False), (3601.0, True)])
def test_a_certificate_that_is_not_issued_in_time_is_an_alarm(waited: float, alarm: bool) -> None:
    wait = CertificateWait(name="own", since=START - waited, limit=3600.0, missing="an A record")
    rig = looking(Looks(waits=(wait,)))
    rig.loop.drift_pass()
    found = [one for one in rig.loop.tick().alarms if one.code == "certificate-waits"]
    assert [one.sentence for one in found] == (
        ["own is not active after 1 hours: an A record"] if alarm else []
    )


def test_a_look_that_fails_keeps_what_was_known() -> None:
    looks = Looks(RULE)
    rig = looking(looks)
    rig.loop.drift_pass()
    looks.broken = True
    report = rig.loop.drift_pass()
    assert report is not None
    assert report.drifts == (RULE,)
    assert "no answer" in report.problems[0]


def test_a_reload_looks_at_once_so_that_no_alarm_is_over_for_a_while() -> None:
    looks = Looks(TIMEOUT)
    rig = looking(looks)
    rig.loop.drift_pass()
    assert ("pool", "setting-drift") in codes(rig)
    rig.loop.swap(replace(rig.loop.parts, digest="two"))
    assert looks.count == 2
    assert ("pool", "setting-drift") in codes(rig)


def test_a_restart_ends_no_alarm_before_the_first_look() -> None:
    looks = Looks(TIMEOUT)
    rig = looking(looks)
    rig.loop.drift_pass()
    assert ("pool", "setting-drift") in codes(rig)
    rig.restart()
    rig.loop.parts = replace(rig.loop.parts, look=looks)
    rig.loop.restore()
    looks.broken = True
    for _ in range(3):
        rig.later()
        report = rig.loop.tick()
        assert not report.news.ended
        rig.loop.drift_pass()  # it cannot be read
    assert ("pool", "setting-drift") in codes(rig)
    looks.broken, looks.report = False, DriftReport(at=rig.clock.at)
    rig.loop.drift_pass()
    assert [a.code for a in rig.loop.tick().news.ended] == ["setting-drift"]


def test_silence_where_requests_were_expected_reads_all_parts_at_once_and_moves_nothing() -> None:
    looks = Looks(RULE)
    rig = looking(looks)
    for _ in range(3):
        assert ("pool", "silent-service") not in codes(rig)
        rig.later()
    assert looks.count == 0
    # 60 requests/s, 3600 a sample: the newest sample is there, the next one does not come.
    rig.cloud.silent_since = rig.clock.at - 220.0
    rig.later()
    assert [service.silent for service in rig.loop.tick().assessments] == [False], "one has just come"
    rig.later()
    report = rig.loop.tick()
    assert [service.silent for service in report.assessments] == [True]
    assert "silent-service" in [alarm.code for service in report.assessments for alarm in service.alarms]
    assert "silent-service" not in [alarm.code for alarm in report.alarms], "one sample wakes nobody"
    assert "forwarding rule lb-http is gone" in report.snapshot.problems
    assert looks.count == 1
    assert not report.moves
    assert not report.advice
    rig.later()
    assert "silent-service" not in [code for _, code in codes(rig)], "it may be late by a minute"
    rig.later()
    (silent,) = [alarm for alarm in rig.loop.tick().alarms if alarm.code == "silent-service"]
    assert silent.since == report.at, "since the first pass that saw it"
    assert looks.count == 1, "at the first such sample; the timer does the rest"
    rig.cloud.silent_since = rig.clock.at + 3600.0
    rig.later()
    assert "silent-service" in [code for _, code in codes(rig)], "one sample ends nothing"
    rig.later()
    assert "silent-service" not in [code for _, code in codes(rig)]


def test_a_region_that_was_closed_since_has_answered_the_newest_sample() -> None:
    rig = looking(Looks())
    for _ in range(3):
        rig.loop.tick()
        rig.later()
    closed, *others = sorted({b.region for b in rig.cloud.overlay.services[0].backends})
    order = Request(command=Command.PIN, region=closed, scaler=0.0, force=True, reason="rack work", by="ana")
    assert OrderDesk(rig.loop).handle(order).verdict is Verdict.DONE
    rig.loop.tick()
    rig.cloud.mute = frozenset(others)
    rig.later(30.0)
    told = seen(rig)
    assert "silent-service" not in told
    assert "blind" not in told
    rig.cloud.mute = frozenset((closed, *others))
    rig.later(30.0)
    assert "silent-service" in seen(rig)


def test_few_requests_are_no_silence() -> None:
    rig = looking(Looks())
    rig.cloud.rate = 0.2  # 36 expected a sample, of three regions
    for _ in range(4):
        rig.loop.tick()
        rig.later()
    rig.cloud.silent_since = rig.clock.at - 220.0
    rig.later()
    rig.later()
    assert "silent-service" not in [code for _, code in codes(rig)]


def test_what_could_not_be_read_is_no_silence() -> None:
    rig = looking(Looks())
    for _ in range(3):
        rig.loop.tick()
        rig.later()
    rig.cloud.readable = False
    rig.later(300.0)
    assert "silent-service" not in [code for _, code in codes(rig)]


def test_a_service_that_is_left_out_stands_as_before_and_the_others_go_on() -> None:
    held = HeldPart(kind="backend service", name="lb-pool", service="pool", field="metadatas")
    rig = Rig(services=("pool", "raw"))
    rig.cloud.refused = (("pool", held.sentence),)
    rig.started(drain("europe-west4"))
    report = rig.loop.tick()
    assert {move.service for move in report.moves} == {"pool", "raw"}
    assert "Left out: backend service lb-pool is not written: somebody has set metadatas" in report.sentence
    overlay = rig.loop.kept.overlay
    assert overlay == rig.cloud.overlay
    assert overlay is not None
    assert overlay.service("pool").backend("europe-west4").scaler == 1.0
    assert overlay.service("raw").backend("europe-west4").scaler == 0.0
    # It is no edit by somebody else, nor a write of unknown outcome; and nothing waits for it.
    again = rig.loop.tick()
    assert not [alarm for alarm in again.alarms if alarm.code == "outside-edit-alarm"]
    assert [move.service for move in again.moves] == ["pool"]
    rig.cloud.outcomes = [Outcome.REFUSED]
    rig.cloud.carried_out = False
    rig.later()
    rig.loop.tick()
    rig.later(1.0)
    rig.cloud.refused = ()
    last = rig.loop.tick()
    assert last.applied is not None
    assert last.applied.outcome is Outcome.DONE
