"""A proxy between the daemon's clients and the cloud that lies, cuts and garbles by a seed.

A resource is one service's listing, the policies, one group's health, or one metric. No two looks at a resource that
follow each other are both lied to, unless one lie is told for ever.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Any

import requests
from google.api_core import exceptions
from google.cloud.monitoring_v3.types import ListTimeSeriesResponse
from tests.lies.cloud import Cloud, Sent

Json = Any
Tale = Callable[[Random, Json, list[Json]], Json]
"""What a lie makes of a true answer; the third value holds an older true answer, if there is one. Bytes are sent as they are."""

Telling = Callable[[Callable[[bytes], Any]], Any]

KEPT = 100
"""Older answers of one resource that may be told again."""


@dataclass(frozen=True, slots=True)
class Lie:
    """One lie that was told."""

    at: float
    """World seconds since the start."""
    resource: str
    kind: str


def _backends(answer: Json) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer["items"][0]["backends"]
    return found


def _regions(answer: Json) -> list[str]:
    return sorted({_region(backend["group"]) for backend in _backends(answer)})


def _region(group: str) -> str:
    return group.split("/zones/")[1].split("/", maxsplit=1)[0].rpartition("-")[0]


def _members_missing(rng: Random, answer: Json, _: list[Json]) -> Json:
    regions = _regions(answer)
    gone = set(rng.sample(regions, rng.randint(1, len(regions))))
    kept = [backend for backend in _backends(answer) if _region(backend["group"]) not in gone]
    answer["items"][0]["backends"] = kept
    return answer


def _groups_missing(rng: Random, answer: Json, _: list[Json]) -> Json:
    answer["items"][0]["backends"] = [b for b in _backends(answer) if rng.random() < 0.5]
    return answer


def _without(name: str) -> Tale:
    def tale(_: Random, answer: Json, __: list[Json]) -> Json:
        del answer["items"][0][name]
        return answer

    return tale


def _no_backends(_: Random, answer: Json, __: list[Json]) -> Json:
    answer["items"][0]["backends"] = []
    return answer


def _scalers(value: Callable[[Random], Any], *, all_regions: bool) -> Tale:
    def tale(rng: Random, answer: Json, _: list[Json]) -> Json:
        regions = _regions(answer)
        chosen = set(regions) if all_regions else {rng.choice(regions)}
        said = value(rng)
        for backend in _backends(answer):
            if _region(backend["group"]) in chosen:
                backend["capacityScaler"] = said
        return answer

    return tale


def _random_scalers(rng: Random, answer: Json, _: list[Json]) -> Json:
    for backend in _backends(answer):
        backend["capacityScaler"] = round(rng.uniform(0.1, 1.0), 2)
    return answer


def _old(_: Random, answer: Json, older: list[Json]) -> Json:
    return older[0] if older else answer


def _fingerprint(rng: Random, answer: Json, _: list[Json]) -> Json:
    answer["items"][0]["fingerprint"] = rng.choice(["AAAAAAAAAAA=", "zzzzzzzzzzz=", ""])
    return answer


def _preferred(_: Random, answer: Json, __: list[Json]) -> Json:
    for backend in _backends(answer):
        backend["preference"] = "PREFERRED"
    return answer


def _no_services(_: Random, answer: Json, __: list[Json]) -> Json:
    return {**answer, "items": []}


def _renamed(_: Random, answer: Json, __: list[Json]) -> Json:
    answer["items"][0]["name"] = "somebody-elses"
    return answer


LISTING: dict[str, Tale] = {
    "members missing": _members_missing,
    "groups missing": _groups_missing,
    "no backends": _no_backends,
    "backends left out": _without("backends"),
    "all scalers 0": _scalers(lambda _: 0.0, all_regions=True),
    "all scalers 0.1": _scalers(lambda _: 0.1, all_regions=True),
    "one scaler 0": _scalers(lambda _: 0.0, all_regions=False),
    "one scaler 0.5": _scalers(lambda _: 0.5, all_regions=False),
    "a scaler of 0.05": _scalers(lambda _: 0.05, all_regions=False),
    "a scaler of -1": _scalers(lambda _: -1, all_regions=False),
    "a scaler as text": _scalers(lambda _: "1.0", all_regions=False),
    "random scalers": _random_scalers,
    "an old answer": _old,
    "another fingerprint": _fingerprint,
    "other preferences": _preferred,
    "no services": _no_services,
    "another name": _renamed,
    "no policy": _without("serviceLbPolicy"),
}


def _policy(rng: Random, answer: Json, _: list[Json]) -> Json:
    for policy in answer.get("serviceLbPolicies", []):
        policy["failoverConfig"] = {"failoverHealthThreshold": rng.randint(1, 99)}
        policy["autoCapacityDrain"] = {"enable": rng.random() < 0.5}
    return answer


def _nothing(_: Random, __: Json, ___: list[Json]) -> Json:
    return {}


POLICIES: dict[str, Tale] = {
    "other settings": _policy,
    "no policies": _nothing,
    "an old answer": _old,
    "no settings": lambda _, answer, __: {
        "serviceLbPolicies": [{"name": p["name"]} for p in answer.get("serviceLbPolicies", [])]
    },
}


def _all(state: str) -> Tale:
    def tale(_: Random, answer: Json, __: list[Json]) -> Json:
        for status in answer.get("healthStatus", []):
            status["healthState"] = state
        return answer

    return tale


def _some_ill(rng: Random, answer: Json, _: list[Json]) -> Json:
    for status in answer.get("healthStatus", []):
        status["healthState"] = rng.choice(["HEALTHY", "UNHEALTHY", "UNKNOWN"])
    return answer


def _one_member(_: Random, answer: Json, __: list[Json]) -> Json:
    answer["healthStatus"] = [
        {**status, "healthState": "UNHEALTHY"} for status in answer.get("healthStatus", [])[:1]
    ]
    return answer


HEALTH: dict[str, Tale] = {
    "all ill": _all("UNHEALTHY"),
    "all well": _all("HEALTHY"),
    "some ill": _some_ill,
    "one member, ill": _one_member,
    "no members": _nothing,
    "an old answer": _old,
}


def _garbled(rng: Random, answer: Json, _: list[Json]) -> Json:
    body = bytearray(json.dumps(answer).encode())
    for _number in range(rng.randint(1, 20)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return bytes(body)


def _cut(rng: Random, answer: Json, _: list[Json]) -> Json:
    body = json.dumps(answer).encode()
    return body[: rng.randrange(len(body))]


def _error(status: int, reason: str) -> Tale:
    body = {"error": {"code": status, "message": reason, "errors": [{"reason": reason}]}}
    return lambda _, __, ___: Sent(status, json.dumps(body).encode())


def _broken(error: Exception) -> Tale:
    """An answer that ends in the middle, as one does that drips past its deadline."""
    return lambda rng, answer, _: Sent(200, _cut(rng, answer, []), ending=error)


def _no_connection(_: Random, __: Json, ___: list[Json]) -> Json:
    raise requests.ConnectionError("Connection reset by peer")


ANY_REST: dict[str, Tale] = {
    "500": _error(500, "backendError"),
    "503": _error(503, "backendError"),
    "429": _error(429, "rateLimitExceeded"),
    "403": _error(403, "forbidden"),
    "404": _error(404, "notFound"),
    "204": lambda _, __, ___: Sent(204, b""),
    "an empty body": lambda _, __, ___: b"",
    "a page of HTML": lambda _, __, ___: b"<html><body>502 Bad Gateway</body></html>",
    "cut": _cut,
    "garbled": _garbled,
    "nested": lambda _, __, ___: b'{"items":' * 30_000 + b"0" + b"}" * 30_000,
    "null lists": lambda _, __, ___: {"items": None, "serviceLbPolicies": None, "healthStatus": None},
    "dripping": _broken(TimeoutError("timed out")),
    "broken off": _broken(ConnectionResetError("Connection reset by peer")),
    "no connection": _no_connection,
}


def _points(message: Any) -> list[Any]:
    return [point for series in message.time_series for point in series.points]


def _times(factor: float) -> Tale:
    def tale(_: Random, message: Any, __: list[Any]) -> Any:
        for point in _points(message):
            value, kind = point.value, point.value.WhichOneof("value")
            if kind == "int64_value":
                value.int64_value = round(value.int64_value * factor)
            elif kind == "double_value":
                value.double_value *= factor
            elif kind == "distribution_value":
                spread = value.distribution_value
                counts = [round(count * factor) for count in spread.bucket_counts]
                del spread.bucket_counts[:]
                spread.bucket_counts.extend(counts)
                spread.count = sum(counts)
        return message

    return tale


def _latencies_times(factor: float) -> Tale:
    """Every answer takes so much longer: the bounds of the buckets are stretched, and with them the mean."""

    def tale(_: Random, message: Any, __: list[Any]) -> Any:
        for point in _points(message):
            if point.value.WhichOneof("value") != "distribution_value":
                continue
            spread = point.value.distribution_value
            spread.mean *= factor
            bounds = [bound * factor for bound in spread.bucket_options.explicit_buckets.bounds]
            del spread.bucket_options.explicit_buckets.bounds[:]
            spread.bucket_options.explicit_buckets.bounds.extend(bounds)
        return message

    return tale


def _values(value: float) -> Tale:
    def tale(rng: Random, message: Any, _: list[Any]) -> Any:
        for point in _points(message):
            if rng.random() < 0.7:
                point.value.double_value = value
        return message

    return tale


def _shifted(rng: Random, message: Any, _: list[Any]) -> Any:
    seconds = rng.choice([-3600, -60, 60, 300, 86_400])
    for point in _points(message):
        point.interval.start_time.seconds += seconds
        point.interval.end_time.seconds += seconds
    return message


def _half(rng: Random, message: Any, _: list[Any]) -> Any:
    kept = [series for series in message.time_series if rng.random() < 0.5]
    fewer = type(message)()
    fewer.time_series.extend(kept)
    return fewer


def _half_of_the_points(rng: Random, message: Any, _: list[Any]) -> Any:
    for series in message.time_series:
        kept = [point for point in series.points if rng.random() < 0.5]
        del series.points[:]
        series.points.extend(kept)
    return message


def _swapped(rng: Random, message: Any, _: list[Any]) -> Any:
    """Each group is given the data of another one."""
    labels = [dict(series.resource.labels) for series in message.time_series]
    rng.shuffle(labels)
    for series, other in zip(message.time_series, labels, strict=True):
        for name, value in other.items():
            series.resource.labels[name] = value
    return message


def _others(_: Random, message: Any, __: list[Any]) -> Any:
    for series in message.time_series:
        series.resource.labels["backend_target_name"] = "somebody-elses"
    return message


def _all_failed(_: Random, message: Any, __: list[Any]) -> Any:
    for series in message.time_series:
        if "response_code" in series.metric.labels:
            series.metric.labels["response_code"] = "503"
    return message


def _partial(_: Random, message: Any, __: list[Any]) -> Any:
    message.execution_errors.add(code=14, message="half of the data could not be read")
    return message


def _raised(error: Exception) -> Tale:
    def tale(_: Random, __: Any, ___: list[Any]) -> Any:
        raise error

    return tale


def _crowded(_: Random, message: Any, __: list[Any]) -> Any:
    """Many series of somebody else beside ours."""
    for number in range(5000):
        series = message.time_series.add()
        series.resource.labels["backend_target_name"] = f"other-{number}"
    return message


METRICS: dict[str, Tale] = {
    "empty": lambda _, message, __: type(message)(),
    "half of the series": _half,
    "half of the points": _half_of_the_points,
    "times 100": _times(100.0),
    "times 0.01": _times(0.01),
    "times 3": _times(3.0),
    "zero": _times(0.0),
    "negative": _times(-1.0),
    "not a number": _values(float("nan")),
    "infinite": _values(float("inf")),
    "ten times as slow": _latencies_times(10.0),
    "shifted": _shifted,
    "swapped": _swapped,
    "of others": _others,
    "all failed": _all_failed,
    "partial": _partial,
    "an old answer": _old,
    "crowded": _crowded,
    "unavailable": _raised(exceptions.ServiceUnavailable("try later")),
    "too late": _raised(exceptions.DeadlineExceeded("Deadline Exceeded")),
    "quota": _raised(exceptions.ResourceExhausted("Quota exceeded")),
    "too large": _raised(exceptions.ResourceExhausted("Received message larger than max (7 vs. 4)")),
    "forbidden": _raised(exceptions.PermissionDenied("no")),
    "broken": _raised(exceptions.InternalServerError("Exception deserializing response!")),
}


def _message(body: bytes) -> Any:
    message = ListTimeSeriesResponse.pb()()
    message.ParseFromString(body)
    return message


class Liar:
    """Stands between the readers and the cloud.

    Args:
        cloud: who tells the truth.
        seed: of all chances.
        share: of the looks that are lied to.
        span: world seconds (from, to) within which lies are told.
        always: (source, lie) to tell at every look in that time, in place of lies by chance; the source is `listing`,
            `policies`, `health` or the name of a query.
    """

    def __init__(
        self,
        cloud: Cloud,
        seed: int,
        *,
        share: float,
        span: tuple[float, float],
        always: tuple[str, str] | None = None,
    ) -> None:
        self.told: list[Lie] = []
        self._cloud, self._seed, self._share, self._span = cloud, seed, share, span
        self._always = always
        self._looks: dict[str, int] = defaultdict(int)
        self._lied: dict[str, int] = {}
        self._older: dict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._lock = Lock()

    def rest(self, method: str, url: str, params: dict[str, str], body: Any) -> Sent:
        """An answer of Compute or Network Services, true or not."""
        true = self._cloud.rest(method, url, params, body)
        if url.endswith("/getHealth"):
            source, resource, tales = "health", f"health of {body['group'].rpartition('zones/')[2]}", HEALTH
        elif url.endswith("/serviceLbPolicies"):
            source, resource, tales = "policies", "policies", POLICIES
        else:
            source, resource, tales = "listing", "listing", LISTING
        tale = self._tale(source, resource, {**tales, **ANY_REST}, true.body)
        if tale is None:
            return true
        told = tale(json.loads)
        if isinstance(told, Sent):
            return told
        return Sent(200, told if isinstance(told, bytes) else json.dumps(told).encode())

    def series(self, request: Any) -> bytes:
        """An answer of Cloud Monitoring, true or not."""
        source = request.filter.partition('metric.type = "')[2].partition('"')[0].rpartition("/")[2]
        true = self._cloud.series(request)
        tale = self._tale(source, source, METRICS, true)
        return true if tale is None else bytes(tale(_message).SerializeToString())

    def _tale(self, source: str, resource: str, tales: dict[str, Tale], true: bytes) -> Telling | None:
        """What is told in place of a true answer, once it is told how to read one; None for the truth."""
        with self._lock:
            look = self._looks[resource]
            self._looks[resource] += 1
            older = list(self._older[resource])
            self._older[resource].append(true)
            rng = Random(f"{self._seed} {resource} {look}")
            kind = self._kind(rng, source, resource, look, tales)
            if kind is None:
                return None
            self._lied[resource] = look
            self.told.append(Lie(self._cloud.world.time, resource, kind))
            again = [rng.choice(older)] if older else []
        return lambda read: tales[kind](rng, read(true), [read(one) for one in again])

    def _kind(self, rng: Random, source: str, resource: str, look: int, tales: dict[str, Tale]) -> str | None:
        """The lie that is told at this look, or None for the truth."""
        if not self._span[0] <= self._cloud.world.time < self._span[1]:
            return None
        if self._always is not None:
            return self._always[1] if self._always[0] == source else None
        if self._lied.get(resource) == look - 1 or rng.random() >= self._share:
            return None
        return rng.choice(sorted(tales))
