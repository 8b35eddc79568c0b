"""Times as people and pages write them: UTC seconds, `-6h`, `03:12`, `2026-11-30T03:12Z`. There is one clock, UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spillway.config.fields import parse_duration
from spillway.errors import SpillwayError

_SECONDS = re.compile(r"\d{1,12}(\.\d+)?")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_NO_SECONDS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(Z|[+-]\d\d:\d\d)?")
_MINUTE = 59.999
"""What a time without seconds means, beyond its first moment: the whole minute."""
_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""UTC seconds of the last day that can be written as a date."""

FORMS = "Write -2h, 03:12, 2026-11-30T03:12Z, or seconds since 1970; all times are UTC."


class WrongQuestion(SpillwayError):
    """A question that has no answer: a time that is none, a service that is not known, nothing recorded.

    Args:
        message: what is wrong.
        remedy: what to ask instead.
        status: 400 for a wrong question, 404 where nothing is recorded.
    """

    def __init__(self, message: str, *, remedy: str, status: int = 400) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (excluded) to `until` (included), in UTC seconds."""

    since: float
    until: float


def parse_moment(text: str, now: float, *, whole_minute: bool = False) -> float:
    """UTC seconds of a time; 0 for one before 1970.

    Args:
        text: `now`, UTC seconds, `-2h` or `2h` (that long ago), `03:12` (the last one), or ISO 8601.
        now: the world's UTC seconds.
        whole_minute: a time without seconds means the end of its minute.

    Raises:
        WrongQuestion: it is none of these, or lies beyond the year 9999.
    """
    at = _seconds(text, now, whole_minute=whole_minute)
    if not at < _END:
        raise WrongQuestion(f"{text[:60]!r} is no time", remedy=FORMS)
    return max(0.0, at)


def _seconds(text: str, now: float, *, whole_minute: bool) -> float:
    """The same, of any year."""
    text = text.strip()
    rest = _MINUTE if whole_minute else 0.0
    if text == "now":
        return now
    if _SECONDS.fullmatch(text):
        return float(text)
    if found := _CLOCK.fullmatch(text):
        today = datetime.fromtimestamp(now, tz=UTC)
        at = today.replace(hour=int(found[1]), minute=int(found[2]), second=int(found[3] or 0), microsecond=0)
        if at > today:
            at -= timedelta(days=1)
        return at.timestamp() + (0.0 if found[3] else rest)
    try:
        return now - parse_duration(text.removeprefix("-"))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return at.timestamp() + (rest if _NO_SECONDS.fullmatch(text) else 0.0)
    except (ValueError, OverflowError):
        raise WrongQuestion(f"{text[:60]!r} is no time", remedy=FORMS) from None


def parse_span(since: str | None, until: str | None, now: float, *, default: float) -> Span:
    """A time from `since` to `until`; the last `default` seconds where neither is given.

    Raises:
        WrongQuestion: one of them is no time, or they end before they begin.
    """
    end = now if until is None else parse_moment(until, now, whole_minute=True)
    begin = end - default if since is None else parse_moment(since, now)
    if begin >= end:
        raise WrongQuestion("the time ends before it begins", remedy="Give `since` a time before `until`.")
    return Span(begin, end)


def stamp(seconds: float) -> str:
    """`2026-11-30 03:12:05 UTC`."""
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(seconds: float) -> str:
    """`03:12:05`."""
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%H:%M:%S}"
