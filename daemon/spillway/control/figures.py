"""The figures that are summed up tick by tick: what users got, and what acting saves by the model.

Both are kept with what survives the process, so that a restart counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from spillway.control.answered import AnswerCounts, Answered
from spillway.control.memory import Kept
from spillway.control.savings import Savings, SavingsLedger
from spillway.core.loop import StepResult
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.topology import ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The sums after a tick."""

    answered: tuple[Answered, ...] = ()
    savings: Savings = field(default_factory=Savings)


class FigureDesk:
    """Adds up the figures of this process.

    Args:
        kept: what survived the process before.
    """

    def __init__(self, kept: Kept) -> None:
        self._answers = AnswerCounts(kept.counted)
        self._savings = SavingsLedger(kept.savings)
        self.latest = Figures(savings=kept.savings)
        """As they are shown until the next tick."""

    def tick(
        self,
        snapshot: Snapshot,
        result: StepResult,
        policies: Mapping[ServiceName, Policy],
        starting: Overlay,
        kept: Kept,
    ) -> Kept:
        """Add one tick, after its write, and give back what is to be kept."""
        self.latest = Figures(
            answered=self._answers.take(snapshot, policies),
            savings=self._savings.add(
                result.considered,
                at=snapshot.at,
                stands=kept.overlay if kept.overlay is not None else result.overlay,
                starting=starting,
                orders=kept.holds.active(snapshot.at),
            ),
        )
        return replace(kept, counted=self._answers.counted(), savings=self.latest.savings)
