"""docs/runbook.md, made from the core's table of reasons: one section for each alarm, whose anchor is its code."""

from __future__ import annotations

import re

from spillway.core.explain.reasons import ALARMS, AlarmTemplate
from spillway.core.explain.templates import SETTLING
from spillway.core.values.alarms import RANK, Severity
from spillway.core.values.decision import span

_INTRODUCTION = f"""# Runbook

One section for each alarm. This page is made from the code by `make docs`; the link of an alarm in `spillway status`, `/status` and
webhooks leads to its section.

| severity | means | default webhooks |
| --- | --- | --- |
| `page` | users are hurt now or within minutes, and a person can do something about it | told |
| `ticket` | a person is needed this day | told |
| `note` | worth knowing; nobody is needed | not told |

A quiet fleet has no alarm. What one reading shows comes up after two ticks in a row ({SETTLING:.0f} s at least), and is over after two ticks
without it. What was judged over minutes comes up at once. What is a fact, such as a file that is refused, comes and goes at once.

**First, always:** `spillway status` shows what is wrong now, since when, which orders are in force, and how old the figures are.
`spillway alarms` lists the alarms alone. `spillway explain` tells what Spillway did about it, what else it could do, and which limit is in
its way.

**You know of it and work on it:** `spillway silence CODE --for 2h --reason TEXT` (with `--service` and `--region` for one of several).
The alarm stays visible, and no webhook tells it. `spillway unsilence CODE` ends that.

**Spillway itself does harm:** `spillway hold --for 1h --reason TEXT` keeps every lever as it is. `spillway mode observe --for 1h --reason TEXT`
lets it watch and advise alone. Your own changes in the console stand: Spillway leaves them alone for two hours.
"""

_TITLES = {
    Severity.PAGE: "Pages",
    Severity.TICKET: "Tickets",
    Severity.NOTE: "Notes",
}
_FORMAT = re.compile(r"\{(\w+)[^}]*\}")


def render() -> str:
    """The page as Markdown."""
    rows = sorted(ALARMS.values(), key=lambda row: RANK[row.severity])
    lines = [_INTRODUCTION]
    for severity, title in _TITLES.items():
        links = [f"[`{row.code}`](#{row.code})" for row in rows if row.severity is severity]
        lines.append(f"**{title}:** {' · '.join(links)}\n")
    lines += [_section(row) for row in rows]
    return "\n".join(lines)


def _section(row: AlarmTemplate) -> str:
    """One alarm."""
    return "\n".join(
        [
            f"## {row.code}",
            "",
            f"**{row.severity.value.capitalize()}** · {_pace(row)}",
            "",
            f"> {_FORMAT.sub(_placeholder, row.sentence)}",
            "",
            row.meaning,
            "",
            f"- **Whom it hurts.** {row.hurts}",
            f"- **What Spillway does.** {row.does}",
            "",
            "**Look at**",
            "",
            *(f"{number}. {step}" for number, step in enumerate(row.look, 1)),
            "",
            "**Do**",
            "",
            *(f"- {step}" for step in row.act),
            "",
            f"**It ends** {row.ends[:1].lower()}{row.ends[1:]}",
            "",
        ]
    )


def _placeholder(found: re.Match[str]) -> str:
    return f"*{found.group(1)}*"


def _pace(row: AlarmTemplate) -> str:
    """When it comes up and when it is over, in words."""
    rise, fall = row.pace.rise, row.pace.fall
    up = "up at once" if rise <= 0.0 else f"up once it was seen for {span(rise)}"
    over = "over at once" if fall <= 0.0 else f"over once it was not seen for {span(fall)}"
    return f"{up}, {over}"
