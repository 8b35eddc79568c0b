"""What happens during a demo, as lines in order of time: the world's faults, and the daemon's decisions and alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spillway.control.told import shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of what happens."""

    at: float
    """World seconds since the start."""
    who: Literal["world", "spillway", "alarm"]
    text: str


class Timeline:
    """Lines that are held back until none can come before them.

    The daemon tells of a pass when it has ended, under the time at which it began; meanwhile the world goes on. So what
    the world does is told no earlier than the pass that comes after it.
    """

    def __init__(self, script: Iterable[Line] = ()) -> None:
        self._held = list(script)

    def add(self, lines: Iterable[Line]) -> None:
        """Take in lines in any order."""
        self._held.extend(lines)

    def due(self, until: float) -> list[Line]:
        """Lines up to that world second, oldest first; of one moment in the order in which they came."""
        ready = sorted((line for line in self._held if line.at <= until), key=lambda line: line.at)
        self._held = [line for line in self._held if line.at > until]
        return ready


class Decisions:
    """Turns the daemon's /status into lines, each decision once, oldest first.

    Args:
        epoch: UTC seconds of the world's start.
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._seen: set[tuple[int, str, float]] = set()
        self._alarms: dict[tuple[str, ...], str] = {}
        self.levers: set[str] = set()
        """Levers that the daemon has moved by itself so far."""
        self.writes = 0
        """Writes that it has begun so far."""
        self.moves = 0
        """Moves that those writes carried out."""

    def told_until(self, status: Mapping[str, Any]) -> float:
        """World second up to which the daemon has told everything: the begin of its last pass."""
        at: float | None = status["at"]
        return -1.0 if at is None else at - self._epoch

    def lines(self, status: Mapping[str, Any]) -> list[Line]:
        """What is new since the last call."""
        found = []
        for decision in reversed(status["decisions"]):
            key = (decision["tick"], decision["kind"], decision["at"])
            if key in self._seen:
                continue
            self._seen.add(key)
            if decision["moves"] or decision["verdicts"]:
                found.extend(self._lines(decision))
        found.extend(self._new_alarms(status))
        return found

    def _lines(self, decision: Mapping[str, Any]) -> list[Line]:
        """Verdicts on earlier moves first, as the moves of a pass build on them."""
        at = decision["at"] - self._epoch
        lines = [
            Line(at=at, who="spillway", text=f"{verdict['service']}: {verdict['sentence']}")
            for verdict in decision["verdicts"]
        ]
        for move in decision["moves"]:
            self.levers.add(move["lever"])
            lines.append(Line(at=at, who="spillway", text=told(move)))
        applied = decision["applied"]
        self.writes += applied is not None
        if applied is not None and applied["outcome"] == "done":
            self.moves += len(decision["moves"])
        elif applied is not None and applied["outcome"] != "unchanged":
            lines.append(Line(at=at, who="alarm", text=applied["sentence"]))
        return lines

    def _new_alarms(self, status: Mapping[str, Any]) -> list[Line]:
        """Alarms that have come up since the last look, and those that are over, at the time of the last pass.

        What is over has the text that it came up with, so that people find the two together.
        """
        up = {
            (a["service"], a["code"], a.get("region") or "", shape(a["sentence"])): _alarm(a)
            for a in status["alarms"]
        }
        at = max(0.0, self.told_until(status))
        over = [f"over: {text}" for key, text in self._alarms.items() if key not in up]
        came = [text for key, text in up.items() if key not in self._alarms]
        self._alarms = {key: self._alarms.get(key, text) for key, text in up.items()}
        return [Line(at=at, who="alarm", text=text) for text in (*over, *came)]


def _alarm(alarm: Mapping[str, Any]) -> str:
    severity = f"{alarm['severity']}: " if alarm.get("severity") else ""
    service = f"{alarm['service']}: " if alarm["service"] else ""
    return f"{severity}{service}{alarm['sentence']}"


def told(move: Mapping[str, Any]) -> str:
    """One move in one sentence: what, where, why; without the runner-up, which the page and the journal have."""
    where = f"{move['region']} in {move['service']}" if move["region"] else move["service"]
    why = move["reason"]["sentence"].partition("; next best: ")[0]
    return f"{where}: {move['lever']} {move['before']} -> {move['after']}: {why}"
