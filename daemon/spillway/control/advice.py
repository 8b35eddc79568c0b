"""What a policy in mode `recommend` asks people to do: said once, when it is new."""

from __future__ import annotations

from spillway.control.news import News
from spillway.control.report import Pass, TickReport
from spillway.core.explain.sentence import line
from spillway.core.values.policy import Mode


class AdviceWatch:
    """Remembers the advice of the last tick, so that none is repeated while it stands."""

    def __init__(self) -> None:
        self._news = News[tuple[str, str | None, str, str]]()

    def news(self, report: TickReport) -> tuple[str, ...]:
        """Advice of services whose mode is `recommend` and that the tick before did not give; nothing new in a health pass."""
        if report.kind is not Pass.TICK:
            return ()
        modes = dict(report.modes)
        raised, _ = self._news.of(
            {
                (move.service, move.region, move.lever.value, move.after): line(move)
                for move in report.advice
                if modes.get(move.service) is Mode.RECOMMEND
            }
        )
        return raised
