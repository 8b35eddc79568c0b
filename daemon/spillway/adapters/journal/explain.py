"""/explain: the story of one pass, of a move or of its absence, in the order in which a person asks.

What was it like, what was done, what else could have been done, what was in the way, and what came of it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spillway.adapters.journal.closed import still_closed
from spillway.adapters.journal.decided import concerns, entry_of
from spillway.adapters.journal.history import layouts_of
from spillway.adapters.journal.moments import WrongQuestion, clock, stamp
from spillway.adapters.journal.rows import unpack
from spillway.control.decisions import decision
from spillway.control.told import STATE_WORDS, elapsed
from spillway.core.model.predict import TROUBLE_SHARE
from spillway.core.values.decision import span

SCHEMA = 1
"""Version of the document; raised when a field changes its meaning or disappears."""

_OLD = 600.0
"""Seconds between the time that was asked for and the newest record before it from which it is said."""
_SERVICES = 8
"""Services whose situation is told at most, where none was named."""
_EVENTS = 900.0
"""Seconds before a pass in which orders and reloads belong to its story."""
_MOST_EVENTS = 10
_SEEN_WITHIN = 7200.0
"""Seconds after a move in which its verdict comes, or never."""

_NAME = re.compile("[0-9]{1,18}(-[0-9]{1,18})?")
"""Of a decision or a mark. A number of 18 digits fits into a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be explained: the newest pass at or before `at`, or the one that `name` names."""

    at: float
    name: str | None = None
    """Of a mark (`41-0`) or of a decision (`1234`)."""
    service: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """One pass as it was recorded."""

    number: int
    at: float
    told: Mapping[str, Any]
    large: Mapping[str, Any]
    """Empty where the large fields are not kept."""


def explain(connection: sqlite3.Connection, question: Question) -> dict[str, Any]:
    """The document, without its schema.

    Raises:
        WrongQuestion: nothing is recorded there, or no such service or region.
        sqlite3.Error: it cannot be read, or not in time.
    """
    number, service, region = _find(connection, question)
    found = _read(connection, number)
    if not found.large:
        layouts_of(
            connection, service, region
        )  # what was believed is not kept: the names are known from the figures
    entry = decision(found.told)
    beliefs = _beliefs(found, service, region, entry)
    did = [_with_outcome(move, entry["applied"]) for move in _of(entry["moves"], service, region)]
    advice = _of(entry["advice"], service, region)
    limits = _of(entry["refusals"], service, region)
    before, after = _neighbours(connection, found, service, region)
    return {
        "at": found.at,
        "tick": entry["tick"],
        "id": str(number),
        "kind": entry["kind"],
        "service": service,
        "region": region,
        "headline": _headline(entry, did, advice, limits, service, region),
        "situation": _situation(connection, found, beliefs, question, region),
        "did": did,
        "advice": advice,
        "alternatives": _alternatives(found.told.get("candidates", ()), service, did, limits),
        "limits": limits,
        "alarms": _of(found.told.get("alarms", ()), service, None),
        "applied": entry["applied"],
        "effect": _effect(connection, found.at, (*did, *advice)[:1]),
        "events": _events(connection, found.at, service, region),
        "sentence": entry["sentence"],
        "before": before,
        "after": after,
        "inputs": _inputs(beliefs),
    }


def _find(connection: sqlite3.Connection, question: Question) -> tuple[int, str | None, str | None]:
    """(record, service, region) of a question."""
    name = question.name
    if name is not None:
        tick, dash, number = name.partition("-")
        if not _NAME.fullmatch(name):
            raise WrongQuestion(
                f"{name[:60]!r} is no name of a decision",
                remedy="Take one from /decisions or from a mark of /history.",
            )
        if dash:
            row = connection.execute(
                "SELECT record, service, region FROM marks WHERE tick = ? AND number = ? ORDER BY at DESC LIMIT 1",
                (int(tick), int(number)),
            ).fetchone()
        else:
            row = connection.execute(
                "SELECT id, NULL, NULL FROM records WHERE id = ? AND kind IN ('tick', 'health')", (int(tick),)
            ).fetchone()
        if row is None:
            raise WrongQuestion(
                f"no decision {name[:60]!r} is recorded",
                remedy="It may be older than what is kept.",
                status=404,
            )
        return row[0], question.service or row[1], question.region or row[2]
    row = connection.execute(
        "SELECT id FROM records WHERE at <= ? AND kind IN ('tick', 'health') ORDER BY at DESC, id DESC LIMIT 1",
        (question.at,),
    ).fetchone()
    if row is None:
        (first,) = connection.execute(
            "SELECT min(at) FROM records WHERE kind IN ('tick', 'health')"
        ).fetchone()
        raise WrongQuestion(
            f"nothing is recorded at {stamp(question.at)} or before it",
            remedy="Nothing is recorded at all yet."
            if first is None
            else f"The journal begins at {stamp(first)}.",
            status=404,
        )
    return row[0], question.service, question.region


def _read(connection: sqlite3.Connection, number: int) -> _Pass:
    at, content = connection.execute("SELECT at, detail FROM records WHERE id = ?", (number,)).fetchone()
    body = connection.execute("SELECT content FROM bodies WHERE record = ?", (number,)).fetchone()
    return _Pass(
        number=number, at=at, told=unpack(content), large=unpack(body[0]) if body is not None else {}
    )


def _beliefs(
    found: _Pass, service: str | None, region: str | None, entry: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What was believed of the services that the story is about, their regions as objects.

    Raises:
        WrongQuestion: no such service or region is in this record.
    """
    record = found.large.get("assessments", {"columns": (), "services": ()})
    services = [
        {**each, "backends": [dict(zip(record["columns"], row, strict=True)) for row in each["backends"]]}
        for each in record["services"]
    ]
    known = {each["service"] for each in services}
    if service is not None and known and service not in known:
        raise WrongQuestion(
            f"no service {service[:60]!r} at {stamp(found.at)}",
            remedy=f"Known: {', '.join(sorted(known)[:12])}.",
            status=404,
        )
    chosen = [each for each in services if service in {None, each["service"]}]
    if region is not None:
        names = {backend["region"] for each in chosen for backend in each["backends"]}
        chosen = [each for each in chosen if any(b["region"] == region for b in each["backends"])]
        if services and not chosen:
            raise WrongQuestion(
                f"no region {region[:60]!r} at {stamp(found.at)}",
                remedy=f"Known: {', '.join(sorted(names)[:12])}.",
                status=404,
            )
    if service is None and len(chosen) > _SERVICES:
        # the services that something was decided about come first
        busy = {
            part["service"] for name in ("moves", "advice", "refusals", "verdicts") for part in entry[name]
        }
        chosen = sorted(chosen, key=lambda each: each["service"] not in busy)[:_SERVICES]
    return chosen


