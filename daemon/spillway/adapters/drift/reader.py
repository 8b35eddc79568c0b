"""Reads single parts of the load balancer: one GET each, side by side, all within one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from spillway.adapters.engine.provider.cloud import key_of, owner_of_key
from spillway.adapters.google_http import Call, Read, Session, find
from spillway.errors import PermanentError, SpillwayError, TemporaryError

COMPUTE = "https://compute.googleapis.com/compute/beta"
"""The provider's own version: a field that only beta has must be seen, as a write could take it away."""
NETWORK_SERVICES = "https://networkservices.googleapis.com/v1"
CERTIFICATE_MANAGER = "https://certificatemanager.googleapis.com/v1"
_GLOBAL = {"addresses": "globalAddresses", "forwardingRules": "globalForwardingRules"}
"""Collections whose permissions have another name where they are global."""
_CERTIFICATES = {
    "certificateMaps": "certmaps",
    "certificateMapEntries": "certmapentries",
    "certificates": "certs",
    "dnsAuthorizations": "dnsauthorizations",
}
"""Collections of Certificate Manager, and how its permissions call them."""
_PAGE = 500
_MOST_PAGES = 40
"""Entries of one list that are read at most: 20,000. A certificate map has thousands at the most where people write them."""

Body = dict[str, Any]
Reads = Mapping[str, Body | SpillwayError | None]
"""By path: what stands, None where nothing does, or why nobody knows."""


class PartReader:
    """One for each engine. Threads may not share it."""

    def __init__(
        self,
        session: Callable[[], Session],
        *,
        deadline: float,
        parallel: int,
        compute: str = COMPUTE,
        network_services: str = NETWORK_SERVICES,
        certificate_manager: str = CERTIFICATE_MANAGER,
    ) -> None:
        """Remember where to read.

        Args:
            session: makes one of `google_http`, at the first read.
            deadline: wall seconds for all parts together.
            parallel: reads under way at the same time.
            compute: base URL of Compute, version included.
            network_services: base URL of Network Services, version included.
            certificate_manager: base URL of Certificate Manager, version included.
        """
        self._connect = session
        self._session: Session | None = None
        self._deadline = deadline
        self._roots = {
            "compute": compute.rstrip("/"),
            "networkservices": network_services.rstrip("/"),
            "certificatemanager": certificate_manager.rstrip("/"),
        }
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="read-parts")
        self.calls = 0

    def close(self) -> None:
        """Let go of connections; reads under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            self._session.close()

    def read(self, paths: Iterable[str]) -> Reads:
        """What stands at each path; never raises. A path that ends in a collection of Certificate Manager is a list."""
        ends = time.monotonic() + self._deadline
        wanted = tuple(dict.fromkeys(paths))
        try:
            session = self._session = self._session or self._connect()
            asked = {path: self._pool.submit(self._one, session, path, ends) for path in wanted}
        except SpillwayError as error:
            return dict.fromkeys(wanted, error)
        except RuntimeError:
            return dict.fromkeys(wanted, TemporaryError("the daemon is stopping"))
        self.calls += len(asked)
        for late in wait(asked.values(), timeout=self._deadline).not_done:
            late.cancel()
        return {path: _outcome(path, future) for path, future in asked.items()}

    def _one(self, session: Session, path: str, ends: float) -> Body | None:
        if (key := owner_of_key(path)) is not None:
            return key_of(self._one(session, key[0], ends), key[1])
        if time.monotonic() >= ends:
            raise TemporaryError(f"the read of {path} ran into its deadline before it was sent")
        collection, _, name = path.rpartition("/")
        if name in _CERTIFICATES:
            return self._list(session, path, ends)
        service, noun = _service(path, collection.rpartition("/")[2])
        return self._get(session, path, f"{service}.{noun}.get", ends)

    def _list(self, session: Session, path: str, ends: float) -> Body | None:
        """All pages of a list, in one body."""
        name = path.rpartition("/")[2]
        permission = f"certificatemanager.{_CERTIFICATES[name]}.list"
        found: list[Any] = []
        token = ""
        for _ in range(_MOST_PAGES):
            more = {"pageSize": str(_PAGE), **({"pageToken": token} if token else {})}
            page = self._get(session, path, permission, ends, more)
            if page is None:
                return None
            found += page.get(name) or []
            token = str(page.get("nextPageToken") or "")
            if not token:
                return {name: found}
        raise PermanentError(
            f"{path} has more than {_PAGE * _MOST_PAGES} entries, which are too many to read"
        )

    def _get(
        self,
        session: Session,
        path: str,
        permission: str,
        ends: float,
        query: Mapping[str, str] | None = None,
    ) -> Body | None:
        service = permission.partition(".")[0]
        found = find(
            session,
            Read(
                call=Call(
                    method="GET",
                    url=f"{self._roots[service]}/{path}",
                    params=(("alt", "json"), *(query or {}).items()),
                ),
                what="/".join(path.split("/")[-2:]),
                permission=permission,
                role=f"roles/{service}.viewer",
            ),
            ends=ends,
        )
        return None if found is None else dict(found)


def _service(path: str, collection: str) -> tuple[str, str]:
    """The service that a resource belongs to, and what its permissions call the collection."""
    if collection in _CERTIFICATES:
        return "certificatemanager", _CERTIFICATES[collection]
    if "/locations/" in path:
        return "networkservices", collection
    return "compute", _GLOBAL.get(collection, collection)


def _outcome(path: str, future: Future[Body | None]) -> Body | SpillwayError | None:
    if future.cancelled() or not future.done():
        return TemporaryError(f"the read of {path} ran into its deadline")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, SpillwayError):
        return error
    raise error
