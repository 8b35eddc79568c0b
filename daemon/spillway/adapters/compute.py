"""Reading Compute and Network Services: backend services, their policies, and the health of their groups."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from math import nan
from typing import TypeVar

from spillway.adapters.answers import Object, ShapeError, number, objects, part, quoted, text, truth
from spillway.adapters.google_http import Budget, Call, Read, Session, fetch, fetch_body, find, parsed
from spillway.adapters.reads import Unforeseen
from spillway.adapters.splits import listed_splits
from spillway.core.observe.rows import GroupHealth, HealthReads, ListedGroup, ListedService, Listing, Policies
from spillway.core.values.snapshot import Absence, Missing, ObservedPolicy
from spillway.core.values.topology import GroupKey, Preference, Service
from spillway.errors import PermanentError, SpillwayError, TemporaryError

T = TypeVar("T")

COMPUTE = "https://compute.googleapis.com/compute/v1"
NETWORK_SERVICES = "https://networkservices.googleapis.com/v1"
PAGES_MAX = 100
"""Pages of a list, 500 items each."""
_LIST_MAX = 64 * 1024 * 1024
"""Bytes of all pages of one list together."""
_URL_MAP_MAX = 16 * 1024 * 1024
"""Bytes of the URL map; Google takes some hundred kilobytes of rules."""
_HEALTH_MAX = 64 * 1024 * 1024
"""Bytes of all health answers that are held at one moment."""
_PAGE = "500"
_THRESHOLD = 70
"""Percent where a policy names no failover threshold (reference: SLP)."""
_GROUP = re.compile(
    r"/(?:(?:zones|regions)/(?P<scope>[^/]+)|global)/(?:networkEndpointGroups|instanceGroups)/(?P<name>[^/]+)$"
)
_ROLE = "roles/compute.viewer"
_PORT_MAX = 65535


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
        url_map: str = "",
        splits: Sequence[Service] = (),
    ) -> None:
        """Remember where to read.

        Args:
            session: from `google_http`.
            project: project of the load balancer.
            deadline: wall seconds for a whole list, and for all health reads of a pass together.
            parallel: health reads under way at the same time.
            compute: base URL of Compute, version included.
            network_services: base URL of Network Services, version included.
            url_map: name of the URL map; it is read only where there are splits.
            splits: steered splits, whose weights are listed as scalers are.
        """
        self._url_map, self._splits = url_map, tuple(splits)
        self._session = session
        self._project = project
        self._deadline = deadline
        self._parallel = parallel
        self._compute = compute.rstrip("/")
        self._network_services = network_services.rstrip("/")
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="get-health")
        self._lock = threading.Lock()
        self._pending: set[Future[GroupHealth]] = set()
        self._budget = Budget(_HEALTH_MAX)
        self._parsing = threading.Lock()
        """One health answer is taken apart at a time: its parts take many times the room of its bytes."""
        self.unforeseen = Unforeseen()
        self.calls = {"listing": 0, "policies": 0, "health": 0}

    def close(self) -> None:
        """Let go of connections; reads under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def listing(self, now: float) -> Listing:
        """All backend services of the project, and the steered splits; `now` in UTC seconds becomes the time of the read.

        Raises:
            SpillwayError: they could not be read, Temporary or Permanent.
        """
        read = Read(
            call=Call(
                method="GET",
                url=f"{self._compute}/projects/{self._project}/global/backendServices",
                params=(("maxResults", _PAGE),),
            ),
            what="the list of backend services",
            permission="compute.backendServices.list",
            role=_ROLE,
        )
        services: dict[str, ListedService] = {}
        for page in self._pages("listing", read):
            for service in _shaped(read.what, _services, page):
                _add(read.what, services, service.resource, service)
        return Listing(at=now, services={**services, **self._listed_splits(services)})

    def _listed_splits(self, services: Mapping[str, ListedService]) -> Mapping[str, ListedService]:
        """The steered splits as the URL map has them; none before it is built. Raises as `listing`."""
        if not self._splits:
            return {}
        read = Read(
            call=Call(
                method="GET",
                url=f"{self._compute}/projects/{self._project}/global/urlMaps/{self._url_map}",
            ),
            what=f"the URL map {self._url_map}",
            permission="compute.urlMaps.get",
            role=_ROLE,
        )
        self._count("listing")
        found = find(self._session, read, ends=time.monotonic() + self._deadline, budget=Budget(_URL_MAP_MAX))
        if found is None:
            return {}
        return _shaped(read.what, lambda answer: listed_splits(self._splits, answer, services), found)

    def policies(self, now: float) -> Policies:
        """All service LB policies of the project; raises as `listing`."""
        read = Read(
            call=Call(
                method="GET",
                url=f"{self._network_services}/projects/{self._project}/locations/global/serviceLbPolicies",
                params=(("pageSize", _PAGE),),
            ),
            what="the list of service LB policies",
            permission="networkservices.serviceLbPolicies.list",
            role="roles/networkservices.viewer",
        )
        policies: dict[str, ObservedPolicy] = {}
        for page in self._pages("policies", read):
            for name, policy in _shaped(read.what, _named_policies, page):
                _add(read.what, policies, name, policy)
        return Policies(at=now, policies=policies)

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
        return HealthReads(at=now, groups={key: self._outcome(future) for key, future in asked.items()})

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
        read = Read(
            call=Call(
                method="POST",
                url=f"{self._compute}/projects/{self._project}/global/backendServices/{resource}/getHealth",
                body={"group": group.url},
            ),
            what=f"the health of {group.key.name} in {group.key.scope} behind {resource}",
            permission="compute.backendServices.get",
            role=_ROLE,
        )
        body = fetch_body(self._session, read, ends=ends, budget=self._budget)
        try:
            with self._parsing:
                return _shaped(read.what, _members, parsed(read, body))
        finally:
            self._budget.give_back(len(body))

    def _outcome(self, future: Future[GroupHealth]) -> GroupHealth | Missing:
        """What became of one health read."""
        if future.cancelled() or not future.done():
            return Missing(absence=Absence.QUERY_FAILED, detail="the health read ran into its deadline")
        error = future.exception()
        if error is None:
            health = future.result()
            return health if health.total else Missing(absence=Absence.NOT_PROBED)
        detail = str(error) if isinstance(error, SpillwayError) else self.unforeseen.told("health", error)
        return Missing(absence=Absence.QUERY_FAILED, detail=detail)

    def _pages(self, source: str, read: Read) -> Iterator[Object]:
        """The pages of a list, one at a time: none is held when the next one is read."""
        ends = time.monotonic() + self._deadline
        budget = Budget(_LIST_MAX)
        token = ""
        for _ in range(PAGES_MAX):
            self._count(source)
            page = fetch(self._session, _with_token(read, token), ends=ends, budget=budget)
            yield page
            token = _shaped(read.what, _next_page, page)
            if not token:
                return
        raise PermanentError(f"{read.what} has more than {PAGES_MAX} pages, the most that Spillway reads")

    def _count(self, source: str) -> None:
        with self._lock:
            self.calls[source] += 1