def _of(parts: Sequence[Mapping[str, Any]], service: str | None, region: str | None) -> list[dict[str, Any]]:
    """The parts about a service and a region; without a region are those of the whole service."""
    return [
        dict(part)
        for part in parts
        if (service is None or part["service"] in {"", service})
        and (region is None or part.get("region") in {None, region})
    ]


def _with_outcome(move: Mapping[str, Any], applied: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**move, "outcome": "waiting" if applied is None else applied["outcome"]}


def _headline(
    entry: Mapping[str, Any],
    did: Sequence[Mapping[str, Any]],
    advice: Sequence[Mapping[str, Any]],
    limits: Sequence[Mapping[str, Any]],
    service: str | None,
    region: str | None,
) -> str:
    """One sentence: what was done, or why nothing was."""
    at = stamp(entry["at"])
    about = " of ".join(name for name in (region, service) if name) or "the load balancer"
    more = f", and {len(did) - 1} more" if len(did) > 1 else ""
    if did:
        word = {"done": "Moved", "unchanged": "Moved"}.get(did[0]["outcome"], f"Tried ({did[0]['outcome']})")
        return f"{at}: {word} {said(did[0])}{more}."
    if advice:
        more = f", and {len(advice) - 1} more" if len(advice) > 1 else ""
        return f"{at}: Nothing was written, the mode only advises. Wanted: {said(advice[0])}{more}."
    if limits:
        return f"{at}: Nothing was done for {about}. Wanted was {limits[0]['lever']} {limits[0]['region'] or ''} {limits[0]['wanted']}, but {limits[0]['sentence']} ({limits[0]['guard']})."
    if entry["moves"] or entry["advice"]:
        return (
            f"{at}: Nothing was done for {about}, and nothing was in its way. The pass moved something else."
        )
    sentence = f"{entry['sentence'][:1].upper()}{entry['sentence'][1:]}".rstrip(".")
    return f"{at}: {sentence}." if sentence.startswith("Nothing") else f"{at}: Nothing was done. {sentence}."


