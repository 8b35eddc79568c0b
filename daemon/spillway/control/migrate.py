"""State files of earlier versions, turned into the present form before they are checked.

Version 1 (until the estimate was split by concept) kept the estimate of a backend as one flat object of 33 numbers and called some
fields otherwise. Up to version 2 it stood inside of what is remembered of the backend; now all estimates of a service stand in a list of
(region, estimate). Nothing is lost or made up on the way: every number of the old file has a place in the new one. A field that is
missing keeps its default, as it does in the present form, and what makes no sense is left for the check to refuse.

Version 2 left an edit by somebody else alone until a moment (`edit_grace_until`), and kept the scaler before it (`before_edit`). Both
are a foreign pin now, with the same end.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Json = dict[str, object]

_EARLIER = (1, 2)
"""Versions that are brought into the present form."""

_TRACKS: Mapping[str, Mapping[str, str]] = {
    "health": {
        "endpoints": "endpoints",
        "healthy_share": "share",
        "shares": "changes",
        "share_low": "lowest",
        "share_low_at": "lowest_at",
        "share_drops": "drops",
    },
    "latency": {
        "baseline": "baseline",
        "service_time": "service_time",
        "mean": "mean",
        "rising": "rising",
        "slope": "slope",
    },
    "concurrency": {"slots": "limit", "crowded": "delay", "crowded_minutes": "minutes"},
    "saturation": {
        "saturated_rate": "rate",
        "low_rate": "last_rate",
        "low_at": "last_at",
        "low_count": "findings",
        "doubt": "undecided_rate",
        "doubt_minutes": "undecided_minutes",
        "waiting": "waiting",
    },
    "arrivals": {"in_work": "in_work", "arrived": "rate", "filling": "filling"},
    "quota": {
        "quota": "rate",
        "quota_met": "met_rate",
        "quota_at": "met_at",
        "refusing": "refused_share",
    },
    "failures": {"slow": "slow", "errors": "errors", "bad_minutes": "bad_minutes"},
}
"""By track of the estimate: the field of version 1, and the field that it is now."""

_BACKEND = {"hold": "backoff", "hold_at": "backoff_at", "held_until": "edit_grace_until"}
_SERVICE = {"usual": "slow_average", "ahead": "expected_load"}
_ORIGIN = {"leap": "onset"}
_FLIGHT = {"hold": "backoff"}


def migrate(content: bytes) -> bytes:
    """The content of a state file in the form of the present version; what is of no earlier version is given back as it is."""
    try:
        kept = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content  # no JSON, or nested too deep: the check says where
    if not isinstance(kept, dict) or kept.get("version") not in _EARLIER:
        return content
    memory = kept.get("memory")
    for service in _objects(memory, "services") if isinstance(memory, dict) else []:
        if kept["version"] == 1:
            _migrate_service(service)
        for backend in _objects(service, "backends"):
            _pin(backend, kept.get("saved_at"))
        _take_out_estimates(service)
    kept["version"] = 3
    return msgspec.json.encode(kept)


def _pin(backend: Json, at: object) -> None:
    """Turn an edit that is still left alone at UTC second `at` into a pin; one whose time is over was forgotten by then."""
    until, before = backend.pop("edit_grace_until", None), backend.pop("before_edit", None)
    member, scaler = backend.get("member"), backend.get("scaler")
    numbers = isinstance(until, int | float) and isinstance(at, int | float)
    if not numbers or not isinstance(member, bool) or not isinstance(scaler, int | float):
        return
    if until > at:  # type: ignore[operator]  # both are numbers, as was just asked
        known = isinstance(before, int | float)
        backend["pin"] = {
            "since": at,
            "until": until,
            "member": member,
            "scaler": scaler,
            "wanted_member": True if known else member,
            "wanted_scaler": before if known else scaler,
        }


def _migrate_service(service: Json) -> None:
    _rename(service, _SERVICE)
    for backend in _objects(service, "backends"):
        _rename(backend, _BACKEND)
        flat = backend.get("estimate")
        if isinstance(flat, dict):
            backend["estimate"] = _split(flat)
    for origin in _objects(service, "origins"):
        _rename(origin, _ORIGIN)
    for key in ("flights", "proposed", "unknown"):
        for flight in _objects(service, key):
            _rename(flight, _FLIGHT)


def _take_out_estimates(service: Json) -> None:
    """The estimates of all backends, beside the backends."""
    service["estimates"] = [
        [backend.get("region"), backend.pop("estimate")]
        for backend in _objects(service, "backends")
        if "estimate" in backend
    ]


def _split(flat: Json) -> Json:
    """The flat estimate of version 1, field by field in the track to which it belongs."""
    moved = {old for track in _TRACKS.values() for old in track}
    found: Json = {key: value for key, value in flat.items() if key not in moved}
    for name, track in _TRACKS.items():
        found[name] = {new: flat[old] for old, new in track.items() if old in flat}
    return found


def _rename(record: Json, names: Mapping[str, str]) -> None:
    for old, new in names.items():
        if old in record:
            record[new] = record.pop(old)


def _objects(record: Json, key: str) -> list[Json]:
    """The objects in the list `record[key]`; none where it is no list."""
    found = record.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
