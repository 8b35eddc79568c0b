"""The protocol of the control socket: one JSON object a line, one request and one answer on each connection.

Version 1. A request: `{"v": 1, "command": "drain", "service": null, "region": "us-east4", "scaler": null, "mode": null,
"seconds": 7200.0, "reason": "...", "force": false, "timeout": 30.0, "on_behalf_of": "", "code": null}`; all but `v` and `command`
may be missing. `code` names the alarm of a `silence`. `seconds` null or missing: until it is taken back. `timeout`: wall seconds that the sender waits. `on_behalf_of`
counts only where root sends it.

An answer: `{"v": 1, "verdict": "done", "sentence": "...", "guard": "", "remedy": "", "notes": [], "orders": [], "page": "", "at": 0.0,
"alarms": [], "left_out": 0, "silences": []}`; `page` is the address of the daemon's page in the answer to `orders`; the last four are
filled in for `silence`, `unsilence` and `alarms`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from math import isfinite

import msgspec

from spillway.control.requests import Answer, Command, Request, Verdict

VERSION = 1
LONGEST_REQUEST = 8192
"""Bytes of a request, its newline included."""
LONGEST_ANSWER = 256 * 1024
"""Bytes of an answer that a client reads: 64 orders of some 500 bytes, 200 alarms, and the mistakes of a long configuration."""
LONGEST_WAIT = 900.0
"""Wall seconds that a sender may wait."""
DEFAULT_WAIT = 30.0

_NAME = re.compile(r"[\w.@-]{1,64}")


class _Message(msgspec.Struct):
    """A request as it travels; msgspec refuses values of other types."""

    v: int
    command: Command
    service: str | None = None
    region: str | None = None
    scaler: float | None = None
    mode: str | None = None
    seconds: float | None = None
    reason: str = ""
    force: bool = False
    timeout: float = DEFAULT_WAIT
    on_behalf_of: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A request that was understood, and how long its sender waits."""

    request: Request
    timeout: float


def encode_request(request: Request, timeout: float, on_behalf_of: str = "") -> bytes:
    """One line for the daemon."""
    message = _Message(
        v=VERSION,
        command=request.command,
        service=request.service,
        region=request.region,
        scaler=request.scaler,
        mode=request.mode,
        seconds=request.seconds,
        reason=request.reason,
        force=request.force,
        timeout=timeout,
        on_behalf_of=on_behalf_of,
        code=request.code,
    )
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes, sender: str, *, root: bool) -> Parcel:
    """What a line asks for.

    Args:
        line: as it came.
        sender: who sent it, by the kernel's word.
        root: whether that is root, who may say for whom.

    Raises:
        ValueError: it is no request of this version; the message says why.
    """
    try:
        message = msgspec.json.decode(line, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is no request: {error}") from None
    except RecursionError:
        raise ValueError("this is no request: it is nested deeper than the parser follows") from None
    if message.v != VERSION:
        raise ValueError(f"this daemon speaks version {VERSION} of the protocol, not {message.v}")
    numbers = (message.scaler, message.seconds, message.timeout)
    if any(number is not None and not isfinite(number) for number in numbers):
        raise ValueError("a number is not finite")
    behalf = message.on_behalf_of
    by = f"{behalf} (as {sender})" if root and _NAME.fullmatch(behalf) else sender
    request = Request(
        command=message.command,
        service=message.service,
        region=message.region,
        scaler=message.scaler,
        mode=message.mode,
        seconds=message.seconds,
        reason=message.reason,
        force=message.force,
        by=by,
        code=message.code,
    )
    return Parcel(request=request, timeout=min(LONGEST_WAIT, max(0.0, message.timeout)))


def encode_answer(answer: Answer) -> bytes:
    """One line for the sender."""
    return msgspec.json.encode({"v": VERSION, **asdict(answer)}) + b"\n"


def decode_answer(line: bytes) -> tuple[Answer, dict[str, object]]:
    """An answer, and the same as it was sent.

    Raises:
        ValueError: it is no answer of this version.
    """
    try:
        document = msgspec.json.decode(line, type=dict[str, object])
        if document.pop("v", None) != VERSION:
            raise ValueError("it speaks another version of the protocol")
        return msgspec.convert(document, Answer), document
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"its answer makes no sense: {error}") from None
    except RecursionError:
        raise ValueError("its answer makes no sense: it is nested deeper than the parser follows") from None


def refused(sentence: str, remedy: str = "") -> Answer:
    """The answer to what is no request."""
    return Answer(verdict=Verdict.MISTAKEN, sentence=sentence, remedy=remedy)


def busy(sentence: str) -> Answer:
    """The answer where nothing was done, and may be later."""
    return Answer(verdict=Verdict.UNAVAILABLE, sentence=sentence, remedy="Nothing was done. Try it again.")
