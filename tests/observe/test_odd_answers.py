"""Answers of the wrong shape: each is missing data with a reason, and the pass goes on.

The answers that are spoiled are those of the sandbox: its Compute, Network Services and Monitoring, in virtual time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api import metric_pb2
from google.cloud.monitoring_v3.types import ListTimeSeriesResponse
from tests.lies.cloud import Sent
from tests.observe.virtual import Rest, cloud, compute_reader, monitoring_reader, observer

from spillway.adapters import decode, monitoring
from spillway.adapters import observer as observer_module
from spillway.core.observe.rows import Lag
from spillway.core.observe.snapshot import observe
from spillway.core.values.snapshot import Absence, Missing, Seen, Snapshot
from spillway.errors import PermanentError, TemporaryError


def spoiling(part: str, spoil: Callable[[Any], Any]) -> Rest:
    """The cloud's answers, those of paths that end in `part` spoiled."""

    def rest(method: str, url: str, params: dict[str, str], body: Any) -> Sent:
        sent = cloud().rest(method, url, params, body)
        if not url.endswith(part):
            return sent
        spoiled = spoil(json.loads(sent.body))
        return Sent(200, spoiled if isinstance(spoiled, bytes) else json.dumps(spoiled).encode())

    return rest


def changed(path: list[str | int], value: Any) -> Callable[[Any], Any]:
    """A JSON value with one of its parts replaced, or left out where `value` is `...`."""

    def spoil(whole: Any) -> Any:
        where = whole
        for step in path[:-1]:
            where = where[step]
        if value is ...:
            del where[path[-1]]
        else:
            where[path[-1]] = value
        return whole

    return spoil


