"""From what an engine ran into to what the daemon must know: the outcome, and a sentence for people."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spillway.adapters.engine.describe import SECRET
from spillway.adapters.engine.ownership import OtherNameError
from spillway.adapters.engine.provider.cloud import IN_DOUBT, CloudError, CloudTimeout
from spillway.adapters.files import remedy_for
from spillway.errors import PermanentError, SpillwayError, TemporaryError
from spillway.ports import Applied, Outcome, PreviewedChange

_STATUS = re.compile(
    r"googleapi: (?:got HTTP response code|Error) (\d{3})\b:? *([^\n]*?)(?:, (\w+))?(?=\n|$|: provider=)"
)
"""How the provider words a refusal: status, message, mostly the reason; more of its own words may follow."""
_REASON = re.compile(r"(?:^, |Reason: |\"reason\": ?\")(\w+)", re.MULTILINE)
"""Where the reason stands if the refusal has details."""
_UNCONNECTED = re.compile(r"dial tcp [^\n]*: connect: |cannot be reached: ")
_LOST = re.compile(
    r"no answer within the deadline|context deadline exceeded|timeout while waiting for state|unexpected EOF"
    r"|connection reset by peer|server closed idle connection"
)
"""How the provider and the stand-in word an end that they did not see."""
_PLUGIN_DIED = re.compile(
    r"error reading from server: EOF|exited prematurely|code = Unavailable|the client connection is closing"
)
"""How the CLI words the end of a plugin that it did not end itself (measured, 3.260.0)."""
_CHANGING = re.compile(
    r"\b(?:creating|updating|deleting) urn:|Error (?:creating|updating|deleting|waiting)"
    r"|\*\*(?:creating|updating|deleting|replacing)"
)
_READING = re.compile(r"\brefreshing urn:|Error when reading or editing|\*\*refreshing failed")
"""How plugin and CLI tell in which step something failed; the stand-in's words alone do not."""
_PASSING = frozenset(
    {
        "ratelimitexceeded",
        "userratelimitexceeded",
        "rate_limit_exceeded",
        "operationinprogress",
        "resourcenotready",
    }
)
"""Reasons, in small letters, that are gone after a while (gcp.md 5.4)."""
_IN_USE = re.compile(r"resource_?in_?use_?by_?another_?resource|already being used by", re.IGNORECASE)
_TAKEN = re.compile(r"already[ _]?exists", re.IGNORECASE)
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_ROUND = re.compile(r"\s+")
_LONGEST = 300
"""Characters of an API's message that a sentence quotes."""
_NOT_OURS = (
    ". The engine's state does not know it, so Spillway leaves it alone. If that state was lost, bring back the copy of"
    " state_dir/engine (or of daemon.engine.backend); else delete what is in the way, or set another `name`"
)
"""A name alone does not show whose it is: a second daemon with the same configuration must not take over the first's."""
_HELD = (
    ". What is in use can be neither removed nor replaced under its own name: give the new one another name in the"
    " configuration, and the old one goes once nothing uses it"
)
_KEPT = "nothing of theirs was overwritten, and the next decision is made from what stands"
_DOUBT = "it may have been carried out, so the cloud is read first"


def cloud_error(text: str) -> CloudError | None:
    """The API's refusal, or the lost connection, inside an engine's diagnostic; None if there is neither.

    Of several refusals it is the one that leaves most in doubt.
    """
    reading = _READING.search(text) is not None and _CHANGING.search(text) is None
    matches = list(_STATUS.finditer(text))
    if not matches:
        return _unanswered(text, reading=reading)
    match = next((found for found in matches if int(found[1]) in IN_DOUBT), matches[0])
    status, message, reason = match.groups()
    if reason is None and (later := _REASON.search(text, match.end())):
        reason = later[1]
    error = CloudError(int(status), shorten(message), reason=reason or "")
    error.doubtful = error.status in IN_DOUBT and not reading
    error.unsent = reading
    return error


def _unanswered(text: str, *, reading: bool) -> CloudError | None:
    """No answer at all: before anything was sent, or after."""
    if _PLUGIN_DIED.search(text):
        died = CloudError(0, "the engine's plugin ended before it had answered")
        died.doubtful, died.unsent = not reading, reading
        return died
    lost = _LOST.search(text) is not None
    if lost and not reading:
        return CloudTimeout(shorten(text))
    if not lost and _UNCONNECTED.search(text) is None:
        return None
    error = CloudError(0, shorten(text))
    error.unsent = True
    return error


