"""Routes about the past: /history, /decisions and /explain. Read-only and bounded; reading happens beside the server's own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from spillway.adapters.journal.answers import OPTIONS
from spillway.adapters.journal.moments import WrongQuestion
from spillway.errors import SpillwayError

_AT_ONCE = 2
"""Questions that are read for at the same time; others wait, for as long as their connections are there."""
_LONGEST = 200
"""Characters of a value that may be asked for."""
_GONE = 499
"""Status of an answer that nobody takes: it is not sent, but a response has one."""

Endpoint = Callable[[Request], Awaitable[Response]]


class Past(Protocol):
    """What answers questions about the past."""

    def answer(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """The document of a path, or a `SpillwayError` with its remedy."""
        ...


def endpoints(past: Past) -> dict[str, Endpoint]:
    """What answers under each path."""
    free = asyncio.Semaphore(_AT_ONCE)

    def endpoint(path: str) -> Endpoint:
        async def respond(request: Request) -> Response:
            given = request.query_params.multi_items()
            asked = dict(given)
            if len(asked) < len(given):
                return _refusal(
                    WrongQuestion("an option is given twice", remedy="Write each once: only one could count.")
                )
            if any(len(value) > _LONGEST for value in asked.values()):
                return _refusal(
                    WrongQuestion("a value is too long", remedy=f"{_LONGEST} characters are enough.")
                )
            async with free:
                if await request.is_disconnected():  # nobody waits any more, and others do
                    return Response(status_code=_GONE)
                return await asyncio.to_thread(_answer, past, path, asked)

        return respond

    return {path: endpoint(path) for path in OPTIONS}


def _answer(past: Past, path: str, asked: Mapping[str, str]) -> Response:
    try:
        document = past.answer(path, asked)
    except SpillwayError as error:
        return _refusal(error)
    return Response(msgspec.json.encode(document), media_type="application/json")


def _refusal(error: SpillwayError) -> Response:
    """What is wrong and what to do, as an object: 400 for what was asked, 404 for what is not there."""
    status = error.status if isinstance(error, WrongQuestion) else 400
    body = msgspec.json.encode({"error": str(error), "remedy": error.remedy})
    return Response(body, status_code=status, media_type="application/json")
