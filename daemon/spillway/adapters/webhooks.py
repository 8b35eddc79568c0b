"""Tells webhooks of alarms, each from a thread of its own that never holds up the loop.

A message waits in a bounded queue and is tried until its deadline, with growing waits, or those that the receiver asks for. What a
receiver refuses for good is not tried again. What was not delivered is counted and told: it is an alarm of its own. The URL of a
webhook is a secret, so no line and no error holds it; its place in the configuration names it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from spillway import __version__
from spillway.adapters.http_deadline import DeadlineAdapter
from spillway.adapters.webhook_messages import MOST_TOLD, Told, json_message, slack_message
from spillway.config.reading import read_bounded
from spillway.config.webhooks import LONGEST_URL, url_flaw
from spillway.control.alarms import AlarmNews
from spillway.core.values.alarms import Severity

_log = logging.getLogger(__name__)

MOST_WAITING = 100
"""Messages that wait for one receiver at most; the oldest gives way."""
DEADLINE = 900.0
"""Wall seconds for which one message is tried."""
ANSWER_SECONDS = 10.0
"""Wall seconds of one try, to the end of the answer."""
LEAST_SECONDS = 0.2
"""Wall seconds of the last try, however near the deadline is."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Wall seconds between tries: doubled after each failure."""
GAP = 1.1
"""Wall seconds between two messages to one receiver: Slack takes one a second (api.slack.com, rate limits)."""

_AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 after which a message is tried again."""
_FORMATS = {"json": json_message, "slack": slack_message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver."""

    name: str
    """Its place in the configuration, such as `daemon.webhooks[0]`."""
    url: str = field(default="", repr=False)
    url_file: Path | None = None
    """Holds the URL, where `url` is empty."""
    form: str = "json"
    severities: frozenset[Severity] = frozenset(Severity)

    def read_url(self) -> str:
        """Where to send to.

        Raises:
            OSError: the file cannot be read.
            ValueError: what it holds is no URL that is allowed.
        """
        url = self.url
        if self.url_file is not None:
            url = read_bounded(self.url_file, LONGEST_URL + 2).decode("ascii").strip()
        flaw = url_flaw(url)
        if flaw:
            raise ValueError(flaw)
        return url


@dataclass(frozen=True, slots=True)
class _Message:
    body: bytes
    until: float
    """Monotonic seconds after which it is given up."""


class Webhooks:
    """All receivers of one daemon.

    Args:
        receivers: where to send to.
        load_balancer: `name` of the configuration.
        now: the world's UTC seconds.
    """

    def __init__(self, receivers: Sequence[Webhook], load_balancer: str, now: Callable[[], float]) -> None:
        self._load_balancer = load_balancer
        self._now = now
        self._senders = tuple((receiver, _Sender(receiver)) for receiver in receivers)

    def start(self) -> None:
        """Begin to send."""
        for _, sender in self._senders:
            sender.start()

    def send(self, news: AlarmNews) -> None:
        """Hand over what is to be told; never waits."""
        told: list[Told] = [
            *(("firing", alarm) for alarm in news.firing),
            *(("resolved", alarm) for alarm in news.resolved),
        ]
        for receiver, sender in self._senders:
            taken = [each for each in told if each[1].severity in receiver.severities]
            if taken:
                shown, left_out = taken[:MOST_TOLD], max(0, len(taken) - MOST_TOLD)
                message = _FORMATS[receiver.form](self._load_balancer, shown, self._now(), left_out)
                sender.put(message)

    def stop(self, seconds: float) -> None:
        """Send what waits, for `seconds` at most; the rest is lost."""
        until = time.monotonic() + seconds
        for _, sender in self._senders:
            sender.finish()
        for _, sender in self._senders:
            sender.join(max(0.0, until - time.monotonic()))

    def lost(self) -> int:
        """Messages that were not delivered since the start."""
        return sum(sender.lost for _, sender in self._senders)

    def why(self) -> str:
        """Why the newest of them was not."""
        reasons = [(sender.lost_at, sender.why) for _, sender in self._senders if sender.lost]
        return max(reasons, default=(0.0, ""))[1]