def shorten(text: str) -> str:
    """One line, not too long, and without a private key: the API quotes the value that it refuses."""
    line = _ROUND.sub(" ", _KEY.sub(SECRET, text)).strip()
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def is_conflict(error: object) -> bool:
    """True where somebody else changed the resource since the state was written; 412 alone says less than that."""
    return isinstance(error, CloudError) and error.status == 412 and "fingerprint" in str(error).lower()


def is_taken(error: object) -> bool:
    """True for a create that was refused because something of that name stands already."""
    return isinstance(error, CloudError) and error.status == 409 and _TAKEN.search(str(error)) is not None


def is_in_use(error: object) -> bool:
    """True for a delete that was refused because something else holds on to the resource."""
    return isinstance(error, CloudError) and _IN_USE.search(str(error)) is not None


def is_passing(error: CloudError) -> bool:
    """True for a refusal that the same request need not meet a minute later."""
    return error.status == 429 or (error.status < 500 and error.reason.lower() in _PASSING)


def is_absent(error: object) -> bool:
    """True for a refusal because something that the request refers to does not exist (yet)."""
    return isinstance(error, CloudError) and (error.status == 404 or error.reason.lower() == "notfound")


def is_final(error: CloudError) -> bool:
    """True for a refusal that stays one until somebody changes something."""
    return 400 <= error.status < 500 and not is_passing(error)


def outcome_of(error: object, *, anything_done: bool) -> tuple[Outcome, str]:
    """What became of an update that ended with `error`, and what happens next."""
    if isinstance(error, CloudTimeout):
        return Outcome.UNKNOWN, f"no answer within the deadline; {_DOUBT}"
    if isinstance(error, CloudError) and error.doubtful:
        return Outcome.UNKNOWN, f"{shorten(str(error))}; {_DOUBT}"
    if isinstance(error, OtherNameError):
        return Outcome.REFUSED, f"{error}; nothing was changed. {error.remedy}"
    if is_conflict(error):
        return Outcome.CONFLICT, f"somebody else changed the same resource meanwhile; {_KEPT}"
    if isinstance(error, CloudError) and (400 <= error.status < 500 or error.unsent):
        return _refused(error, anything_done=anything_done or error.partial)
    return (
        Outcome.FAILED,
        f"{shorten(str(error))}; part of it may be done, so the cloud is read before the next move",
    )


def _refused(error: CloudError, *, anything_done: bool) -> tuple[Outcome, str]:
    """The verdict where the failing request itself surely changed nothing."""
    what = shorten(str(error)) if error.unsent else f"refused with {error.status}: {shorten(str(error))}"
    remedy = _NOT_OURS if is_taken(error) else _HELD if is_in_use(error) else ""
    if not is_final(error):
        remedy = ". That may pass: it is tried again with the next change, or by the same command"
    if anything_done:
        words = f"{what}; what was done before it stays, and the cloud is read before the next move{remedy}"
        return Outcome.FAILED, words
    return Outcome.REFUSED if is_final(error) else Outcome.FAILED, f"{what}; nothing was changed{remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEdit:
    """What a change of ours met that somebody else had changed before, as the engine then read it."""

    names: tuple[str, ...]
    """Kind and name of each resource, such as `backend service lb-pool`."""
    undone: bool
    """True if the same change, sent again, would undo what they did; where it could not be read, too."""
    unread: str = ""
    """Why what stands could not be read, where it could not."""

    @property
    def _what(self) -> str:
        return f"somebody else had changed {', '.join(self.names) or 'the same resource'} meanwhile"

    def conflict(self, done: str) -> str:
        """The sentence of a change that was refused for it; `done` tells what was carried out before."""
        before = f"; done before it: {done}" if done else ""
        unread = f"; what stands could not be read: {self.unread}" if self.unread else ""
        return f"{self._what}; {_KEPT}{before}{unread}"

    def passed(self) -> str:
        """What is added to the sentence of a change that went through at the second try."""
        return f"; {self._what}, and nothing of theirs was overwritten"


