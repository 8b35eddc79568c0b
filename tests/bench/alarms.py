"""`python -m tests.bench alarms [NAME ...]`: which alarms each story of the library raises, when, and how urgent they are."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from tests.sim.alarm_diary import SCENARIOS, of_the_library, played

_STYLES = {"page": "red", "ticket": "yellow", "note": "dim"}


def main(words: Sequence[str]) -> int:
    """Play the stories named by `words` (all by default) and list their alarms."""
    console = Console()
    for name in words or sorted(path.stem for path in SCENARIOS.glob("*.yaml")):
        table = Table(title=name, title_justify="left", box=None, pad_edge=False)
        for heading in ("from", "to", "severity", "code", "where", "sentence"):
            table.add_column(
                heading,
                justify="right" if heading in {"from", "to"} else "left",
                no_wrap=heading != "sentence",
            )
        for told in played(of_the_library(name)).alarms:
            alarm = told.alarm
            where = " ".join(part for part in (alarm.service, alarm.region or "") if part)
            severity = alarm.severity.value
            table.add_row(
                f"{told.since / 60:.0f} min",
                f"{told.until / 60:.0f} min",
                f"[{_STYLES[severity]}]{severity}[/]",
                alarm.code,
                where,
                alarm.sentence,
            )
        console.print(table)
    return 0
