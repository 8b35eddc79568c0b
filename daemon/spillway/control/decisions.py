"""What a pass decided, in the one shape of /status, /decisions and `spillway history --json`.

Quiet passes that say the same in other numbers are one entry, so that a quiet night is one line and not six hundred.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spillway.control.told import shape

PASSES = frozenset({"tick", "health"})
"""Kinds of records that are passes of the loop; all others are events, such as orders and reloads."""


class Stories:
    """Compares each pass with the one before it. It is given passes as plain values, in the form of `records.told_record`."""

    def __init__(self) -> None:
        self._shape = ""
        self._moved = True

    def repeats(self, told: Mapping[str, Any]) -> bool:
        """Whether the pass only repeats the one before."""
        applied = told["applied"] is not None
        eventful = bool(told["moves"] or applied or told["verdicts"] or _changed(told))
        same = shape(told["sentence"])
        repeats = not eventful and not self._moved and same == self._shape
        self._shape, self._moved = same, bool(told["moves"])
        return repeats

    def interrupt(self) -> None:
        """Something else happened: the next pass begins an entry of its own."""
        self._moved = True


def _changed(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Alarms that came up with a pass, and those that ended with it."""
    return [
        *({**alarm, "status": "firing"} for alarm in told.get("raised", ())),
        *({**alarm, "status": "resolved"} for alarm in told.get("ended", ())),
    ]


def decision(told: Mapping[str, Any]) -> dict[str, Any]:
    """One entry: a pass or an event, given as plain values; its alarms are those that came up or ended with it."""
    applied = told.get("applied")
    return {
        "tick": told.get("tick", 0),
        "kind": told["kind"],
        "at": told["at"],
        "last_at": told["at"],
        "times": 1,
        "sentence": told.get("sentence", ""),
        "moves": list(told.get("moves", ())),
        "advice": list(told.get("advice", ())),
        "refusals": [_refusal(refusal) for refusal in told.get("refusals", ())],
        "verdicts": [_verdict(verdict) for verdict in told.get("verdicts", ())],
        "alarms": _changed(told),
        "applied": None
        if applied is None
        else {
            "outcome": applied["outcome"],
            "sentence": applied["sentence"],
            "engine_seconds": round(applied["engine_seconds"], 3),
        },
    }


def _refusal(refusal: Mapping[str, Any]) -> dict[str, Any]:
    move = refusal["move"]
    return {
        "guard": refusal["guard"],
        "service": move["service"],
        "region": move["region"],
        "lever": move["lever"],
        "wanted": move["after"],
        "sentence": refusal["sentence"],
    }


def _verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    move = verdict["move"]
    return {
        "service": move["service"],
        "region": move["region"],
        "lever": move["lever"],
        **{name: verdict[name] for name in ("made_at", "predicted", "observed", "better", "sentence")},
    }
