"""Plain reads of Compute and Network Services: whole lists, and single resources. Nothing here can change anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from spillway.adapters.drift.reader import COMPUTE, NETWORK_SERVICES, PartReader
from spillway.adapters.google_http import Budget, Call, Read, Session, fetch
from spillway.errors import PermanentError, SpillwayError, TemporaryError

Body = dict[str, Any]

_PAGE = "500"
"""Entries of a page, the most that Compute gives."""
_MOST_PAGES = 40
"""Pages of a list that are read: 20,000 entries."""
_LARGEST = 128 << 20
"""Bytes that all pages of all lists may have together."""
_GLOBAL = {"forwardingRules": "globalForwardingRules", "addresses": "globalAddresses"}
"""Collections whose permissions have another name where they are global."""


class CloudReader:
    """Reads one project. For one thread."""

    def __init__(
        self,
        session: Callable[[], Session],
        project: str,
        *,
        deadline: float,
        parallel: int,
        compute: str = COMPUTE,
        network_services: str = NETWORK_SERVICES,
    ) -> None:
        """Remember where to read.

        Args:
            session: makes one of `google_http`, at the first read.
            project: the project.
            deadline: wall seconds for each list, and for each set of single resources.
            parallel: reads under way at the same time.
            compute: base URL of Compute, version included.
            network_services: base URL of Network Services, version included.
        """
        self.project = project
        self._connect = session
        self._session: Session | None = None
        self._deadline = deadline
        self._compute = compute.rstrip("/")
        self._budget = Budget(_LARGEST)
        self._parts = PartReader(
            session, deadline=deadline, parallel=parallel, compute=compute, network_services=network_services
        )

    def close(self) -> None:
        """Let go of connections."""
        self._parts.close()
        if self._session is not None:
            self._session.close()

    def listed(self, collection: str) -> dict[str, Body]:
        """All global resources of a collection such as `forwardingRules`, by path.

        Raises:
            SpillwayError: they could not be read.
        """
        return {
            path_of(item): item
            for page in self._pages(f"global/{collection}", collection)
            for item in page.get("items") or ()
        }

    def everywhere(self, collection: str) -> tuple[Body, ...]:
        """All resources of a collection in all zones and regions, and the global ones.

        Raises:
            SpillwayError: they could not be read.
        """
        return tuple(
            item
            for page in self._pages(f"aggregated/{collection}", collection)
            for scope in (page.get("items") or {}).values()
            for item in scope.get(collection) or ()
        )

    def anywhere(self, collection: str, name: str) -> tuple[Body, ...]:
        """All resources of this name in any region.

        Raises:
            SpillwayError: they could not be read.
        """
        return tuple(item for item in self.everywhere(collection) if item.get("name") == name)

    def each(self, paths: Iterable[str]) -> dict[str, Body]:
        """What stands at each path; what is not there is left out.

        Raises:
            SpillwayError: one could not be read.
        """
        found: dict[str, Body] = {}
        for path, read in self._parts.read(paths).items():
            if isinstance(read, SpillwayError):
                raise read
            if read is not None:
                found[path] = read
        return found

    def _pages(self, place: str, collection: str) -> Iterable[Mapping[str, Any]]:
        session = self._session = self._session or self._connect()
        ends, token = time.monotonic() + self._deadline, ""
        permission = collection if place.startswith("aggregated/") else _GLOBAL.get(collection, collection)
        for _ in range(_MOST_PAGES):
            params = (("maxResults", _PAGE), *((("pageToken", token),) if token else ()))
            read = Read(
                call=Call(
                    method="GET", url=f"{self._compute}/projects/{self.project}/{place}", params=params
                ),
                what=f"the list {place}",
                permission=f"compute.{permission}.list",
                role="roles/compute.viewer",
            )
            page: Mapping[str, Any] = fetch(session, read, ends=ends, budget=self._budget)
            yield page
            token = str(page.get("nextPageToken") or "")
            if not token:
                return
        raise PermanentError(f"the list {place} has more than {_MOST_PAGES} pages, the most that are read")


def path_of(body: Mapping[str, Any]) -> str:
    """The path of a resource below the API's root.

    Raises:
        TemporaryError: the answer does not tell it.
    """
    return path(str(body.get("selfLink", "")))


def path(url: str) -> str:
    """A link without host and version, such as `projects/p/global/urlMaps/web`.

    Raises:
        TemporaryError: it is no link of a resource.
    """
    at = url.find("projects/")
    if at < 0:
        raise TemporaryError(f"{url[:100]!r} is no link of a resource")
    return url[at:]
