"""Reading Compute and Network Services: backend services, their policies, and the health of their groups."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from math import nan
from typing import Any, TypeVar

from spillway.adapters.google_http import Call, Read, Session, fetch
from spillway.core.observe.rows import GroupHealth, HealthReads, ListedGroup, ListedService, Listing, Policies
from spillway.core.values.snapshot import Absence, Missing, ObservedPolicy
from spillway.core.values.topology import GroupKey, Preference
from spillway.errors import PermanentError, SpillwayError, TemporaryError

T = TypeVar("T")

COMPUTE = "https://compute.googleapis.com/compute/v1"
NETWORK_SERVICES = "https://networkservices.googleapis.com/v1"
PAGES_MAX = 100
"""Pages of a list, 500 items each."""
_PAGE = "500"
_THRESHOLD = 70
"""Percent where a policy names no failover threshold (reference: SLP)."""
_GROUP = re.compile(
    r"/(?:(?:zones|regions)/(?P<scope>[^/]+)|global)/(?:networkEndpointGroups|instanceGroups)/(?P<name>[^/]+)$"
)
_ROLE = "roles/compute.viewer"


def group_key(url: str) -> GroupKey:
    """Name and scope of a group from its URL, as Cloud Monitoring labels it; a URL of another kind is its own name."""
    found = _GROUP.search(url)
    if found is None:
        return GroupKey(name=url.rpartition("/")[2], scope="")
    return GroupKey(name=found["name"], scope=found["scope"] or "global")


class ComputeReader:
    """Reads for one project. `calls` counts the requests sent, by source."""

    def __init__(
        self,
        session: Session,
        *,
        project: str,
        deadline: float,
        parallel: int,
        compute: str = COMPUTE,
        network_services: str = NETWORK_SERVICES,
    ) -> None:
        """Remember where to read.

        Args:
            session: from `google_http`.
            project: project of the load balancer.
            deadline: wall seconds for a whole list, and for all health reads of a pass together.
            parallel: health reads under way at the same time.
            compute: base URL of Compute, version included.
            network_services: base URL of Network Services, version included.
        """
        self._session = session
        self._project = project
        self._deadline = deadline
        self._parallel = parallel
        self._compute = compute.rstrip("/")
        self._network_services = network_services.rstrip("/")
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="get-health")
        self._lock = threading.Lock()
        self._pending: set[Future[GroupHealth]] = set()
        self.calls = {"listing": 0, "policies": 0, "health": 0}

    def close(self) -> None:
        """Let go of connections; reads under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def listing(self, now: float) -> Listing:
        """All backend services of the project; `now` in UTC seconds becomes the time of the read.

        Raises:
            SpillwayError: they could not be read, Temporary or Permanent.
        """
        items = self._list(
            "listing",
            Read(
                call=Call(
                    method="GET",
                    url=f"{self._compute}/projects/{self._project}/global/backendServices",
                    params=(("maxResults", _PAGE),),
                ),
                what="the list of backend services",
                permission="compute.backendServices.list",
                role=_ROLE,
            ),
            items="items",
        )
        services = _shaped("the list of backend services", lambda: [_service(item) for item in items])
        return Listing(at=now, services={service.resource: service for service in services})

    def policies(self, now: float) -> Policies:
        """All service LB policies of the project; raises as `listing`."""
        items = self._list(
            "policies",
            Read(
                call=Call(
                    method="GET",
                    url=f"{self._network_services}/projects/{self._project}/locations/global/serviceLbPolicies",
                    params=(("pageSize", _PAGE),),
                ),
                what="the list of service LB policies",
                permission="networkservices.serviceLbPolicies.list",
                role="roles/networkservices.viewer",
            ),
            items="serviceLbPolicies",
        )
        named = _shaped(
            "the list of service LB policies",
            lambda: {str(item["name"]).rpartition("/")[2]: _policy(item) for item in items},
        )
        return Policies(at=now, policies=named)

    def health(self, now: float, groups: Sequence[tuple[str, ListedGroup]]) -> HealthReads:
        """Health of each (backend service, attached group); never raises: what cannot be read is Missing.

        All reads share one deadline. One that is still hanging then is left behind; the pool is bounded, so
        hanging reads slow later ones down but never pile up.
        """
        ends = time.monotonic() + self._deadline
        with self._lock:
            stuck = {future for future in self._pending if not future.done()}
            if len(stuck) >= self._parallel:
                late = Missing(absence=Absence.QUERY_FAILED, detail="earlier health reads still hang")
                return HealthReads(at=now, groups={(res, group.key): late for res, group in groups})
            asked = {
                (resource, group.key): self._pool.submit(self._one, resource, group, ends)
                for resource, group in groups
            }
            self._pending = stuck | set(asked.values())
        self._await(set(asked.values()), ends)
        return HealthReads(at=now, groups={key: _outcome(future) for key, future in asked.items()})

    @staticmethod
    def _await(futures: set[Future[GroupHealth]], ends: float) -> None:
        """Wait until all are done or the deadline has passed; what has not begun by then never will."""
        for future in wait(futures, timeout=max(0.0, ends - time.monotonic())).not_done:
            future.cancel()

    def _one(self, resource: str, group: ListedGroup, ends: float) -> GroupHealth:
        """One getHealth call, unless it comes too late to be sent at all."""
        if time.monotonic() >= ends:
            raise TemporaryError("the health read ran into its deadline before it was sent")
        self._count("health")
        body = fetch(
            self._session,
            Read(
                call=Call(
                    method="POST",
                    url=f"{self._compute}/projects/{self._project}/global/backendServices/{resource}/getHealth",
                    body={"group": group.url},
                ),
                what=f"the health of {group.key.name} in {group.key.scope} behind {resource}",
                permission="compute.backendServices.get",
                role=_ROLE,
            ),
            ends=ends,
        )
        return _shaped("a health answer", lambda: count_members(body.get("healthStatus", [])))

    def _list(self, source: str, read: Read, *, items: str) -> list[dict[str, Any]]:
        """All items of a paged list."""
        ends = time.monotonic() + self._deadline
        found: list[dict[str, Any]] = []
        token = ""
        for _ in range(PAGES_MAX):
            self._count(source)
            body = fetch(self._session, _with_token(read, token), ends=ends)
            found += body.get(items, [])
            token = str(body.get("nextPageToken", ""))
            if not token:
                return found
        raise PermanentError(f"{read.what} has more than {PAGES_MAX} pages")

    def _count(self, source: str) -> None:
        with self._lock:
            self.calls[source] += 1


