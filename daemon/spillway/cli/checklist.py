"""The findings of `doctor` as a checklist: grouped, a mark for each check, also for one that could not be made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from spillway.adapters.doctor import Finding

Mark = Literal["ok", "warn", "missing", "skipped"]
Cloud = Literal["gcp", "sandbox"]

_MARKS: dict[str, Mark] = {"ok": "ok", "warn": "warn", "fail": "missing"}
"""The mark of each verdict."""

_MACHINE = ("python", "pulumi")
_OURS = ("configuration", "state folder", "listen address", "engine")
_PERMISSIONS = "permissions"
_SECTIONS: dict[Cloud | None, tuple[tuple[str, tuple[str, ...]], ...]] = {
    None: (("This machine", _MACHINE), ("Configuration", (*_OURS, "cloud"))),
    "gcp": (
        ("This machine", _MACHINE),
        ("Configuration", _OURS),
        ("Google Cloud", ("credentials", "compute API", "clock", _PERMISSIONS)),
    ),
    "sandbox": (
        ("This machine", _MACHINE),
        ("Configuration", _OURS),
        ("Sandbox", ("sandbox (REST)", "sandbox (gRPC)", _PERMISSIONS)),
    ),
}
"""Every check by the cloud of the configuration; None where the configuration cannot be used, and with it the cloud is unknown."""
_OTHERS = "Other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the list."""

    mark: Mark
    subject: str
    detail: str
    remedy: str = ""
    """Empty where nothing has to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Checks that belong together."""

    title: str
    items: tuple[Item, ...]


def checklist(findings: Sequence[Finding], cloud: Cloud | None) -> tuple[Section, ...]:
    """All checks in groups: what was found, and what was skipped because something before it is missing."""
    left = list(findings)
    sections = []
    for title, subjects in _SECTIONS[cloud]:
        items: list[Item] = []
        for subject in subjects:
            found = [each for each in left if _concerns(each, subject)]
            left = [each for each in left if each not in found]
            items += map(_item, found) if found else [_skipped(subject, findings)]
        sections.append(Section(title=title, items=_each_once(items)))
    if left:
        sections.append(Section(title=_OTHERS, items=tuple(map(_item, left))))
    return tuple(sections)


def count(sections: Sequence[Section]) -> str:
    """How many checks there are of each mark, such as `9 checks: 7 ok, 1 missing, 1 skipped`."""
    marks = [item.mark for section in sections for item in section.items]
    words: tuple[tuple[Mark, str], ...] = (
        ("ok", "ok"),
        ("warn", "to look at"),
        ("missing", "missing"),
        ("skipped", "skipped"),
    )
    told = ", ".join(f"{marks.count(mark)} {word}" for mark, word in words if mark in marks)
    return f"{len(marks)} checks: {told}"


def _concerns(finding: Finding, subject: str) -> bool:
    """True if a finding answers this check: `permissions` has one for each role, and a sandbox that does not run one for both addresses."""
    if subject == _PERMISSIONS:
        return finding.subject.startswith(_PERMISSIONS)
    return finding.subject == subject or (finding.subject == "sandbox" and subject == "sandbox (REST)")


def _item(finding: Finding) -> Item:
    remedy = "" if finding.verdict == "ok" else finding.remedy
    return Item(mark=_MARKS[finding.verdict], subject=finding.subject, detail=finding.detail, remedy=remedy)


def _skipped(subject: str, findings: Sequence[Finding]) -> Item:
    """A check that nobody could make."""
    causes = list(_causes(findings))
    why = f"not looked at before this is mended: {', '.join(causes)}" if causes else "not looked at"
    return Item(mark="skipped", subject=subject, detail=why)


def _causes(findings: Sequence[Finding]) -> Iterator[str]:
    """What stops other checks from being made."""
    stops = ("configuration", "sandbox", "sandbox (REST)", "credentials", "compute API")
    return (each.subject for each in findings if each.verdict == "fail" and each.subject in stops)


def _each_once(items: list[Item]) -> tuple[Item, ...]:
    """The same without a second address of a sandbox that does not run at all: one line has told both."""
    silent = any(item.subject == "sandbox" for item in items)
    return tuple(item for item in items if not (silent and item.subject == "sandbox (gRPC)"))
