"""What webhooks send: the alarms as JSON, or a message for Slack.

Slack's limits (api.slack.com: block kit, formatting text, rate limits): a header has 150 characters of plain text, a section 3,000, a
message 50 blocks; all blocks together are refused from some 13,000 characters on (slackapi/bolt-js#2509). `&`, `<` and `>` are
written as entities, so that no text of an alarm can mention a channel or forge a link.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from spillway.adapters.status_document import plain
from spillway.core.values.alarms import ActiveAlarm

SCHEMA = 1
"""Of the JSON message; raised when a field changes its meaning or disappears."""
MOST_TOLD = 15
"""Alarms in one message at most: as many as fit into Slack's blocks. The rest are counted."""
_LONGEST_SECTION = 700
"""Characters of one alarm in Slack, entities included: 15 of them keep below what Slack takes."""
_LONGEST_HEADER = 150
_LONGEST_NAME = 60
"""Characters of a service or a part, in a line that has others beside it."""

Told = tuple[str, ActiveAlarm]
"""(`firing` or `resolved`, the alarm)."""


def json_message(load_balancer: str, told: Sequence[Told], at: float, left_out: int) -> bytes:
    """The generic message; `at` is UTC seconds."""
    document = {
        "schema": SCHEMA,
        "load_balancer": load_balancer,
        "at": at,
        "alarms": [{**plain(alarm), "status": status} for status, alarm in told],
        "left_out": left_out,
    }
    return json.dumps(document, allow_nan=False).encode()


def slack_message(load_balancer: str, told: Sequence[Told], at: float, left_out: int) -> bytes:
    """The message for an incoming webhook of Slack; `at` is UTC seconds, when the alarms came up or ended."""
    title = _title(load_balancer, told)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:_LONGEST_HEADER], "emoji": False}}
    ]
    blocks += [
        {"type": "section", "text": {"type": "mrkdwn", "text": _section(status, alarm, at), "verbatim": True}}
        for status, alarm in told
    ]
    if left_out:
        more = {"type": "mrkdwn", "text": f"and {left_out} more: `spillway alarms` lists them"}
        blocks.append({"type": "context", "elements": [more]})
    return json.dumps({"text": escaped(title), "blocks": blocks}).encode()


def _title(load_balancer: str, told: Sequence[Told]) -> str:
    """How many alarms fire and how many are resolved: also what a phone shows of the message."""
    firing = [alarm for status, alarm in told if status == "firing"]
    resolved = len(told) - len(firing)
    worst = firing[0].severity.value if firing else ""
    parts = []
    if firing:
        parts.append(f"{worst}: {firing[0].code}" + (f" and {len(firing) - 1} more" if firing[1:] else ""))
    if resolved:
        parts.append(f"{resolved} resolved")
    return f"{load_balancer}: {', '.join(parts)}"


def _section(status: str, alarm: ActiveAlarm, at: float) -> str:
    """One alarm: what it is, whose, its sentence, since when, when it was over, and the way to its runbook."""
    where = " ".join(part[:_LONGEST_NAME] for part in (alarm.service, alarm.region or "") if part)
    head = f"*{status.capitalize()} {alarm.severity.value}* `{alarm.code}` {escaped(where)}".rstrip()
    since = f"since {datetime.fromtimestamp(alarm.since, UTC):%Y-%m-%d %H:%M} UTC"
    if status == "resolved":
        since += f", over at {datetime.fromtimestamp(at, UTC):%H:%M} UTC"
    runbook = escaped(alarm.runbook)
    link = f"<{runbook}|runbook>" if alarm.runbook.startswith(("https://", "http://")) else runbook
    tail = f"{since} · {link}"
    room = _LONGEST_SECTION - len(head) - len(tail) - 2
    return f"{head}\n{_cut(alarm.sentence, max(0, room))}\n{tail}"


def escaped(text: str) -> str:
    """Text in which Slack sees no markup of links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, room: int) -> str:
    """`text` escaped and cut to `room` characters, never inside an entity."""
    whole = escaped(text)
    if len(whole) <= room:
        return whole
    kept = ""
    for character in text:
        if len(kept) + len(escaped(character)) > room - 1:
            break
        kept += escaped(character)
    return f"{kept}…"
