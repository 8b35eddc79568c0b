"""Whatever is answered: real answers with parts replaced, left out or doubled, or with bytes changed, end in a snapshot."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from google.cloud.monitoring_v3.types import ListTimeSeriesResponse
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lies.cloud import COMPUTE, NETWORK_SERVICES, PROJECT, Sent
from tests.observe.virtual import cloud, compute_reader, monitoring_reader

from spillway.core.observe.rows import Answer, Readings
from spillway.core.observe.snapshot import NOTHING_ASKED, observe
from spillway.core.values.snapshot import Absence, Missing
from spillway.errors import SpillwayError

ODD: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "HEALTHY", "NaN", "1e999", "\u00b2", "x" * 5000, 10**400, -0.0]),
    st.just([]),
    st.just({}),
    st.just([[[[{}]]]]),
    st.just({"group": {"group": []}}),
)


@st.composite
def spoiled(draw: Any, whole: Any) -> bytes:
    """The bytes of a JSON value with some of its parts spoiled."""
    whole = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        where, key = whole, None
        while True:
            keys = list(where) if isinstance(where, dict) else list(range(len(where)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = where[key]
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                where = inner
                continue
            break
        if key is None or key not in (where if isinstance(where, dict) else range(len(where))):
            continue
        if draw(st.integers(0, 4)) == 0:
            del where[key]
        else:
            where[key] = copy.deepcopy(draw(ODD))
    body = json.dumps(whole).encode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=6)) + body[at + draw(st.integers(0, 6)) :]
    return body


@cache
def _real(kind: str) -> Any:
    """A real answer."""
    group = f"{COMPUTE}/projects/{PROJECT}/zones/us-east4-a/networkEndpointGroups/model"
    path = f"projects/{PROJECT}"
    method, url, body = {
        "listing": ("GET", f"{COMPUTE}/{path}/global/backendServices", None),
        "policies": ("GET", f"{NETWORK_SERVICES}/{path}/locations/global/serviceLbPolicies", None),
        "health": ("POST", f"{COMPUTE}/{path}/global/backendServices/pool/getHealth", {"group": group}),
    }[kind]
    sent = cloud().rest(method, url, {}, body)
    assert sent.status == 200
    return json.loads(sent.body)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_compute_answers_a_pass_ends_with_a_snapshot(data: st.DataObject) -> None:
    bodies = {kind: data.draw(spoiled(_real(kind))) for kind in ("listing", "policies", "health")}

    def rest(_method: str, url: str, _params: dict[str, str], _body: Any) -> Sent:
        for end, kind in (("/backendServices", "listing"), ("/serviceLbPolicies", "policies")):
            if url.endswith(end):
                return Sent(200, bodies[kind])
        return Sent(200, bodies["health"])

    reader = compute_reader(rest)
    listing = _tried(lambda: reader.listing(0.0))
    policies = _tried(lambda: reader.policies(0.0))
    groups = [
        (service.resource, group)
        for service in (listing.services.values() if not isinstance(listing, Missing) else ())
        for group in service.groups[:3]
    ]
    snapshot = observe(
        cloud().fleet,
        at=0.0,
        readings=NOTHING_ASKED,
        listing=listing,
        policies=policies,
        health=reader.health(0.0, groups),
    )
    reader.close()
    assert not reader.unforeseen._told, "every shape has words of its own"
    assert sum(map(len, snapshot.problems)) < 10_000


def _tried(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except SpillwayError as error:
        return Missing(absence=Absence.QUERY_FAILED, detail=str(error))


@st.composite
def spoiled_message(draw: Any, kind: str) -> bytes:
    """A serialised answer with some fields spoiled."""
    message = ListTimeSeriesResponse.pb()()
    message.ParseFromString(_answer(kind))
    for _ in range(draw(st.integers(1, 4))):
        series = draw(st.sampled_from(list(message.time_series)))
        point = draw(st.sampled_from(list(series.points)))
        spread = point.value.distribution_value if kind == "latencies" else None
        match draw(st.integers(0, 8)):
            case 0:
                point.value.double_value = draw(st.floats())
            case 1:
                point.value.int64_value = draw(st.integers(-(2**63), 2**63 - 1))
            case 2:
                point.value.Clear()
            case 3:
                stamp = draw(st.sampled_from([point.interval.start_time, point.interval.end_time]))
                stamp.seconds = draw(st.integers(-(2**62), 2**62))
            case 4:
                point.interval.end_time.nanos = draw(st.integers(-(2**31), 2**31 - 1))
            case 5:
                labels = draw(st.sampled_from([series.metric.labels, series.resource.labels]))
                labels[draw(st.sampled_from([*labels, "other"]))] = draw(st.text(max_size=8))
            case 6:
                message.time_series.add().CopyFrom(series)
            case 7 if spread is not None:
                layout = spread.bucket_options.exponential_buckets
                layout.num_finite_buckets = draw(st.integers(-(2**31), 2**31 - 1) | st.integers(0, 210))
                layout.growth_factor, layout.scale = draw(st.floats()), draw(st.floats())
            case 8 if spread is not None:
                spread.count, spread.mean = draw(st.integers(-5, 2**62)), draw(st.floats())
                spread.bucket_counts.append(draw(st.integers(-(2**63), 2**63 - 1)))
    body: bytes = message.SerializeToString()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=6)) + body[at + draw(st.integers(0, 6)) :]
    return body


@cache
def _answer(kind: str) -> bytes:
    answers: list[bytes] = []

    def series(request: Any) -> bytes:
        answers.append(cloud().series(request))
        return answers[-1]

    getattr(monitoring_reader(series), kind)(cloud().now())
    return answers[0]


def _same(body: bytes, _request: Any) -> bytes:
    return body


KINDS = ("counts", "latencies", "places")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_monitoring_answers_a_pass_ends_with_a_snapshot(data: st.DataObject) -> None:
    bodies = [data.draw(spoiled_message(kind)) for kind in KINDS]
    readings: dict[str, Answer[Any] | Missing] = {}
    for kind, body in zip(KINDS, bodies, strict=True):
        reader = monitoring_reader(partial(_same, body))
        try:
            readings[kind] = _tried(partial(getattr(reader, kind), cloud().now()))
        except DecodeError:
            # the official client says INTERNAL: its stub parses the bytes
            readings[kind] = Missing(absence=Absence.QUERY_FAILED, detail="no message")
    snapshot = observe(
        cloud().fleet,
        at=cloud().now(),
        readings=Readings(**readings),
        listing=compute_reader(cloud().rest).listing(cloud().now()),
        policies=Missing(absence=Absence.NOT_ASKED),
        health=Missing(absence=Absence.NOT_ASKED),
    )
    assert sum(map(len, snapshot.problems)) < 20_000