def unread(error: CloudError) -> SpillwayError:
    """Why a preview cannot tell anything: what stands could not be read."""
    kind = PermanentError if is_final(error) else TemporaryError
    return kind(
        f"what stands cannot be read, so nobody knows what would change: {shorten(str(error))}",
        remedy="`spillway doctor` looks at what is reachable and permitted.",
    )


_DONE = {
    "import": "taken over",
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
}
"""What was done, by operation."""


def summary(changes: tuple[PreviewedChange, ...]) -> str:
    """Such as `1 created, 2 updated`."""
    counts = [(sum(c.operation == operation for c in changes), word) for operation, word in _DONE.items()]
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def sentence(changes: tuple[PreviewedChange, ...]) -> str:
    """What an update did: in full where it is little, counted where it is much."""
    if len(changes) > 3:
        return summary(changes)
    parts = []
    for change in changes:
        told = (
            change.details if change.operation != "create" else ()
        )  # what a new thing is stands in the plan
        details = f": {'; '.join(told)}" if told else ""
        parts.append(f"{_DONE[change.operation]} {change.kind} {change.name}{details}")
    return ", ".join(parts)


def flatten(outputs: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Stack outputs as text: a mapping's entries become `name.key`; sorted, unknown ones left out."""
    flat: dict[str, str] = {}
    for name, value in outputs.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{key}": str(part) for key, part in value.items() if part is not None})
        elif value is not None:
            flat[name] = str(value)
    return tuple(sorted(flat.items()))


def applied(
    changes: Sequence[PreviewedChange],
    problem: object,
    begun: float,
    *,
    outputs: tuple[tuple[str, str], ...],
    processes: int = 0,
    refreshed: bool = False,
    foreign: ForeignEdit | None = None,
) -> Applied:
    """The result of an engine call that began at `begun` (`time.monotonic`) and ended with `problem`, or with None."""
    if foreign is not None and is_conflict(problem):
        outcome, words = Outcome.CONFLICT, foreign.conflict(sentence(tuple(changes)))
    elif problem is not None:
        outcome, words = outcome_of(problem, anything_done=bool(changes))
    elif changes:
        outcome, words = Outcome.DONE, sentence(tuple(changes))
    else:
        outcome, words = Outcome.UNCHANGED, "nothing to change"
    if problem is None and foreign is not None:
        words += foreign.passed()
    return Applied(
        outcome=outcome,
        sentence=words,
        changes=tuple((change.operation, change.name) for change in changes),
        outputs=outputs,
        engine_processes=processes,
        engine_seconds=time.monotonic() - begun,
        refreshed=refreshed,
        foreign_edit=foreign is not None,
        absent=is_absent(problem),
    )


def unseen(error: CloudError, begun: float) -> Applied:
    """The result of a build that could not read what stands."""
    words = f"what stands cannot be read: {shorten(str(error))}; nothing was changed"
    outcome = Outcome.REFUSED if is_final(error) else Outcome.FAILED
    return Applied(outcome=outcome, sentence=words, engine_seconds=time.monotonic() - begun)


def not_begun(error: object, begun: float) -> Applied:
    """The result of an engine call that ended with `error` before it could begin any change."""
    seconds = time.monotonic() - begun
    if isinstance(error, OSError):
        error = TemporaryError(
            f"the engine cannot use its files or start its process: {error}", remedy=remedy_for(error)
        )
    if isinstance(error, SpillwayError) and not isinstance(error, OtherNameError):
        # Whatever it is, it happened on this machine and before anything was sent.
        lasting = isinstance(error, PermanentError)
        return Applied(
            outcome=Outcome.REFUSED if lasting else Outcome.FAILED,
            sentence=f"{shorten(str(error))}; nothing was changed",
            engine_seconds=seconds,
            begun=False,
            lasting=lasting,
            remedy=error.remedy,
        )
    outcome, words = outcome_of(error, anything_done=False)
    return Applied(outcome=outcome, sentence=words, engine_seconds=seconds)


def broken_off(error: object, begun: float) -> Applied:
    """The result of an engine call that ended with `error` after it may have sent a change."""
    outcome, words = outcome_of(error, anything_done=True)
    remedy = error.remedy if isinstance(error, SpillwayError) else ""
    if isinstance(error, OSError):
        remedy = remedy_for(error)
    return Applied(outcome=outcome, sentence=words, engine_seconds=time.monotonic() - begun, remedy=remedy)