LISTING: list[tuple[Callable[[Any], Any], str]] = [
    (changed(["items"], None), "items is null, not a list"),
    (changed(["items"], "pool"), "items is a text"),
    (changed(["items"], ["pool"]), "items holds a text where an object belongs"),
    (changed(["items", 0, "name"], ...), "name is left out"),
    (changed(["items", 0, "name"], ""), "name is empty"),
    (changed(["items", 0, "name"], None), "name is null"),
    (changed(["items", 0, "backends"], None), "backends is null"),
    (changed(["items", 0, "backends"], {}), "backends is an object"),
    (changed(["items", 0, "backends", 0, "group"], ...), "group is left out"),
    (changed(["items", 0, "backends", 0, "group"], 7), "group is a number"),
    (changed(["items", 0, "backends", 0, "preference"], []), "preference is a list"),
    (changed(["items", 0, "serviceLbPolicy"], None), "serviceLbPolicy is null"),
    (changed(["nextPageToken"], 5), "nextPageToken is a number"),
    (changed(["nextPageToken"], "t" * 10_000), "nextPageToken is longer than"),
    (lambda whole: {**whole, "items": whole["items"] * 2}, "holds 'pool' twice"),
    (lambda whole: b'{"items":' * 5000 + b"0" + b"}" * 5000, "nested deeper"),
    (lambda whole: json.dumps(whole).encode()[:-40], "no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), LISTING, ids=[said for _, said in LISTING])
def test_a_listing_of_another_shape_is_missing_with_a_reason(spoil: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(TemporaryError, match="list of backend services") as caught:
        compute_reader(spoiling("/backendServices", spoil)).listing(0.0)
    assert said in str(caught.value)


POLICIES: list[tuple[Callable[[Any], Any], str]] = [
    (changed(["serviceLbPolicies"], None), "serviceLbPolicies is null"),
    (changed(["serviceLbPolicies", 0, "name"], ...), "name is left out"),
    (changed(["serviceLbPolicies", 0, "failoverConfig"], None), "failoverConfig is null"),
    (changed(["serviceLbPolicies", 0, "failoverConfig", "failoverHealthThreshold"], "x"), "is a text"),
    (changed(["serviceLbPolicies", 0, "failoverConfig", "failoverHealthThreshold"], 1000), "not from 0 to 100"),
    (changed(["serviceLbPolicies", 0, "autoCapacityDrain"], [1]), "autoCapacityDrain is a list"),
    (changed(["serviceLbPolicies", 0, "autoCapacityDrain", "enable"], "false"), "enable is a text"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), POLICIES, ids=[said for _, said in POLICIES])
def test_policies_of_another_shape_are_missing_with_a_reason(spoil: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(TemporaryError, match="list of service LB policies") as caught:
        compute_reader(spoiling("/serviceLbPolicies", spoil)).policies(0.0)
    assert said in str(caught.value)


HEALTH: list[tuple[Callable[[Any], Any], str]] = [
    (changed(["healthStatus"], None), "healthStatus is null"),
    (changed(["healthStatus"], {}), "healthStatus is an object"),
    (changed(["healthStatus", 0], "HEALTHY"), "healthStatus holds a text"),
    (changed(["healthStatus", 0, "healthState"], ...), "healthState is left out"),
    (changed(["healthStatus", 0, "healthState"], 1), "healthState is a number"),
    (changed(["healthStatus", 0, "ipAddress"], ["10.0.0.1"]), "ipAddress is a list"),
    (changed(["healthStatus", 0, "port"], {}), "port is an object"),
    (changed(["healthStatus", 0, "port"], 10**30), "port is not from 0 to 65535"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), HEALTH, ids=[said for _, said in HEALTH])
def test_health_of_another_shape_is_missing_with_a_reason(spoil: Callable[[Any], Any], said: str) -> None:
    snapshot = observer(spoiling("/getHealth", spoil)).observe_health()
    for backend in snapshot.services[0].backends:
        assert isinstance(backend.health, Missing)
        assert said in backend.health.detail
        assert isinstance(backend.observed, Seen)


def answer_of(request: Any, spoil: Callable[[Any], Any]) -> bytes:
    """The cloud's answer to a question, its message spoiled."""
    message = ListTimeSeriesResponse.pb()()
    message.ParseFromString(cloud().series(request))
    spoil(message)
    return bytes(message.SerializeToString())


def _points(message: Any) -> Iterator[Any]:
    for series in message.time_series:
        yield from series.points


def every(change: Callable[[Any], None]) -> Callable[[Any], None]:
    """Spoil each point."""

    def spoil(message: Any) -> None:
        for point in _points(message):
            change(point)

    return spoil


def first(change: Callable[[Any], None]) -> Callable[[Any], None]:
    """Spoil the newest point of each series."""

    def spoil(message: Any) -> None:
        for series in message.time_series:
            change(series.points[0])

    return spoil


def shifted(seconds: int) -> Callable[[Any], None]:
    def change(point: Any) -> None:
        point.interval.start_time.seconds += seconds
        point.interval.end_time.seconds += seconds

    return change


def _set(field: str, value: Any) -> Callable[[Any], None]:
    return lambda point: setattr(point.value, field, value)


def _starts_late(point: Any) -> None:
    point.interval.start_time.seconds = point.interval.end_time.seconds + 60


def _twice(message: Any) -> None:
    message.time_series.extend(list(message.time_series))


def _point_twice(message: Any) -> None:
    for series in message.time_series:
        series.points.add().CopyFrom(series.points[0])


def _labelled(label: str, value: str) -> Callable[[Any], None]:
    def spoil(message: Any) -> None:
        for series in message.time_series:
            series.metric.labels[label] = value

    return spoil


def _other_metric(message: Any) -> None:
    for series in message.time_series:
        series.metric.type = "compute.googleapis.com/instance/cpu/utilization"


def _long(message: Any) -> None:
    series = message.time_series[0]
    series.points.extend([series.points[0]] * decode.POINTS_MAX)


COUNTS: list[tuple[Callable[[Any], Any], str]] = [
    (first(_set("string_value", "7")), "a value is no number"),
    (lambda m: m.time_series[0].points[1].value.Clear(), "not of the type of the others"),
    (first(_set("bool_value", True)), "a value is no number"),
    (lambda m: _set("bool_value", True)(m.time_series[0].points[1]), "not of the type of the others"),
    (every(_starts_late), "a point ends before it starts"),
    (every(shifted(86_400)), "outside the time that was asked for"),
    (every(shifted(-86_400)), "outside the time that was asked for"),
    (first(shifted(2**40)), "outside the time that was asked for"),
    (_point_twice, "a minute of a series stands twice"),
    (_twice, "a minute of a series stands twice"),
    (_labelled("response_code", "many"), "'many' is no response code"),
    (_labelled("response_code", "\u00b2\u00b2\u00b2"), "is no response code"),
    (_labelled("response_code", "9" * 5000), "is no response code"),
    (_other_metric, "another metric"),
    (_long, "more than 1,000 points, the most"),
]


@pytest.mark.parametrize(("spoil", "said"), COUNTS, ids=[said for _, said in COUNTS])
def test_counts_of_another_shape_are_missing_with_a_reason(spoil: Callable[[Any], Any], said: str) -> None:
    reader = monitoring_reader(lambda request: answer_of(request, spoil))
    with pytest.raises(TemporaryError, match="answer to counts has an unexpected shape") as caught:
        reader.counts(cloud().now())
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e300])
def test_counts_that_cannot_be_true_are_garbage(value: float) -> None:
    def spoil(message: Any) -> None:
        if "backend_request_count" in message.time_series[0].metric.type:
            every(_set("double_value", value))(message)

    snapshot = observer(series=lambda request: answer_of(request, spoil)).observe()
    for backend in snapshot.services[0].backends:
        assert isinstance(backend.traffic, Missing)
        assert backend.traffic.absence is Absence.GARBAGE


def _layout(**options: Any) -> Callable[[Any], None]:
    def change(point: Any) -> None:
        spread = point.value.distribution_value
        spread.bucket_options.Clear()
        for name, fields in options.items():
            layout = getattr(spread.bucket_options, name)
            layout.SetInParent()
            for field, value in fields.items():
                if isinstance(value, list):
                    getattr(layout, field).extend(value)
                else:
                    setattr(layout, field, value)

    return every(change)


def _distribution(**fields: Any) -> Callable[[Any], None]:
    def change(point: Any) -> None:
        spread = point.value.distribution_value
        for field, value in fields.items():
            if isinstance(value, list):
                del getattr(spread, field)[:]
                getattr(spread, field).extend(value)
            else:
                setattr(spread, field, value)

    return every(change)


MANY = "latencies: distributions of more than 200 buckets, or of none, were left out"
HUGE = {"num_finite_buckets": 2_000_000_000, "growth_factor": 1.1, "scale": 1.0}

LATENCIES: list[tuple[Callable[[Any], Any], bool]] = [
    (_layout(exponential_buckets=HUGE), True),
    (_layout(linear_buckets={"num_finite_buckets": 2**31 - 1, "width": 1.0, "offset": 0.0}), True),
    (_layout(explicit_buckets={"bounds": [float(i) for i in range(300)]}), True),
    (_layout(explicit_buckets={"bounds": []}), True),
    (_layout(), True),
    (_layout(exponential_buckets={**HUGE, "num_finite_buckets": -5}), True),
    (_layout(exponential_buckets={**HUGE, "num_finite_buckets": 190, "growth_factor": 1e300}), True),
    (_distribution(bucket_counts=[1] * 100_000), True),
    (_layout(exponential_buckets={**HUGE, "num_finite_buckets": 60, "growth_factor": 0.5}), False),
    (_layout(exponential_buckets={**HUGE, "num_finite_buckets": 60, "growth_factor": -2.0}), False),
    (_layout(exponential_buckets={**HUGE, "num_finite_buckets": 60, "scale": float("nan")}), False),
    (_layout(exponential_buckets={**HUGE, "num_finite_buckets": 60, "scale": -1.0}), False),
    (_layout(linear_buckets={"num_finite_buckets": 100, "width": 0.0, "offset": 0.0}), False),
    (_layout(linear_buckets={"num_finite_buckets": 100, "width": float("inf"), "offset": 0.0}), False),
    (_layout(linear_buckets={"num_finite_buckets": 100, "width": 1.0, "offset": -50.0}), False),
    (_layout(explicit_buckets={"bounds": [3.0, 2.0, 1.0]}), False),
    (_layout(explicit_buckets={"bounds": [1.0, 2.0, float("nan")]}), False),
    (_layout(explicit_buckets={"bounds": [1.0, 2.0, float("inf")]}), False),
    (_distribution(bucket_counts=[-1, 2**62, 5]), False),
    (_distribution(bucket_counts=[2**63 - 1] * 60), False),
    (_distribution(count=2**63 - 1), False),
    (_distribution(count=-1), False),
    (_distribution(mean=float("nan")), False),
    (_distribution(mean=float("inf")), False),
    (_distribution(mean=-5.0), False),
    (_distribution(mean=1e308), False),
]


@pytest.mark.parametrize(("spoil", "noted"), LATENCIES)
def test_a_distribution_that_cannot_be_true_is_garbage_and_a_bound_is_named(
    spoil: Callable[[Any], Any], noted: bool
) -> None:
    def only_latencies(message: Any) -> None:
        if "backend_latencies" in message.time_series[0].metric.type:
            spoil(message)

    snapshot = observer(series=lambda request: answer_of(request, only_latencies)).observe()
    for backend in snapshot.services[0].backends:
        assert isinstance(backend.traffic, Missing)
        assert backend.traffic.absence is Absence.GARBAGE
    assert snapshot.problems == ((MANY,) if noted else ())


def test_what_is_no_distribution_is_missing_with_a_reason() -> None:
    reader = monitoring_reader(lambda request: answer_of(request, first(_set("int64_value", 3))))
    with pytest.raises(TemporaryError, match="a value is no distribution"):
        reader.latencies(cloud().now())


def test_all_buckets_of_an_answer_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "COUNTS_MAX", 100)
    with pytest.raises(TemporaryError, match="more than 100 buckets, the most"):
        monitoring_reader(cloud().series).latencies(cloud().now())


def test_the_series_of_an_answer_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "SERIES_MAX", 2)
    with pytest.raises(TemporaryError, match="more than 2 series, the most that Spillway reads"):
        monitoring_reader(cloud().series).counts(cloud().now())


