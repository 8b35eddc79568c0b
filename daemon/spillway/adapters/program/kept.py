"""What others have set, as the program must know it: plain data, so that the program is a pure function of (config, overlay, kept).

What the program does not speak of needs no data: `declare` lets the engine ignore it. Three things do. A setting that the
configuration speaks of and that stands otherwise is left as it is, where the policy says so. A group that somebody
attached stands inside a list that is ours. A resource that holds what no write can carry is not written at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spillway.adapters.program.provider_fields import arguments_of, every_property, extra_keywords, unnamed

if TYPE_CHECKING:
    import pulumi

Props = Mapping[str, Any]
Part = tuple[str, str]
"""A resource: its type token and its name in the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCertificate:
    """A certificate that the configuration no longer names and that a proxy still shows."""

    name: str
    is_managed: bool
    domains: tuple[str, ...]
    """Of a managed one; empty for a given one."""
    is_ours: bool
    """False for one that somebody else has attached: it is attached on, and never declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one HTTPS frontend shows while its certificates change, where that is not what the configuration says."""

    old: tuple[OldCertificate, ...] = ()
    """What is attached beside the certificates that the configuration names."""
    certificate_map: str | None = None
    """The map that is attached, in full; None for none."""
    aside: frozenset[str] = frozenset()
    """Names of certificates that are made and not attached yet: the proxy has no room for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What stands and is to stay."""

    drifted: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    """Paths of properties that the configuration speaks of and that stay as they were found."""
    targets: Mapping[tuple[str, str], Props] = field(default_factory=dict)
    """The same of single backends: (backend service, group without host and version) to properties as found."""
    groups: Mapping[str, tuple[Props, ...]] = field(default_factory=dict)
    """Backends that somebody else has attached, by the name of the backend service, as found."""
    given_up: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    """Paths that the configuration gave at the last build and gives no more: what stands there is ours to take away."""
    held: frozenset[Part] = frozenset()
    """Resources that are not written at all."""
    certificates: Mapping[str, Shown] = field(default_factory=dict)
    """By the name of the HTTPS frontend; none for what is as the configuration says."""


NOTHING = Kept()


def group_path(url: str) -> str:
    """A group's URL without host and version: the API and the configuration may write either."""
    return url[max(0, url.find("projects/")) :]


def declare(
    resource: Any,
    name: str,
    kept: Kept,
    /,
    *,
    spoken: tuple[str, ...] = (),
    untouched: bool = False,
    depends_on: list[pulumi.Resource] | None = None,
    delete_before_replace: bool | None = None,
    extra: Props | None = None,
    **arguments: Any,
) -> Any:
    """Declare a resource, and let the engine leave alone all that the declaration does not speak of.

    Args:
        resource: the provider's class.
        name: in the program and in the cloud.
        kept: what stands and is to stay.
        spoken: further paths that are ours although nothing stands there, such as `logConfig.sampleRate`.
        untouched: it stands already and stays exactly as it is, whatever the arguments say.
        depends_on: resources that must stand first.
        delete_before_replace: where the old and the new cannot stand side by side.
        extra: further arguments by their names in Python, as the configuration gives them.
        arguments: the properties. One that is None is ours: nothing is to stand there.
    """
    import pulumi

    if extra:
        arguments |= extra_keywords(arguments_of(resource), extra)
    part = (resource.pulumi_type, name)
    if untouched or part in kept.held:
        ignored = set(every_property(resource))
    else:
        ours = (*spoken, *kept.given_up.get(part, ()))
        foreign = (path for path in unnamed(resource, arguments) if not _within(path, ours))
        ignored = {*foreign, *kept.drifted.get(part, ())}
    options = pulumi.ResourceOptions(
        depends_on=depends_on,
        ignore_changes=sorted(ignored),
        delete_before_replace=delete_before_replace,
    )
    return resource(name, **arguments, opts=options)


def _within(path: str, spoken: tuple[str, ...]) -> bool:
    return any(path == ours or path.startswith(f"{ours}.") for ours in spoken)
