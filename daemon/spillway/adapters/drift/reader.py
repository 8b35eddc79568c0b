"""Reads single parts of the load balancer: one GET each, side by side, all within one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from spillway.adapters.engine.provider.cloud import key_of, owner_of_key
from spillway.adapters.google_http import Call, Read, Session, find
from spillway.errors import SpillwayError, TemporaryError

COMPUTE = "https://compute.googleapis.com/compute/beta"
"""The provider's own version: a field that only beta has must be seen, as a write could take it away."""
NETWORK_SERVICES = "https://networkservices.googleapis.com/v1"
_GLOBAL = {"addresses": "globalAddresses", "forwardingRules": "globalForwardingRules"}
"""Collections whose permissions have another name where they are global."""

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
    ) -> None:
        """Remember where to read.

        Args:
            session: makes one of `google_http`, at the first read.
            deadline: wall seconds for all parts together.
            parallel: reads under way at the same time.
            compute: base URL of Compute, version included.
            network_services: base URL of Network Services, version included.
        """
        self._connect = session
        self._session: Session | None = None
        self._deadline = deadline
        self._roots = {False: compute.rstrip("/"), True: network_services.rstrip("/")}
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="read-parts")
        self.calls = 0

    def close(self) -> None:
        """Let go of connections; reads under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            self._session.close()

    def read(self, paths: Iterable[str]) -> Reads:
        """What stands at each path; never raises."""
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
        services = "/locations/" in path
        collection, name = path.split("/")[-2:]
        permission = (
            f"{'networkservices' if services else 'compute'}.{_GLOBAL.get(collection, collection)}.get"
        )
        found = find(
            session,
            Read(
                call=Call(method="GET", url=f"{self._roots[services]}/{path}", params=(("alt", "json"),)),
                what=f"{collection}/{name}",
                permission=permission,
                role="roles/networkservices.viewer" if services else "roles/compute.viewer",
            ),
            ends=ends,
        )
        return None if found is None else dict(found)


def _outcome(path: str, future: Future[Body | None]) -> Body | SpillwayError | None:
    if future.cancelled() or not future.done():
        return TemporaryError(f"the read of {path} ran into its deadline")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, SpillwayError):
        return error
    raise error