def test_series_of_others_are_not_taken_apart() -> None:
    def foreign(message: Any) -> None:
        for series in message.time_series:
            series.resource.labels["backend_target_name"] = "somebody-elses"
        every(_set("string_value", "odd"))(message)

    assert monitoring_reader(lambda request: answer_of(request, foreign)).counts(0.0).rows == ()


@pytest.mark.parametrize("token", ["same", "t" * 20_000])
def test_pages_without_end_have_a_bound(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "PAGES_MAX", 5)
    empty = ListTimeSeriesResponse.pb()(next_page_token=token).SerializeToString()
    with pytest.raises(PermanentError, match="the most that Spillway reads"):
        monitoring_reader(lambda _: empty).counts(0.0)


def test_the_pages_of_an_answer_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "_ANSWER_MAX", 1 << 20)
    calls = 0

    def page(_: Any) -> bytes:
        nonlocal calls
        calls += 1
        message = ListTimeSeriesResponse.pb()(next_page_token=str(calls), unit="x" * 300_000)
        return bytes(message.SerializeToString())

    with pytest.raises(PermanentError, match="more than 1 MiB together"):
        monitoring_reader(page).counts(0.0)
    assert calls == 4


def test_execution_errors_are_cut() -> None:
    def failing(_: Any) -> bytes:
        message = ListTimeSeriesResponse.pb()()
        for number in range(5000):
            message.execution_errors.add(code=14, message=f"{number} " + "x" * 5000)
        return bytes(message.SerializeToString())

    errors = monitoring_reader(failing).counts(0.0).errors
    assert len(errors) == 20
    assert max(map(len, errors)) == 300


