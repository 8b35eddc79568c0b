"""What happens during a demo, as a stream of lines: the world's faults, and the daemon's decisions as they fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from spillway.control.told import shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story."""

    at: float
    """World seconds since the start."""
    who: Literal["world", "spillway", "alarm"]
    text: str


class Decisions:
    """Turns the daemon's /status into lines, each decision once, oldest first."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._seen: set[tuple[int, str, float]] = set()
        self._alarms: set[tuple[str, str]] = set()
        self.levers: set[str] = set()
        """Levers that the daemon has moved by itself so far."""
        self.writes = 0
        """Writes that it has begun so far."""
        self.moves = 0
        """Moves that those writes carried out."""

    def lines(self, status: dict[str, Any]) -> list[Line]:
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

    def _lines(self, decision: dict[str, Any]) -> list[Line]:
        at = decision["at"] - self._epoch
        lines = []
        for move in decision["moves"]:
            self.levers.add(move["lever"])
            lines.append(Line(at=at, who="spillway", text=_told(move)))
        lines.extend(Line(at=at, who="spillway", text=verdict) for verdict in decision["verdicts"])
        applied = decision["applied"]
        self.writes += applied is not None
        if applied is not None and applied["outcome"] == "done":
            self.moves += len(decision["moves"])
        elif applied is not None and applied["outcome"] != "unchanged":
            lines.append(Line(at=at, who="alarm", text=applied["sentence"]))
        return lines

    def _new_alarms(self, status: dict[str, Any]) -> list[Line]:
        """Alarms that were not up at the last look."""
        up = {
            (alarm["service"], shape(alarm["sentence"])): f"{alarm['service']}: {alarm['sentence']}"
            for alarm in status["alarms"]
        }
        at = (status["at"] or self._epoch) - self._epoch
        lines = [
            Line(at=at, who="alarm", text=sentence) for key, sentence in up.items() if key not in self._alarms
        ]
        self._alarms = set(up)
        return lines


def _told(move: dict[str, Any]) -> str:
    """One move in one sentence: what, where, why; without the runner-up, which the page and the journal have."""
    where = f"{move['region']} in {move['service']}" if move["region"] else move["service"]
    why = move["reason"]["sentence"].partition("; next best: ")[0]
    return f"{where}: {move['lever']} {move['before']} -> {move['after']}: {why}"
