"""Whether the program of a configuration would leave all as it stands: each difference is a reason to refuse."""

from __future__ import annotations

import re

from spillway.adapters.adopt.refusals import Refusals
from spillway.adapters.drift.compare import Standing, found_at
from spillway.adapters.drift.survey import Survey
from spillway.adapters.drift.words import value_text
from spillway.adapters.engine.provider.diff import DiffKind, value_at
from spillway.errors import TemporaryError

_SCALER = re.compile(r"backends\[\d+\]\.capacityScaler")
_NO_KEY = "Set it in the cloud as the configuration can say it, or keep this load balancer with the tool that wrote it."


def verify(seen: Survey, refusals: Refusals) -> None:
    """Note all that a build would change.

    Raises:
        TemporaryError: a part could not be read.
    """
    if seen.report.problems:
        raise TemporaryError("; ".join(seen.report.problems), remedy="Give the same command again.")
    for part in seen.standing:
        _part(part, seen, refusals)


def _part(part: Standing, seen: Survey, refusals: Refusals) -> None:
    wanted = part.wanted
    what = f"{wanted.kind.words} {wanted.shown}"
    if part.live is None or wanted.part not in seen.ownership.existing:
        refusals.add(
            what,
            "",
            "the configuration would have Spillway make it.",
            "This is a defect of `spillway adopt`: report it with what stands.",
        )
        return
    # A backend that cannot be steered is declared without a scaler, and Google shows one all the same.
    levers = [d for d in part.levers if d.change is not DiffKind.DELETE or not _SCALER.fullmatch(d.path)]
    for difference in {d.path: d for d in (*part.differences, *levers)}.values():
        refusals.add(
            what,
            difference.path,
            f"there stands {value_text(difference.path, found_at(difference, part))}, and the configuration could only say"
            f" {value_text(difference.path, value_at(difference.path, wanted.inputs))}.",
            _NO_KEY,
        )
    for field in part.unknown:
        refusals.add(
            what,
            field,
            "no write can carry it: the API does not give it back, or the provider has no property for it, so the first"
            " move of traffic would take it away.",
            "Remove it, or set it with a key of the configuration where there is one.",
        )
    for group in part.groups:
        refusals.add(what, "backends", f"the group {group.get('group')} would not be named.", _NO_KEY)