@pytest.mark.parametrize(("period", "delay"), [(0, 210), (60, -1), (60, 10**9), (10**9, 210)])
def test_a_delay_that_nobody_has_is_not_believed(period: int, delay: int) -> None:
    def descriptor(name: str) -> bytes:
        found = metric_pb2.MetricDescriptor.FromString(cloud().descriptor(name))
        found.metadata.sample_period.seconds = period
        found.metadata.ingest_delay.seconds = delay
        return bytes(found.SerializeToString())

    with pytest.raises(PermanentError, match="metric descriptors declare"):
        monitoring_reader(cloud().series, descriptor).lag()


def test_another_delay_than_the_documented_one_is_believed_when_two_reads_say_it() -> None:
    looking = observer()
    other = Lag(sample_period=60.0, ingest_delay=30.0)
    for read, lag in ((other, None), (Lag(ingest_delay=90.0), None), (other, None), (other, other)):
        assert looking._take_lag(read) == ()
        assert looking._lag == lag
    fresh = observer()
    assert fresh._take_lag(Lag()) == ()
    assert fresh._lag == Lag()


def test_an_error_that_nobody_foresaw_costs_one_read_and_not_the_pass(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> Any:
        raise ZeroDivisionError

    caplog.set_level(logging.DEBUG, logger="spillway")
    looking = observer()
    monkeypatch.setattr(decode, "place_row", broken)
    for _ in range(2):
        view = looking.observe().services[0]
        assert view.places == Missing(
            absence=Absence.QUERY_FAILED,
            detail="the answer has a shape that Spillway does not know: ZeroDivisionError",
        )
        assert all(isinstance(backend.traffic, Seen) for backend in view.backends)
    assert looking.errors["places"] == 2
    assert [record.levelname for record in caplog.records if record.exc_info] == ["DEBUG"]


@pytest.mark.parametrize("culprits", [("places",), ("listing",), ("counts", "policies")])
def test_a_read_that_no_snapshot_can_be_made_of_is_missing(
    culprits: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def judging(fleet: Any, **given: Any) -> Snapshot:
        reads = {**vars_of(given["readings"]), **given}
        if any(not isinstance(reads[culprit], Missing) for culprit in culprits):
            raise ZeroDivisionError
        return observe(fleet, **given)

    def vars_of(readings: Any) -> dict[str, Any]:
        return {name: getattr(readings, name) for name in ("counts", "latencies", "places")}

    monkeypatch.setattr(observer_module, "observe", judging)
    snapshot = observer().observe()
    assert any("that Spillway does not know: ZeroDivisionError" in problem for problem in snapshot.problems)