def _shaped(what: str, build: Callable[[Object], T], answer: Object) -> T:
    """What `build` makes of an answer.

    Raises:
        TemporaryError: the answer has not the shape that the API documents.
    """
    try:
        return build(answer)
    except ShapeError as error:
        raise TemporaryError(f"{what} has an unexpected shape: {error}") from error


def _add(what: str, found: dict[str, T], name: str, value: T) -> None:
    """Put one item of a list to the others.

    Raises:
        TemporaryError: one of its name is there: nobody knows which of them is true.
    """
    if name in found:
        raise TemporaryError(f"{what} has an unexpected shape: it holds {quoted(name)} twice")
    found[name] = value


def _with_token(read: Read, token: str) -> Read:
    """The read of the page behind `token`."""
    if not token:
        return read
    return replace(read, call=replace(read.call, params=(*read.call.params, ("pageToken", token))))


def _next_page(page: Object) -> str:
    return text(page, "nextPageToken", "")


def _members(answer: Object) -> GroupHealth:
    return count_members(objects(answer, "healthStatus"))


def count_members(statuses: Sequence[Object]) -> GroupHealth:
    """Members of a group, each counted once though listed for every forwarding rule; healthy only if all say so.

    A member is (instance, address, port): several pods of one node share instance and port.

    Raises:
        ShapeError: a member without a state, or with a field of another type.
    """
    healthy: dict[tuple[str, str, float], bool] = {}
    for status in statuses:
        member = (
            text(status, "instance", ""),
            text(status, "ipAddress", ""),
            number(status, "port", 0, most=_PORT_MAX),
        )
        well = text(status, "healthState") == "HEALTHY"
        healthy[member] = healthy.get(member, True) and well
    return GroupHealth(healthy=sum(healthy.values()), total=len(healthy))


def _services(page: Object) -> list[ListedService]:
    return [_service(item) for item in objects(page, "items")]


def _service(item: Object) -> ListedService:
    """One item of the list; a scaler that is left out is 1, not unchanged (reference: 1.1)."""
    groups = tuple(
        ListedGroup(
            key=group_key(url := text(backend, "group")),
            url=url,
            scaler=_scaler(backend.get("capacityScaler", 1.0)),
            preference=Preference.PREFERRED
            if text(backend, "preference", "") == "PREFERRED"
            else Preference.DEFAULT,
        )
        for backend in objects(item, "backends")
    )
    policy = text(item, "serviceLbPolicy", "").rpartition("/")[2]
    return ListedService(
        resource=text(item, "name"),
        groups=groups,
        policy=policy,
        fingerprint=text(item, "fingerprint", ""),
    )


def _scaler(value: object) -> float:
    """A capacity scaler as listed; NaN for what is no number, which the core takes for malformed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan


def _named_policies(page: Object) -> list[tuple[str, ObservedPolicy]]:
    return [_named_policy(item) for item in objects(page, "serviceLbPolicies")]


def _named_policy(item: Object) -> tuple[str, ObservedPolicy]:
    """One service LB policy and its name; Google's defaults where it says nothing."""
    failover, drain = part(item, "failoverConfig"), part(item, "autoCapacityDrain")
    policy = ObservedPolicy(
        failover_threshold=int(number(failover, "failoverHealthThreshold", _THRESHOLD, most=100)),
        auto_drain=truth(drain, "enable", default=False),
    )
    return text(item, "name").rpartition("/")[2], policy
