"""Batches: several requests in one body of the form multipart/mixed, as gcloud sends them for two resources or more.

Each part is an HTTP request of its own, and each gets an HTTP answer of its own in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from spillway.sandbox.refusals import Refusal

MOST_PARTS = 1000
"""Calls in one batch that Google takes (Compute API, sending batch requests)."""
BOUNDARY = "batch_of_the_sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One request of a batch."""

    id: str
    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]


Serve = Callable[[Part], Awaitable[tuple[int, dict[str, Any]]]]
"""One request to its status and answer."""


async def answer(raw: bytes, content_type: str, serve: Serve) -> bytes:
    """The body of the answer to a batch; its content type is `multipart/mixed` with `BOUNDARY`.

    Raises:
        Refusal: the body is no batch, or too large a one.
    """
    parts = list(_parts(raw, content_type))
    if not 0 < len(parts) <= MOST_PARTS:
        raise Refusal(
            400, "badRequest", f"A batch has 1 to {MOST_PARTS} calls, and this one has {len(parts)}."
        )
    lines: list[str] = []
    for part in parts:
        status, body = await serve(part)
        lines += [f"--{BOUNDARY}", "Content-Type: application/http", f"Content-ID: {_answer_id(part.id)}", ""]
        lines += [
            f"HTTP/1.1 {status} {responses.get(status, '')}",
            "Content-Type: application/json; charset=UTF-8",
        ]
        lines += ["", json.dumps(body)]
    return ("\r\n".join([*lines, f"--{BOUNDARY}--"]) + "\r\n").encode()


def _answer_id(given: str) -> str:
    """`<response-...>`: clients find the answer to a request by it."""
    return f"<response-{given.removeprefix('<').removesuffix('>')}>"


def _parts(raw: bytes, content_type: str) -> Iterator[Part]:
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
    if message.get_content_type() != "multipart/mixed" or not message.is_multipart():
        raise Refusal(400, "badRequest", "A batch is a body of the form multipart/mixed with its boundary.")
    for number, part in enumerate(message.get_payload()):
        if isinstance(part, Message):
            yield _part(part, number)


def _part(part: Message, number: int) -> Part:
    payload = part.get_payload(decode=True)
    head, _, rest = (
        (payload if isinstance(payload, bytes) else b"").replace(b"\r\n", b"\n").lstrip().partition(b"\n")
    )
    words = head.decode("ascii", errors="replace").split()
    if len(words) < 2:
        raise Refusal(400, "badRequest", f"Part {number + 1} of the batch is no HTTP request.")
    _, _, text = rest.partition(b"\n\n")
    try:
        body = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Refusal(400, "parseError", f"Part {number + 1} of the batch: {error}") from error
    address = urlsplit(words[1])
    return Part(
        id=part.get("Content-ID", str(number)),
        method=words[0],
        path=address.path,
        query=dict(parse_qsl(address.query)),
        body=body if isinstance(body, dict) else {},
    )
