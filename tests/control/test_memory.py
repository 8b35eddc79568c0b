"""The small parts of the loop: overlays that are kept or read back, patience, progress, records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.control.fakes import REGIONS, FakeClock, FakeCloud, Rig, drain, fleet
from tests.exporter import example_report as example

from spillway.adapters.status_document import plain
from spillway.control.answered import Answered
from spillway.control.inputs import MINUTE, MinutesSeen, snapshot_record
from spillway.control.memory import fit, read_back
from spillway.control.records import Given, assessments_record, pass_record
from spillway.control.report import with_health
from spillway.control.timing import FIRST_WAIT, LONGEST_WAIT, Backoff, Progress
from spillway.control.told import AdviceWatch, log_lines, shape
from spillway.core.estimate.answers import Answers
from spillway.core.explain.assessment import line
from spillway.core.explain.reasons import alarm
from spillway.core.values.decision import BackendState, Candidate, Plan
from spillway.core.values.histogram import Distribution
from spillway.core.values.overlay import Posture, initial_overlay
from spillway.core.values.policy import CalendarWindow, Mode, Policy
from spillway.core.values.snapshot import Absence, Minute, Missing, Seen
from spillway.core.values.topology import Preference

STARTING = initial_overlay(fleet())


def test_what_is_kept_of_an_overlay_follows_the_fleet() -> None:
    pool = replace(STARTING.service("pool"), posture=Posture.SCARCE)
    pool = pool.with_backend(replace(pool.backend("us-east4"), scaler=0.3))
    kept = STARTING.with_service(pool)
    larger = initial_overlay(fleet(("api", "pool"), (*REGIONS, "us-west1")))
    found = fit(larger, kept)
    assert [s.service for s in found.services] == ["api", "pool"]
    assert found.service("api") == larger.service("api")
    assert found.service("pool").posture is Posture.SCARCE
    assert found.service("pool").backend("us-east4").scaler == 0.3
    assert found.service("pool").backend("us-west1").scaler == 1.0
    assert fit(STARTING, None) == STARTING
    assert {
        b.region for b in fit(initial_overlay(fleet(regions=REGIONS[:2])), kept).service("pool").backends
    } == set(REGIONS[:2])


def test_what_fits_is_taken_over_as_it_is_and_a_new_preference_is_not_lost() -> None:
    pool = STARTING.service("pool")
    kept = STARTING.with_service(pool.with_backend(replace(pool.backend("us-east4"), scaler=0.3)))
    assert fit(STARTING, kept).service("pool") is kept.service("pool")
    preferring = STARTING.with_service(
        pool.with_backend(replace(pool.backend("us-east4"), preference=Preference.PREFERRED))
    )
    found = fit(preferring, kept).service("pool").backend("us-east4")
    assert (found.scaler, found.preference) == (0.3, Preference.PREFERRED)


def test_an_overlay_is_read_back_or_nobody_knows() -> None:
    cloud = FakeCloud(FakeClock(), STARTING)
    pool = STARTING.service("pool")
    cloud.overlay = STARTING.with_service(pool.with_backend(replace(pool.backend("us-east4"), scaler=0.4)))
    found = read_back(STARTING, cloud.observe_health(), {})
    assert found is not None
    assert found.service("pool").backend("us-east4").scaler == 0.4
    cloud.overlay = STARTING.with_service(
        pool.with_backend(replace(pool.backend("us-east4"), member=False, scaler=0.0))
    )
    found = read_back(STARTING, cloud.observe_health(), {})
    assert found == STARTING, "what is not attached is as the configuration says"
    cloud.readable = False
    assert read_back(STARTING, cloud.observe_health(), {}) is None


def test_a_region_that_is_out_for_planned_work_stays_out_without_a_memory() -> None:
    """Its groups are not attached, as with a region that is new in the configuration; only the policy tells them apart."""
    clock = FakeClock()
    out = replace(STARTING.service("pool").backend("us-east4"), member=False, scaler=0.0)
    cloud = FakeCloud(clock, STARTING.with_service(STARTING.service("pool").with_backend(out)))
    span = CalendarWindow(start=clock.at - 60.0, end=clock.at + 60.0, reason="new kernel", region="us-east4")
    policy = Policy(planned=(span,))
    found = read_back(STARTING, cloud.observe_health(), {"pool": policy})
    assert found is not None
    assert found.service("pool").backend("us-east4") == out
    clock.at += 60.0
    assert read_back(STARTING, cloud.observe_health(), {"pool": policy}) == STARTING


def test_what_is_not_built_yet_is_as_the_configuration_says() -> None:
    cloud = FakeCloud(FakeClock(), STARTING)
    not_built = Missing(absence=Absence.NOT_BUILT)
    seen = cloud.observe_health()
    services = tuple(
        replace(view, backends=tuple(replace(b, observed=not_built) for b in view.backends))
        for view in seen.services
    )
    assert read_back(STARTING, replace(seen, services=services), {}) == STARTING


def test_patience_doubles_up_to_a_bound_and_urgent_moves_wait_least() -> None:
    backoff = Backoff()
    assert backoff.waiting(0.0) == 0.0
    waits = []
    for _ in range(7):
        backoff.failed(1000.0)
        waits.append(backoff.waiting(1000.0))
    assert waits == [60.0, 120.0, 240.0, 480.0, 960.0, 960.0, 960.0]
    assert waits[0] == FIRST_WAIT
    assert waits[-1] == LONGEST_WAIT
    assert backoff.waiting(1000.0, urgent=True) == FIRST_WAIT
    backoff.done()
    assert backoff.waiting(1000.0) == 0.0


def test_patience_bears_any_number_of_failures() -> None:
    """Urgent moves are tried each minute: after a day without permission the wait was a number that no float holds."""
    backoff = Backoff()
    for number in range(2000):
        backoff.failed(60.0 * number)
    assert backoff.failures == 2000
    assert backoff.waiting(60.0 * 1999) == LONGEST_WAIT
    assert backoff.waiting(60.0 * 1999, urgent=True) == FIRST_WAIT


def test_progress_is_finished_ticks_and_writes_within_their_deadline() -> None:
    now = [100.0]
    progress = Progress(lambda: now[0], tick=60.0, write_limit=900.0)
    assert progress.health()[0]
    now[0] += 900.0
    assert progress.health()[0], "the first build may take as long as a write"
    before = progress.ready
    progress.ticked()
    assert (before, progress.ready) == (False, True)
    now[0] += 179.0
    assert progress.health()[0]
    now[0] += 2.0
    healthy, sentence = progress.health()
    assert not healthy
    assert "181 s ago" in sentence
    progress.writing(under_way=True)
    now[0] += 1000.0
    assert progress.health()[0]
    now[0] += 100.0
    assert not progress.health()[0]
    progress.retime(tick=120.0, write_limit=900.0)
    assert progress.health()[0]


def test_a_health_pass_changes_only_what_it_has_seen() -> None:
    before = (example.service(),)
    blind = example.backend(
        "us-east4", BackendState.DRAINING, served=None, latency=None, scaler_wanted=0.0, healthy_share=0.0
    )
    fresh = (example.service(backends=(*example.backends()[:2], blind), demand=None),)
    (merged,) = with_health(before, fresh)
    assert merged.demand == 184.0
    drained = merged.backends[2]
    assert (drained.state, drained.scaler_wanted, drained.healthy_share) == (BackendState.DRAINING, 0.0, 0.0)
    assert (drained.served, drained.latency) == (96.0, 1.93)
    assert with_health((), fresh) == fresh


def test_alarms_that_only_traffic_raises_outlive_a_health_pass() -> None:
    shortage = alarm("shortage", service="pool", demand=300.0, capacity=255.0)
    dead = alarm("region-dead", service="pool", region="us-east4", healthy=0, total=16)
    quiet, down = example.service(alarms=()), example.service(alarms=(dead,))
    (raised,) = with_health((example.service(alarms=(shortage,)),), (down,))
    assert raised.alarms == (dead, shortage)
    (over,) = with_health((raised,), (quiet,))
    assert over.alarms == (shortage,), "a health pass sees for itself that the region is back"


def test_a_sentence_stays_the_same_in_other_numbers() -> None:
    assert shape("us-east4 has 0 of 16 healthy") == shape("us-east4 has 1 of 16 healthy")
    assert shape("us-east4 has 1 of 16 healthy") != shape("us-east1 has 1 of 16 healthy")
    for later in ("10 min", "59 min", "1 h", "2 h 27 min", "3 d", "3 d 4 h"):
        assert shape(f"metrics are {later} late") == shape("metrics are 599 s late"), later


def test_the_log_has_a_line_for_each_of_several_moves() -> None:
    """Five moves used to be one line of 1,200 characters."""
    moves = tuple(replace(example.SHED, region=region) for region in ("us-east1", "us-east4"))
    lines = [line(move) for move in moves]
    told = "; ".join(lines)
    several = example.report(moves=moves, sentence=f"{told} The write ended failed: refused.")
    assert log_lines(several) == (
        "2 moves. The write ended failed: refused.",
        f"Move: {lines[0]}",
        f"Move: {lines[1]}",
    )
    advised = example.report(moves=(), advice=moves, sentence=f"nothing done; advice: {told}")
    assert log_lines(advised)[0] == "nothing done; advice: 2 moves"
    assert log_lines(advised)[1:] == (f"Wanted: {lines[0]}", f"Wanted: {lines[1]}")
    one = example.report(moves=moves[:1], sentence=lines[0])
    assert log_lines(one) == (lines[0],)
    quiet = example.report(moves=(), sentence="nothing done, because all is well")
    assert log_lines(quiet) == ("nothing done, because all is well",)


def test_advice_is_given_once_by_those_who_recommend() -> None:
    given = {}
    for mode in (Mode.OBSERVE, Mode.RECOMMEND):
        rig, watch = Rig(mode=mode).started(drain("europe-west4")), AdviceWatch()
        given[mode] = [watch.new(rig.loop.tick()) for _ in range(2)]
    assert given[Mode.OBSERVE] == [(), ()]
    (text,), again = given[Mode.RECOMMEND]
    assert text.startswith("pool/europe-west4 scaler 1.00 -> 0.00: ")
    assert again == ()


def test_a_minute_is_written_to_the_journal_once() -> None:
    bounds = (0.1, 1.0)
    latency = Distribution(bounds=bounds, counts=(0.0, 50.0, 0.0), mean=0.5)
    first = Minute(end=60.0, ok=50.0, client_error=0.0, too_many=0.0, server_error=0.0, latency=latency)
    second = replace(first, end=120.0)
    seen = MinutesSeen()
    seen.begin()
    assert [m[0] for m in seen.fresh("pool", "us-east4", (first,))[0]] == [60.0]
    seen.begin()
    (record,), held = seen.fresh("pool", "us-east4", (first, second))
    assert held == 2
    assert dict(zip(MINUTE, record, strict=True)) == {
        "end": 120.0,
        "ok": 50.0,
        "client_error": 0.0,
        "too_many": 0.0,
        "server_error": 0.0,
        "mean": 0.5,
        "bounds": 0,
        "buckets": [1],
        "counts": [50.0],
    }
    assert seen.bounds() == [bounds]
    assert seen.fresh("pool", "us-east4", (first, second)) == ([], 2)


def test_a_minute_that_shows_late_or_was_corrected_is_written() -> None:
    def minute(end: float, ok: float = 50.0) -> Minute:
        return Minute(end=end, ok=ok, client_error=0.0, too_many=0.0, server_error=0.0, latency=None)

    seen = MinutesSeen()
    seen.begin()
    found, _ = seen.fresh("pool", "us-east4", (minute(60.0), minute(180.0)))
    assert [m[0] for m in found] == [60.0, 180.0]
    late = (minute(60.0, 51.0), minute(120.0), minute(180.0), minute(240.0))
    found, held = seen.fresh("pool", "us-east4", late)
    assert [m[:2] for m in found] == [(60.0, 51.0), (120.0, 50.0), (240.0, 50.0)]
    assert held == 4
    assert seen.fresh("pool", "us-east4", late[1:]) == ([], 3)
    found, held = seen.fresh("pool", "us-east4", (late[1], late[3]))
    assert [m[0] for m in found] == [120.0, 240.0], "one has left the middle: the window is exactly these"
    assert held == -2


def test_a_record_holds_every_signal_with_its_age_or_its_reason() -> None:
    record = snapshot_record(MinutesSeen(), example.snapshot())
    signals = plain(record["signals"])
    backends = record["services"]["pool"]["backends"]
    observed, health, traffic = backends["asia-northeast1"]
    assert signals[health] == {"absence": "not-member", "detail": ""}
    assert signals[observed]["age"] == 1.0
    assert signals[traffic]["absence"] == "no-series"


def test_traffic_has_its_age_its_evidence_and_its_minutes() -> None:
    minute = Minute(end=60.0, ok=50.0, client_error=0.0, too_many=1.0, server_error=2.0, latency=None)
    snapshot = example.snapshot()
    (view,) = snapshot.services
    seen: Seen[tuple[Minute, ...]] = Seen(value=(minute,), age=240.0, evidence=53)
    backends = tuple(replace(b, traffic=seen) for b in view.backends)
    record = snapshot_record(MinutesSeen(), replace(snapshot, services=(replace(view, backends=backends),)))
    for _, _, traffic in record["services"]["pool"]["backends"].values():
        assert traffic == (240.0, 53, [(60.0, 50.0, 0.0, 1.0, 2.0)], 1)


def test_a_record_tells_what_was_weighed_and_what_no_ceilings_can_avoid() -> None:
    weighed = Candidate(
        service="pool",
        bad_now=0.2,
        bad_best=0.05,
        name="close the bad regions",
        second="none",
        second_bad=0.2,
        least=0.04,
    )
    plan = Plan(overlay=STARTING, moves=())
    record = plain(
        pass_record(MinutesSeen(), example.report(candidates=(weighed,)), Given(overlay=STARTING), plan)
    )
    (found,) = record["candidates"]
    assert (found["name"], found["bad_best"], found["least"]) == ("close the bad regions", 0.05, 0.04)


def test_a_record_has_the_limit_of_a_refusal_as_its_guard() -> None:
    report = example.report(refusals=(example.REFUSED,))
    record = plain(
        pass_record(MinutesSeen(), report, Given(overlay=STARTING), Plan(overlay=STARTING, moves=()))
    )
    (found,) = record["refusals"]
    assert [*found] == ["guard", "move", "sentence", "ordered"]
    assert (found["guard"], found["move"]["region"]) == ("receiver-limit", "europe-west4")


def test_a_record_names_the_columns_of_its_assessments() -> None:
    record = plain(assessments_record((example.service(),)))
    (service,) = record["services"]
    assert service["service"] == "pool"
    backends = [dict(zip(record["columns"], row, strict=True)) for row in service["backends"]]
    assert backends == plain(list(example.service().backends))


def test_a_record_says_which_share_of_the_answers_was_bad() -> None:
    answers = Answers(total=400.0, failed=1.0, late=9.0)
    answered = (Answered(service="pool", total=answers, recent=answers),)
    record = assessments_record((example.service(), example.service("other")), answered)
    assert [service["bad_share"] for service in record["services"]] == [0.025, None]


def test_what_has_no_json_is_named() -> None:
    assert plain({"a": (1, float("inf"), Posture.NORMAL)}) == {"a": [1, None, "normal"]}
    with pytest.raises(TypeError, match="object has no JSON"):
        plain(object())
