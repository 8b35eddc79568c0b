"""The groups of a new load balancer: as somebody names them, or chosen from what a project has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import click

from spillway.config.backends import GroupKind
from spillway.config.check import counted
from spillway.config.starter import StarterGroup, group_of_url

FAMILIES: dict[str, frozenset[GroupKind]] = {
    "endpoints": frozenset({GroupKind.NEG, GroupKind.HYBRID_NEG}),
    "instances": frozenset({GroupKind.INSTANCE_GROUP, GroupKind.REGIONAL_INSTANCE_GROUP}),
    "serverless": frozenset({GroupKind.SERVERLESS_NEG}),
}
"""Kinds of groups that may stand behind one service together, by the word for `--kind`."""

FORMS = (
    "Write its URL, such as https://www.googleapis.com/compute/v1/projects/P/zones/Z/networkEndpointGroups/N, "
    "or ZONE/NAME of a zonal network endpoint group."
)
CHOOSE = f"Choose with --kind {'|'.join(FAMILIES)}, or with --match PATTERN for their names."
_SHORT = re.compile(r"(?P<zone>[a-z]+(?:-[a-z]+)+[0-9]+-[a-z])/(?P<name>[a-z][a-z0-9-]*)")
_NUMBERS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_WORD = {
    GroupKind.NEG: "NEG",
    GroupKind.HYBRID_NEG: "hybrid NEG",
    GroupKind.INSTANCE_GROUP: "instance group",
    GroupKind.REGIONAL_INSTANCE_GROUP: "regional instance group",
    GroupKind.SERVERLESS_NEG: "serverless NEG",
}


def named_groups(entries: Iterable[str], project: str) -> tuple[StarterGroup, ...]:
    """The groups that entries such as `europe-west4=URL,europe-west4-b/chat` name.

    Raises:
        click.UsageError: an entry has another form, or a group is in another region.
    """
    return tuple(group for entry in entries for group in _entry(entry, project))


def projects_in(entries: Iterable[str]) -> list[str]:
    """The projects whose groups such entries name by URL, each once."""
    found = re.findall(r"projects/([^/,]+)/", " ".join(entries))
    return list(dict.fromkeys(found))


def _entry(entry: str, project: str) -> list[StarterGroup]:
    region, equals, names = entry.partition("=")
    region = region.strip()
    if not equals or not names.strip():
        raise click.UsageError(
            f"{entry!r} names no group. Write REGION=GROUP, such as europe-west4=europe-west4-a/chat. {FORMS}"
        )
    return [_one(region, name.strip(), project) for name in names.split(",")]


def _one(region: str, name: str, project: str) -> StarterGroup:
    short = _SHORT.fullmatch(name)
    if short is not None:
        zone = short["zone"]
        group = StarterGroup(
            region=zone.rpartition("-")[0], zone=zone, name=short["name"], kind=GroupKind.NEG
        )
    else:
        found = group_of_url(name, project)
        if found is None:
            raise click.UsageError(f"{name!r} is no group of a zone or region. {FORMS}")
        group = found
    if group.region != region:
        raise click.UsageError(
            f"{name} is in {group.region}, not in {region}. Write {group.region}=... for it."
        )
    return group


def matching(groups: Sequence[StarterGroup], patterns: Sequence[str], kind: str | None) -> list[StarterGroup]:
    """The groups whose names match one of the patterns, all without patterns, of one family where `kind` says which.

    Raises:
        click.UsageError: there are groups, and none of them is meant.
    """
    found = [
        group
        for group in groups
        if (not patterns or any(fnmatchcase(group.name, pattern) for pattern in patterns))
        and (kind is None or group.kind in FAMILIES[kind])
    ]
    if groups and not found:
        raise click.UsageError(
            f"None of the {counted(len(groups), 'group')} is meant by --match and --kind. "
            f"Some of their names: {', '.join(sorted({group.name for group in groups})[:5])}."
        )
    return found


def one_family(groups: Sequence[StarterGroup]) -> bool:
    """True if all of them may stand behind one service."""
    kinds = {group.kind for group in groups}
    return any(kinds <= family for family in FAMILIES.values())


def refuse_mixture(groups: Sequence[StarterGroup], remedy: str) -> None:
    """Do nothing if all groups may stand behind one service; else the error ends with `remedy`.

    Raises:
        click.UsageError: they may not.
    """
    if one_family(groups):
        return
    counts = Counter(group.kind for group in groups)
    told = ", ".join(counted(count, _WORD[kind]) for kind, count in sorted(counts.items()))
    raise click.UsageError(f"One service takes groups of one kind, and these are {told}. {remedy}")


def table(groups: Sequence[StarterGroup]) -> list[str]:
    """The groups with their numbers, a line each."""
    places = [group.zone or group.region for group in groups]
    width = max(map(len, places), default=0)
    names = max((len(group.name) for group in groups), default=0)
    return [
        f"  {number:>3}  {place:<{width}}  {group.name:<{names}}  {_WORD[group.kind]}{_size(group)}"
        for number, (place, group) in enumerate(zip(places, groups, strict=True), start=1)
    ]


def _size(group: StarterGroup) -> str:
    if group.size is None:
        return ""
    noun = "instance" if group.kind in FAMILIES["instances"] else "endpoint"
    return f", {counted(group.size, noun)}"


def chosen(groups: Sequence[StarterGroup], answer: str) -> list[StarterGroup]:
    """The groups that an answer means: `all`, numbers such as `1-3 5`, names, patterns such as `chat-*`.

    Raises:
        click.UsageError: a part of it means none, or they do not fit together.
    """
    taken: set[int] = set()
    for part in re.split(r"[\s,]+", answer.strip()):
        numbers = _NUMBERS.fullmatch(part)
        if part == "all":
            meant = set(range(len(groups)))
        elif numbers is not None:
            first, last = int(numbers[1]), int(numbers[2] or numbers[1])
            meant = set(range(first - 1, last)) & set(range(len(groups))) if first >= 1 else set()
        else:
            meant = {index for index, group in enumerate(groups) if fnmatchcase(group.name, part)}
        if not meant:
            raise click.UsageError(f"{part!r} means none of them.")
        taken |= meant
    found = [groups[index] for index in sorted(taken)]
    refuse_mixture(found, "Name those of one kind.")
    return found