def _shaped(what: str, build: Callable[[], T]) -> T:
    """The value that `build` makes of an answer.

    Raises:
        TemporaryError: the answer has not the shape that the API documents.
    """
    try:
        return build()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TemporaryError(f"{what} has an unexpected shape: {error!r}") from error


def _with_token(read: Read, token: str) -> Read:
    """The read of the page behind `token`."""
    if not token:
        return read
    return replace(read, call=replace(read.call, params=(*read.call.params, ("pageToken", token))))


def count_members(statuses: Sequence[dict[str, Any]]) -> GroupHealth:
    """Members of a group, each counted once though listed for every forwarding rule; healthy only if all say so.

    A member is (instance, address, port): several pods of one node share instance and port.
    """
    healthy: dict[tuple[str, str, str], bool] = {}
    for status in statuses:
        member = (
            str(status.get("instance", "")),
            str(status.get("ipAddress", "")),
            str(status.get("port", "")),
        )
        well = status.get("healthState") == "HEALTHY"
        healthy[member] = healthy.get(member, True) and well
    return GroupHealth(healthy=sum(healthy.values()), total=len(healthy))


def _outcome(future: Future[GroupHealth]) -> GroupHealth | Missing:
    """What became of one health read."""
    if future.cancelled() or not future.done():
        return Missing(absence=Absence.QUERY_FAILED, detail="the health read ran into its deadline")
    error = future.exception()
    if error is None:
        health = future.result()
        return health if health.total else Missing(absence=Absence.NOT_PROBED)
    if not isinstance(error, SpillwayError):
        raise error
    return Missing(absence=Absence.QUERY_FAILED, detail=str(error))


def _service(item: dict[str, Any]) -> ListedService:
    """One item of the list; a scaler that is left out is 1, not unchanged (reference: 1.1)."""
    groups = tuple(
        ListedGroup(
            key=group_key(str(backend["group"])),
            url=str(backend["group"]),
            scaler=_scaler(backend.get("capacityScaler", 1.0)),
            preference=Preference.PREFERRED
            if backend.get("preference") == "PREFERRED"
            else Preference.DEFAULT,
        )
        for backend in item.get("backends", [])
    )
    policy = str(item.get("serviceLbPolicy", "")).rpartition("/")[2]
    return ListedService(
        resource=str(item["name"]),
        groups=groups,
        policy=policy,
        fingerprint=str(item.get("fingerprint") or ""),
    )


def _scaler(value: object) -> float:
    """A capacity scaler as listed; NaN for what is no number, which the core takes for malformed."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else nan  # type: ignore[arg-type]  # a number, as was just asked


def _policy(item: dict[str, Any]) -> ObservedPolicy:
    """One service LB policy; Google's defaults where it says nothing."""
    failover = item.get("failoverConfig") or {}
    drain = item.get("autoCapacityDrain") or {}
    return ObservedPolicy(
        failover_threshold=int(failover.get("failoverHealthThreshold", _THRESHOLD)),
        auto_drain=bool(drain.get("enable", False)),
    )