def said(move: Mapping[str, Any]) -> str:
    """A move in a few words: `chat/us-east4 scaler 1.00 -> 0.62`."""
    where = move["service"] if move["region"] is None else f"{move['service']}/{move['region']}"
    return f"{where} {move['lever']} {move['before']} -> {move['after']}"


def _situation(
    connection: sqlite3.Connection,
    found: _Pass,
    beliefs: Sequence[Mapping[str, Any]],
    question: Question,
    region: str | None,
) -> list[str]:
    """Sentences with numbers: how old the record is, then each service and its regions, then what could not be read."""
    lines = []
    late = question.at - found.at
    if question.name is None and late > _OLD:
        lines.append(
            f"No pass is recorded in the {elapsed(late)} before {stamp(question.at)}: the daemon may have been down."
        )
    modes = found.told.get("modes", {})
    orders = (found.large.get("orders") or {}).get("items", ())
    for belief in beliefs:
        lines.append(_service_line(belief, str(modes.get(belief["service"], ""))))
        for backend in belief["backends"]:
            if region in {None, backend["region"]}:
                lines.append(_region_line(backend))
                lines += still_closed(connection, found.told, orders, belief["service"], backend)
        last = _last_move(connection, found.at, belief["service"], region)
        if last:
            lines.append(last)
    lines += [
        f"Could not be read: {problem}." for problem in found.large.get("inputs", {}).get("problems", ())
    ]
    return lines


def _service_line(belief: Mapping[str, Any], mode: str) -> str:
    parts = [f"{belief['service']} ({mode or 'mode not known'}, posture {belief['posture']})"]
    if belief["demand"] is None:
        parts.append("its demand is not known")
    else:
        parts.append(f"demand {belief['demand']:.0f} requests/s, {_number(belief['forecast'])} expected")
        parts.append(f"capacity {_number(belief['capacity'])}")
    if belief["shortage"]:
        parts.append("too little for all")
    elif belief["survives_loss"] is False:
        parts.append("the loss of the largest region would not be covered")
    return f"{parts[0]}: {', '.join(parts[1:])}."


def _region_line(backend: Mapping[str, Any]) -> str:
    parts = []
    if not backend["member"]:
        parts.append("not attached")
    served, capacity = backend["served"], backend["capacity"]
    if served is None:
        parts.append("no traffic seen")
    else:
        parts.append(
            f"answers {served:.0f} requests/s" + (f" of {capacity:.0f} that it can" if capacity else "")
        )
    if backend["latency"] is not None:
        parts.append(f"latency {backend['latency']:.2f} s")
    for name, word in (("error_ratio", "errors"), ("too_many_ratio", "429")):
        if backend[name]:
            parts.append(f"{word} {100 * backend[name]:.1f}%")
    if backend["healthy_share"] is not None:
        parts.append(f"healthy {100 * backend['healthy_share']:.0f}%")
    if backend["member"]:
        parts.append(f"scaler {backend['scaler_wanted']:.2f}")
        observed = backend["scaler_observed"]
        if observed is not None and abs(observed - backend["scaler_wanted"]) > 0.005:
            parts.append(f"listed at {observed:.2f}")
    if backend.get("weight") is not None:
        parts.append(f"weight {backend['weight']:g}")
    if backend["age"] is not None:
        parts.append(f"data {span(backend['age'])} old")
    notes = "".join(
        f" {note['sentence'][:1].upper()}{note['sentence'][1:]}." for note in backend.get("notes", ())
    )
    health = f", {backend['health']}" if backend.get("health") else ""
    return f"  {backend['region']} ({STATE_WORDS.get(backend['state'], backend['state'])}{health}): {', '.join(parts)}.{notes}"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0f}"


def _last_move(connection: sqlite3.Connection, at: float, service: str, region: str | None) -> str:
    """The last move before this pass."""
    where = "" if region is None else " AND region = ?"
    values = (at, service) if region is None else (at, service, region)
    row = connection.execute(
        "SELECT at, service, region, lever, before, after, code, outcome FROM marks "  # noqa: S608 made of constants
        f"WHERE at < ? AND service = ?{where} AND outcome <> 'advice' ORDER BY at DESC LIMIT 1",
        values,
    ).fetchone()
    if row is None:
        return ""
    move = dict(
        zip(("at", "service", "region", "lever", "before", "after", "code", "outcome"), row, strict=True)
    )
    return f"  Last move before: {clock(move['at'])} UTC ({elapsed(at - move['at'])} earlier): {said(move)} ({move['code']}, {move['outcome']})."


