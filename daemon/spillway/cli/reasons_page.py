"""docs/reasons.md, made from the core's table of reasons; and the table of states in docs/architecture.md."""

from __future__ import annotations

import re

from spillway.core.explain import reasons
from spillway.core.explain.reasons import Kind
from spillway.core.values import lifecycle

_TITLES = {
    Kind.MOVE: "Why something was moved",
    Kind.GUARD: "Why a move was refused",
    Kind.VERDICT: "What became of a move",
    Kind.NOTE: "What was noticed about a region",
    Kind.ALARM: "What somebody should look at now",
    Kind.QUIET: "Why nothing was done",
}
_MORE = {
    Kind.ALARM: (
        "",
        "[The runbook](runbook.md) has a section for each: how urgent it is, whom it hurts, what to look at and what to do.",
    )
}
"""What stands under a title."""
_FORMAT = re.compile(r"\{(\w+)[^}]*\}")


def render() -> str:
    """The page as Markdown."""
    lines = [
        "# Reasons",
        "",
        "Every move, every refusal and every tick without a move has a reason. Its code stands in the journal, in `/status`",
        "and in the labels of the metrics, and does not change; its sentence carries the numbers of the moment. This page is",
        "made from the code by `make docs`.",
    ]
    for kind, title in _TITLES.items():
        rows = [template for template in reasons.table() if template.kind is kind]
        if rows:
            lines += [
                "",
                f"## {title}",
                *_MORE.get(kind, ()),
                "",
                "| code | sentence | what it means |",
                "| --- | --- | --- |",
            ]
            lines += [f"| `{row.code}` | {_cell(row.sentence)} | {_cell(row.meaning)} |" for row in rows]
    return "\n".join(lines) + "\n"


def states() -> str:
    """The table of states for the page of the architecture, as Markdown."""
    lines = ["| state | on | becomes |", "| --- | --- | --- |"]
    lines += [
        f"| {before.value} | {event.value} | {after.value} |" for before, event, after in lifecycle.table()
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text for a table cell: numbers in italics, bars escaped."""
    return _FORMAT.sub(r"*\1*", text).replace("|", "\\|")
