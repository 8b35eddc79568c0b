"""Pages of lists: `maxResults`, `pageToken`, `filter`, `orderBy`, and the answer's frame."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from spillway.sandbox.filters import compile_filter
from spillway.sandbox.refusals import invalid

MOST = 500
"""Largest and default page of the Compute API."""


def page(
    items: list[dict[str, Any]], query: Mapping[str, str], *, schema: str = "", size: str = "maxResults"
) -> tuple[list[dict[str, Any]], str | None]:
    """Filter, order and cut a list.

    Args:
        items: what there is, as answered, in the order of names.
        query: the parameters of the request.
        schema: the published schema of what is listed; needed where the method takes a filter.
        size: the parameter that holds the page size.

    Returns:
        The page and the token of the next one, None at the end.

    Raises:
        Refusal: a parameter is refused (400).
    """
    if query.get("filter"):
        accept = compile_filter(query["filter"], schema)
        items = [item for item in items if accept(item)]
    items = _ordered(items, query.get("orderBy", ""))
    start = _decode(query["pageToken"]) if query.get("pageToken") else 0
    most = _size(query.get(size), size)
    return items[start : start + most], _encode(start + most) if start + most < len(items) else None


def _ordered(items: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    if order in {"", "name"}:
        return items
    if order == "creationTimestamp desc":
        return sorted(
            items,
            key=lambda item: str(item.get("creationTimestamp", item.get("insertTime", ""))),
            reverse=True,
        )
    raise invalid("orderBy", order, "Only name and creationTimestamp desc are supported.")


def _size(text: str | None, name: str) -> int:
    if text is None:
        return MOST
    if not text.isdecimal() or int(text) > MOST:
        raise invalid(name, text, f"Must be between 0 and {MOST}.")
    return int(text) or MOST


def _encode(start: int) -> str:
    return base64.urlsafe_b64encode(f"from:{start}".encode()).decode()


def _decode(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        word, number = "", ""
    if word != "from" or not number.isdecimal():
        raise invalid("pageToken", token, "The page token is invalid.")
    return int(number)


def frame(
    kind: str, place: str, items: list[dict[str, Any]], token: str | None, version: str
) -> dict[str, Any]:
    """The answer to a list; without `items` where there are none, as the API does it."""
    answer: dict[str, Any] = {
        "kind": kind,
        "id": place,
        "selfLink": f"https://www.googleapis.com/compute/{version}/{place}",
    }
    if items:
        answer["items"] = items
    if token is not None:
        answer["nextPageToken"] = token
    return answer


def aggregate(
    kind: str, place: str, collection: str, groups: Mapping[str, list[dict[str, Any]]], version: str
) -> dict[str, Any]:
    """The answer to an aggregated list: one entry for each scope, with a warning where it is empty."""
    answer: dict[str, Any] = {
        "kind": kind,
        "id": place,
        "selfLink": f"https://www.googleapis.com/compute/{version}/{place}",
        "items": {},
    }
    for scope, items in groups.items():
        if items:
            answer["items"][scope] = {collection: items}
        else:
            data = [{"key": "scope", "value": scope}]
            answer["items"][scope] = {
                "warning": {
                    "code": "NO_RESULTS_ON_PAGE",
                    "message": f"There are no results for scope '{scope}' on this page.",
                    "data": data,
                }
            }
    return answer