def _alternatives(
    candidates: Sequence[Mapping[str, Any]],
    service: str | None,
    did: Sequence[Mapping[str, Any]],
    limits: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """What the search has weighed. Its shares of bad requests are expectations of the model."""
    found = []
    for each in candidates:
        if service not in {None, each["service"]}:
            continue
        own = [limit for limit in limits if limit["service"] == each["service"]]
        made = any(move["service"] == each["service"] for move in did)
        best = (
            "it was chosen"
            if made
            else own[0]["sentence"]
            if own
            else "it would save too few requests for a move"
        )
        rows = [
            (
                "leave the ceilings as they are",
                each["bad_now"],
                "the best set does better" if made else "nothing else was done",
            ),
            (f"best set found: {each['name']}", each["bad_best"], best),
        ]
        if each["second"] not in {"", "none"}:
            rows.append((f"runner-up: {each['second']}", each["second_bad"], "the best set does better"))
        if each.get("least") is not None:
            rows.append(
                (
                    "any set of ceilings, limits aside",
                    each["least"],
                    "a bound, not a plan: no set does better than this",
                )
            )
        found += [
            {"service": each["service"], "what": what, "bad_share": bad, "why_not": why}
            for what, bad, why in rows
        ]
    return found


def _effect(
    connection: sqlite3.Connection, at: float, moves: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The verdict about the first of the moves, one dead time later; None where there is none yet."""
    for move in moves:
        row = connection.execute(
            "SELECT v.made_at, r.at, v.predicted, v.observed, v.better, v.sentence FROM verdicts v JOIN records r ON r.id = v.record "
            "WHERE v.made_at >= ? AND v.made_at < ? AND v.service = ? AND v.region IS ? AND v.lever = ? ORDER BY v.made_at LIMIT 1",
            (at - 1.0, at + _SEEN_WITHIN, move["service"], move["region"], move["lever"]),
        ).fetchone()
        if row is not None:
            names = ("made_at", "at", "predicted", "observed", "better", "sentence")
            own = {name: move[name] for name in ("service", "region", "lever")}
            effect = {**own, **dict(zip(names, row, strict=True)), "better": bool(row[4])}
            return {**effect, "judgement": _judgement(effect)}
    return None


def _judgement(effect: Mapping[str, Any]) -> str:
    """What a verdict means: a promise that was not kept is the fault of the move, or of something that came since."""
    if not effect["better"]:
        return "more requests were bad than promised, where the move sent load: the region dwells longer"
    if effect["observed"] > effect["predicted"] + TROUBLE_SHARE:
        return "more requests were bad than promised, and the move is not to blame: demand has grown, or another region has failed by itself"
    return "as promised"


def _events(
    connection: sqlite3.Connection, at: float, service: str | None, region: str | None
) -> list[dict[str, Any]]:
    """Orders, reloads, starts and the like shortly before, oldest first."""
    rows = connection.execute(
        "SELECT id FROM records WHERE at > ? AND at <= ? AND kind NOT IN ('tick', 'health', 'intent') "
        "ORDER BY at DESC, id DESC LIMIT ?",
        (at - _EVENTS, at, _MOST_EVENTS),
    ).fetchall()
    found = [entry_of(connection, number) for (number,) in reversed(rows)]
    return [
        {name: entry[name] for name in ("at", "kind", "sentence")}
        for entry in found
        if concerns(entry, service, region)
    ]


def _neighbours(
    connection: sqlite3.Connection, found: _Pass, service: str | None, region: str | None
) -> tuple[str | None, str | None]:
    """Names of the last move before, and of the next one after."""
    where = ""
    values: list[object] = []
    for column, value in (("service", service), ("region", region)):
        if value is not None:
            where += f" AND {column} = ?"
            values.append(value)
    names = []
    for comparison, order in (("<", "DESC"), (">", "ASC")):
        row = connection.execute(
            f"SELECT tick, number FROM marks WHERE at {comparison} ?{where} ORDER BY at {order}, number LIMIT 1",  # noqa: S608 made of constants
            (found.at, *values),
        ).fetchone()
        names.append(None if row is None else f"{row[0]}-{row[1]}")
    return names[0], names[1]


def _inputs(beliefs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures that it was decided by, by service and region."""
    names = (
        "age",
        "healthy_share",
        "served",
        "target",
        "capacity",
        "latency",
        "error_ratio",
        "too_many_ratio",
        "confidence",
    )
    return {
        belief["service"]: {b["region"]: {name: b[name] for name in names} for b in belief["backends"]}
        for belief in beliefs
    }
