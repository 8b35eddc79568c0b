"""Why a region is still closed, and what would open it, by the record of one pass and the moves before it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from spillway.adapters.journal.moments import clock, stamp
from spillway.control.told import elapsed
from spillway.core.decide.reopen import (
    COSTLY_PROBE_P_RECOVERED,
    NEEDED_P_RECOVERED,
    PROBE_COST_SHARE,
    PROBE_P_RECOVERED,
)
from spillway.core.estimate.belief import AUTO_DRAIN_BELOW
from spillway.core.values.decision import BackendState, Lever
from spillway.core.values.orders import OrderKind

_CLOSED = frozenset(
    {
        BackendState.DRAINING.value,
        BackendState.DRAINED.value,
        BackendState.PINNED.value,
        BackendState.EDITED.value,
        BackendState.HELD.value,
    }
)
"""States in which a region may be closed; a standby that waits to be called is not closed."""
_CEILINGS = frozenset({Lever.SCALER.value, Lever.WEIGHT.value, Lever.MEMBERSHIP.value})


def still_closed(
    connection: sqlite3.Connection,
    told: Mapping[str, Any],
    orders: Sequence[Mapping[str, Any]],
    service: str,
    backend: Mapping[str, Any],
) -> list[str]:
    """Since when a region is closed, why it still is, and what would open it; nothing of one that is open or moves in this pass.

    Args:
        connection: To the journal.
        told: What the pass says about itself.
        orders: Those in force then.
        service: Whose region it is.
        backend: What was believed of the region.

    Raises:
        sqlite3.Error: the journal cannot be read, or not in time.
    """
    region = backend["region"]
    shut = backend["state"] in _CLOSED and (not backend["member"] or backend["scaler_wanted"] == 0.0)
    moves = any(move["service"] == service and move["region"] == region for move in told.get("moves", ()))
    if not shut or moves:
        return []
    lines = [*_since(connection, told["at"], service, region)]
    order = _order(orders, service, region)
    refused = _refused(told, service, region)
    # what people have ordered or set comes first: no rule of Spillway opens it
    if order is not None:
        lines.append(order)
    elif backend["state"] == BackendState.EDITED.value:
        lines.append(
            "It opens when the value from outside is put back or its time ends, or when an order names the region."
        )
    elif refused is not None:
        lines.append(refused)
    elif backend["healthy_share"] is not None and backend["healthy_share"] < AUTO_DRAIN_BELOW:
        lines.append(
            f"It is not opened while its health checks fail: healthy {100 * backend['healthy_share']:.0f}%. First they must pass."
        )
    else:
        lines.append(_awaited())
    return [f"  {line}" for line in lines]


def _since(connection: sqlite3.Connection, at: float, service: str, region: str) -> list[str]:
    """When it was closed, by the last move of it before the pass; nothing where that move is not kept."""
    row = connection.execute(
        "SELECT at, after, code FROM marks WHERE at < ? AND service = ? AND region = ? AND outcome <> 'advice' "
        "ORDER BY at DESC LIMIT 1",
        (at, service, region),
    ).fetchone()
    if row is None:
        return []
    return [f"It is closed since {clock(row[0])} UTC, {elapsed(at - row[0])} ({row[2]})."]


def _order(orders: Sequence[Mapping[str, Any]], service: str, region: str) -> str | None:
    """The order that keeps it closed; None where no order does."""
    for order in orders:
        if order["service"] not in {None, service} or order["region"] not in {None, region}:
            continue
        who = order.get("by") or "somebody"  # an order of an older version names nobody
        kind = order["kind"]
        until = "it is taken back" if order["until"] is None else stamp(order["until"])
        if kind == OrderKind.DRAIN.value or (kind == OrderKind.PIN.value and order["scaler"] == 0.0):
            return f'A {kind} by {who} keeps it closed until {until} ("{order["reason"]}"). `spillway release {region}` ends it.'
        if kind == OrderKind.HOLD.value:
            return f'A hold by {who} keeps it as it is until {until} ("{order["reason"]}"). `spillway release` ends it.'
    return None


def _refused(told: Mapping[str, Any], service: str, region: str) -> str | None:
    """The limit that kept it closed in this pass; None where no opening was refused."""
    for refusal in told.get("refusals", ()):
        move = refusal["move"]
        if (move["service"], move["region"]) == (service, region) and move["lever"] in _CEILINGS:
            return f"It was to be opened ({move['lever']} {move['after']}), and a limit was in the way: {refusal['sentence']} ({refusal['guard']}). It opens when that limit allows it."
    return None


def _awaited() -> str:
    """What is awaited where nothing was refused: the rules of `core.decide.reopen`."""
    return (
        "No limit was in the way: its opening was not proposed yet. It is proposed once it has been well for `rhythm.up_wait`, "
        "its dwell is over (`rhythm.dwell`, longer after a move that disappointed), and, if it was closed for bad answers, what it was closed for is "
        f"over with a chance of {PROBE_P_RECOVERED:.0%}: {COSTLY_PROBE_P_RECOVERED:.0%} where a trial may cost more than "
        f"{PROBE_COST_SHARE:.1%} of the demand, {NEEDED_P_RECOVERED:.0%} where the other regions are short. The chance grows with the time."
    )
