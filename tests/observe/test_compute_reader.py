"""Compute and Network Services as they are read: pages, health, errors, deadlines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.auth.exceptions
import pytest
from tests.observe.fake_compute import FakeCompute, error, serving, within

from spillway.adapters import compute
from spillway.adapters.compute import ComputeReader, count_members, group_key
from spillway.adapters.google_http import Call, Read, Session, error_of, fetch, sandbox_session
from spillway.core.observe.rows import GroupHealth, ListedGroup
from spillway.core.values.snapshot import Absence, Missing, ObservedPolicy
from spillway.core.values.topology import GroupKey, Preference
from spillway.errors import PermanentError, SpillwayError, TemporaryError

ZONES = "https://www.googleapis.com/compute/v1/projects/p/zones"


@contextmanager
def reading(fake: FakeCompute, *, deadline: float = 5.0, parallel: int = 4) -> Iterator[ComputeReader]:
    with serving(fake):
        reader = ComputeReader(
            sandbox_session(parallel),
            project="demo-project",
            deadline=deadline,
            parallel=parallel,
            compute=f"{fake.base}/compute/v1/",
            network_services=f"{fake.base}/v1",
        )
        try:
            yield reader
        finally:
            reader.close()


def _backend(zone: str, **more: Any) -> dict[str, Any]:
    return {"group": f"{ZONES}/{zone}/networkEndpointGroups/pool", **more}


def test_listing_pages_scalers_and_policies() -> None:
    fake = FakeCompute(
        services=[
            {
                "name": "pool",
                "backends": [
                    _backend("europe-west4-a", capacityScaler=0.5, preference="PREFERRED"),
                    _backend("europe-west4-b"),
                ],
                "serviceLbPolicy": "//networkservices.googleapis.com/projects/p/locations/global/serviceLbPolicies/guard",
                "fingerprint": "q2Bx1w0yZ5c=",
            },
            {"name": "empty"},
        ],
        policies=[
            {
                "name": "projects/p/locations/global/serviceLbPolicies/guard",
                "failoverConfig": {"failoverHealthThreshold": 40},
                "autoCapacityDrain": {"enable": True},
            },
            {"name": "projects/p/locations/global/serviceLbPolicies/plain"},
        ],
        page=1,
    )
    with reading(fake) as reader:
        listing = reader.listing(7.0)
        policies = reader.policies(8.0)
        assert reader.calls == {"listing": 2, "policies": 2, "health": 0}
    pool = listing.services["pool"]
    assert (listing.at, policies.at) == (7.0, 8.0)
    assert [(g.key.scope, g.scaler, g.preference) for g in pool.groups] == [
        ("europe-west4-a", 0.5, Preference.PREFERRED),
        ("europe-west4-b", 1.0, Preference.DEFAULT),
    ]
    assert pool.policy == "guard"
    assert (pool.fingerprint, listing.services["empty"].fingerprint) == ("q2Bx1w0yZ5c=", "")
    assert listing.services["empty"].groups == ()
    assert policies.policies == {
        "guard": ObservedPolicy(failover_threshold=40, auto_drain=True),
        "plain": ObservedPolicy(failover_threshold=70, auto_drain=False),
    }
    assert fake.seen[0] == (
        "GET",
        "/compute/v1/projects/demo-project/global/backendServices",
        {"maxResults": "500"},
    )
    assert fake.seen[1][2] == {"maxResults": "500", "pageToken": "1"}
    assert fake.tokens == {"Bearer sandbox"}


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (f"{ZONES}/us-east4-a/instanceGroups/ig", GroupKey(name="ig", scope="us-east4-a")),
        (
            "https://x/projects/p/regions/us-east4/networkEndpointGroups/run",
            GroupKey(name="run", scope="us-east4"),
        ),
        ("https://x/projects/p/global/networkEndpointGroups/net", GroupKey(name="net", scope="global")),
        ("https://x/projects/p/zones/us-east4-a/disks/odd", GroupKey(name="odd", scope="")),
    ],
)
def test_group_key(url: str, key: GroupKey) -> None:
    assert group_key(url) == key


def test_members_are_counted_once() -> None:
    statuses = [
        {
            "instance": "vm1",
            "ipAddress": "10.0.0.1",
            "port": 80,
            "healthState": "HEALTHY",
            "forwardingRule": "a",
        },
        {
            "instance": "vm1",
            "ipAddress": "10.0.0.1",
            "port": 80,
            "healthState": "HEALTHY",
            "forwardingRule": "b",
        },
        {"instance": "vm1", "ipAddress": "10.0.0.2", "port": 80, "healthState": "UNHEALTHY"},
        {"instance": "vm2", "ipAddress": "10.0.0.3", "port": 80, "healthState": "HEALTHY"},
        {"instance": "vm2", "ipAddress": "10.0.0.3", "port": 80, "healthState": "UNHEALTHY"},
        {"ipAddress": "10.0.0.4", "port": 80, "healthState": "DRAINING"},
    ]
    assert count_members(statuses) == GroupHealth(healthy=1, total=4)
    assert count_members([]) == GroupHealth(healthy=0, total=0)


def _groups(count: int) -> list[tuple[str, ListedGroup]]:
    return [
        ("pool", ListedGroup(key=GroupKey(name=f"g{i}", scope="z"), url=f"url/{i}", scaler=1.0))
        for i in range(count)
    ]


def test_health_is_read_in_parallel_within_bounds_and_each_failure_has_its_reason() -> None:
    def health(resource: str, group: str) -> tuple[int, Any]:
        return {
            "url/0": (
                200,
                {"healthStatus": [{"ipAddress": "10.0.0.1", "port": 80, "healthState": "HEALTHY"}]},
            ),
            "url/1": (200, {"kind": "compute#backendServiceGroupHealth"}),
            "url/2": (500, error(500, "backendError", "try later")),
            "url/3": (200, {"healthStatus": 7}),
        }.get(group, (200, {"healthStatus": [{"ipAddress": group, "healthState": "UNHEALTHY"}]}))

    fake = FakeCompute(health=health, delay=0.02)
    with reading(fake, parallel=3) as reader:
        read = reader.health(9.0, _groups(12))
        assert reader.calls["health"] == 12
    outcome = {key.name: value for (_, key), value in read.groups.items()}
    assert outcome["g0"] == GroupHealth(healthy=1, total=1)
    assert outcome["g1"] == Missing(absence=Absence.NOT_PROBED)
    for name, said in (("g2", "try later"), ("g3", "unexpected shape")):
        failed = outcome[name]
        assert isinstance(failed, Missing)
        assert failed.absence is Absence.QUERY_FAILED
        assert said in failed.detail
    assert outcome["g11"] == GroupHealth(healthy=0, total=1)
    assert 1 < fake.most_at_once <= 3
    assert fake.seen[0][1].endswith("/global/backendServices/pool/getHealth")


def test_a_hanging_server_costs_one_deadline_and_never_piles_up() -> None:
    fake = FakeCompute(delay=30.0)
    with reading(fake, deadline=0.3, parallel=2) as reader:
        check = within(3.0)
        read = reader.health(0.0, _groups(20))
        check()
        assert {value.absence for value in read.groups.values() if isinstance(value, Missing)} == {
            Absence.QUERY_FAILED
        }
        assert len(read.groups) == 20
        assert reader.calls["health"] <= 4, "two under way, and at most one more each in the last instant"
        with pytest.raises(TemporaryError, match="deadline"):
            reader.listing(0.0)
        check()


def test_a_dripping_server_cannot_hold_a_reader() -> None:
    fake = FakeCompute(services=[{"name": f"service-{i}"} for i in range(50)], drip=0.02)
    with reading(fake, deadline=0.4) as reader:
        check = within(3.0)
        with pytest.raises(TemporaryError, match="deadline"):
            reader.listing(0.0)
        check()


def test_nobody_there() -> None:
    fake = FakeCompute()
    with reading(fake) as reader:
        pass
    reader = ComputeReader(
        sandbox_session(1),
        project="p",
        deadline=2.0,
        parallel=1,
        compute=fake.base,
        network_services=fake.base,
    )
    with pytest.raises(TemporaryError, match="could not be read"):
        reader.listing(0.0)
    reader.close()


_READ = Read(
    call=Call(method="GET", url="u"),
    what="the list",
    permission="compute.backendServices.list",
    role="roles/compute.viewer",
)
_MODERN = {
    "error": {
        "code": 403,
        "status": "PERMISSION_DENIED",
        "message": "Permission 'networkservices.serviceLbPolicies.list' denied",
    }
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (403, error(403, "rateLimitExceeded", "Rate Limit Exceeded"), TemporaryError, "minute"),
        (
            403,
            {"error": {"message": "m", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}]}},
            TemporaryError,
            "minute",
        ),
        (429, {}, TemporaryError, "minute"),
        (503, error(503, "backendError", "busy"), TemporaryError, ""),
        (409, error(409, "resourceNotReady", "wait"), TemporaryError, ""),
        (
            403,
            error(403, "forbidden", "Required 'compute.backendServices.get' permission for 'x'"),
            PermanentError,
            "compute.backendServices.get",
        ),
        (403, error(403, "forbidden", "no"), PermanentError, "needs compute.backendServices.list: grant"),
        (403, _MODERN, PermanentError, "roles/compute.viewer"),
        (401, {}, PermanentError, "credentials"),
        (404, error(404, "notFound", "gone"), PermanentError, "spillway up"),
        (400, error(400, "invalid", "bad"), PermanentError, "refused"),
        (500, ["odd"], TemporaryError, ""),
    ],
)
def test_errors_are_matched_on_their_reason(
    status: int, body: Any, kind: type[SpillwayError], said: str
) -> None:
    found = error_of(_READ, status, json.dumps(body))
    assert type(found) is kind
    assert str(status) in str(found)
    assert said in found.remedy
    if isinstance(found, TemporaryError) and said:
        assert found.retry_after == 60.0


def test_retry_after_is_kept() -> None:
    found = error_of(_READ, 503, "", "17")
    assert isinstance(found, TemporaryError)
    assert found.retry_after == 17.0


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ((200, b"<html>"), TemporaryError),
        ((200, []), TemporaryError),
        ((200, {"items": [{"backends": []}]}), TemporaryError),
        ((403, error(403, "forbidden", "no")), PermanentError),
        ((200, {"nextPageToken": "1", "items": []}), PermanentError),
    ],
    ids=["no JSON", "no object", "no name", "forbidden", "endless pages"],
)
def test_strange_answers(
    failure: tuple[int, Any], kind: type[SpillwayError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "PAGES_MAX", 3)
    with reading(FakeCompute(failure=failure)) as reader, pytest.raises(kind):
        reader.listing(0.0)


def test_a_policy_without_a_name_is_an_unreadable_list() -> None:
    """It used to end the pass as a defect."""
    said = "the list of service LB policies has an unexpected shape"
    fake = FakeCompute(policies=[{"failoverConfig": {}}])
    with reading(fake) as reader, pytest.raises(TemporaryError, match=said):
        reader.policies(0.0)


@pytest.mark.parametrize("scaler", ["0.5", None, True, [], {}])
def test_a_scaler_that_is_no_number_is_read_as_such(scaler: object) -> None:
    fake = FakeCompute(
        services=[{"name": "pool", "backends": [_backend("europe-west4-a", capacityScaler=scaler)]}]
    )
    with reading(fake) as reader:
        (group,) = reader.listing(0.0).services["pool"].groups
    assert math.isnan(group.scaler)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (google.auth.exceptions.TransportError("x"), TemporaryError),
        (google.auth.exceptions.RefreshError("x"), PermanentError),
    ],
)
def test_credentials_that_fail(raised: Exception, kind: type[SpillwayError]) -> None:
    class Failing:
        def __init__(self) -> None:
            self.hooks: Any = {}

        def request(self, method: str, url: str, **kwargs: Any) -> Any:
            raise raised

        def close(self) -> None:
            """Nothing to close."""

    session: Session = Failing()
    with pytest.raises(kind):
        fetch(session, _READ, ends=float("inf"))