class _Sender:
    """The thread of one receiver."""

    def __init__(self, receiver: Webhook) -> None:
        self._receiver = receiver
        self._changed = threading.Condition()
        self._waiting: deque[_Message] = deque()
        self._finishing = False
        self._thread = threading.Thread(target=self._run, name="spillway-webhook", daemon=True)
        self.lost = 0
        self.why = ""
        self.lost_at = 0.0
        """Monotonic seconds of the newest loss."""

    def start(self) -> None:
        self._thread.start()

    def put(self, body: bytes) -> None:
        """Queue a message; where too many wait, the oldest is lost."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._lose("too many messages wait")
            self._waiting.append(_Message(body, time.monotonic() + DEADLINE))
            self._changed.notify()

    def finish(self) -> None:
        """Send what waits, each message once, then end."""
        with self._changed:
            self._finishing = True
            self._changed.notify()

    def join(self, seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while (message := self._next()) is not None:
            try:
                self._deliver(message)
            except Exception as error:  # noqa: BLE001 the thread must go on; the error may hold the URL
                self._lose(f"a defect of Spillway ({type(error).__name__})")
            self._pause(GAP)
        with self._changed:
            left = len(self._waiting)
        if left:
            _log.warning("%s: %d messages are not sent: the daemon stops.", self._receiver.name, left)

    def _next(self) -> _Message | None:
        """The next message; None at the end."""
        with self._changed:
            while not self._waiting and not self._finishing:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _deliver(self, message: _Message) -> None:
        """Try until it is delivered, refused for good, or late."""
        wait = FIRST_WAIT
        while True:
            flaw, again = self._try(message)
            if not flaw:
                return
            left = message.until - time.monotonic()
            pause = wait if again is None else max(wait, again)
            if again == _NEVER or self._finishing or pause >= left:
                self._lose(flaw)
                return
            self._pause(pause)
            wait = min(LONGEST_WAIT, 2.0 * wait)

    def _try(self, message: _Message) -> tuple[str, float | None]:
        """Why it was not delivered, empty where it was; and after how many seconds to try again, if the receiver says so."""
        try:
            url = self._receiver.read_url()
        except OSError as error:
            return f"its file cannot be read: {error.strerror or type(error).__name__}", None
        except ValueError as error:
            # a wrong encoding quotes what it could not read
            flaw = "its file holds no URL" if isinstance(error, UnicodeError) else str(error)
            return flaw, None
        seconds = max(LEAST_SECONDS, min(ANSWER_SECONDS, message.until - time.monotonic()))
        try:
            with (
                _session(url) as session,
                session.post(
                    url,
                    data=message.body,
                    headers={"Content-Type": "application/json", "User-Agent": f"spillway/{__version__}"},
                    timeout=seconds,
                    allow_redirects=False,
                    stream=True,  # nobody reads what is answered beside the status
                ) as answer,
            ):
                return _judged(answer)
        except requests.Timeout:
            return f"no answer within {seconds:.0f} s", None
        except (requests.RequestException, OSError) as error:
            return _told(error), None

    def _lose(self, why: str) -> None:
        """Count a message that is not delivered, and say so."""
        self.lost += 1
        self.why = f"{self._receiver.name}: {why}"
        self.lost_at = time.monotonic()
        _log.error("A message about alarms was not delivered: %s", self.why)

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the order to finish."""
        with self._changed:
            self._changed.wait_for(lambda: self._finishing, timeout=seconds)


_NEVER = float("inf")
"""Seconds after which something is tried again that the receiver refuses for good."""


def _session(url: str) -> requests.Session:
    """A session for one message, whose answer has one deadline; what is on this machine is reached without a proxy."""
    session = requests.Session()
    session.trust_env = not url.startswith("http://")
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(max_retries=0))
    return session


def _judged(answer: requests.Response) -> tuple[str, float | None]:
    """What a receiver's answer means, as `_try` gives it back."""
    status = answer.status_code
    if 200 <= status < 300:
        return "", None
    flaw = f"the receiver answers {status}"
    if 300 <= status < 400:
        return f"{flaw}, and redirects are not followed", _NEVER
    if status >= 500 or status in _AGAIN:
        return flaw, _retry_after(answer.headers.get("Retry-After", ""))
    return flaw, _NEVER


def _retry_after(text: str) -> float | None:
    """Seconds that a receiver asks for, as a number or as a date (RFC 9110, 10.2.3); None where it asks for none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _told(error: Exception) -> str:
    """Why a connection failed, without the URL that errors of `requests` hold."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    found: BaseException | None = error
    for _ in range(10):
        if isinstance(found, OSError) and found.strerror and not isinstance(found, requests.RequestException):
            return found.strerror
        below = getattr(found, "reason", None) or getattr(found, "__cause__", None)
        if not isinstance(below, BaseException):
            below = next((arg for arg in getattr(found, "args", ()) if isinstance(arg, BaseException)), None)
        if below is None:
            break
        found = below
    return f"no connection ({type(error).__name__})"
