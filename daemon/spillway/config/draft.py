"""A configuration under judgement: all parts of it that are sound, and where the rules put what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spillway.config.backends import Member, members, region_names
from spillway.config.buckets import BucketConfig
from spillway.config.check import look_up
from spillway.config.existing import NamesConfig
from spillway.config.frontends import AddressConfig, FrontendsConfig
from spillway.config.model import DaemonConfig, SandboxConfig
from spillway.config.names import NAME_LIMIT, Naming
from spillway.config.routes import RouteConfig, UrlMapConfig
from spillway.config.salvage import Salvage
from spillway.config.services import ServiceConfig
from spillway.config.source import Source
from spillway.config.topology import HealthCheckConfig, RegionConfig
from spillway.config.tree import Location
from spillway.core.values.policy import Policy
from spillway.errors import Problem

T = TypeVar("T")

SERVICES: Location = ("topology", "services")
REGIONS: Location = ("topology", "regions")
HEALTH_CHECKS: Location = ("topology", "health_checks")
BUCKETS: Location = ("topology", "buckets")
REFERENCES: Location = ("topology", "references")
ROUTES: Location = ("topology", "routes")
URL_MAP: Location = ("topology", "url_map")
FRONTENDS: Location = ("topology", "frontends")
POLICIES: Location = ("policies",)
NAMES: Location = ("names",)


@dataclass(slots=True)
class Draft:
    """The sound parts. What is missing or beyond repair is None or left out, and has its own problem already."""

    source: Source
    salvage: Salvage
    cloud: str | None
    project: str | None
    name: str
    existing: NamesConfig
    daemon: DaemonConfig | None
    sandbox: SandboxConfig | None
    address: AddressConfig
    frontends: FrontendsConfig | None
    default_service: str | None
    default_bucket: str | None
    routes: tuple[tuple[Location, RouteConfig], ...]
    url_map: UrlMapConfig
    health_checks: dict[str, HealthCheckConfig]
    regions: dict[str, RegionConfig]
    services: dict[str, ServiceConfig]
    buckets: dict[str, BucketConfig]
    policies: dict[str, Policy]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def naming(self) -> Naming:
        """How its resources are called."""
        return Naming(self.name, self.existing)

    def error(self, at: Location, message: str, remedy: str, *, uses: Sequence[Location] = ()) -> None:
        """Report a mistake at `at`, unless `at` or something that it rests on is broken already."""
        if not self.salvage.rests_on_broken((at, *uses)):
            self.problems.append(self.source.problem(at, message, remedy))

    def warn(self, at: Location, message: str, remedy: str, *, uses: Sequence[Location] = ()) -> None:
        """Report something that works but deserves a second look."""
        if not self.salvage.rests_on_broken((at, *uses)):
            self.warnings.append(self.source.problem(at, message, remedy))

    def check_length(self, at: Location, resource: str, *, more: int = 0) -> None:
        """Report a name at `at` whose resource would have a name that Google refuses.

        Args:
            at: where the name stands.
            resource: name of the resource, made of the prefix and the name from the configuration.
            more: characters that the Pulumi program adds: the hash of a certificate's content.
        """
        excess = len(resource) + more - NAME_LIMIT
        if excess > 0:
            suffix = " with the hash of its content" if more else ""
            self.error(
                at,
                f"its resource would be called {resource}{suffix}: {len(resource) + more} characters, and Google takes {NAME_LIMIT}.",
                f"Shorten this name or the `name` at the top by {excess}.",
                uses=(("name",),),
            )

    def names(self, section: Location) -> tuple[str, ...]:
        """All names that are written in a section, also of entries with mistakes."""
        data = look_up(self.source.data, section)
        return tuple(data) if isinstance(data, dict) else ()

    def lacks(self, section: Location, name: str) -> bool:
        """True if a section is there and has no entry `name`; a section that is missing is a problem of its own."""
        return section not in self.salvage.broken and name not in self.names(section)

    def value(self, at: Location) -> Any:
        """What the configuration says at `at`: a plain value, True for a whole section or list, None for nothing."""
        value = look_up(self.source.data, at)
        return True if isinstance(value, dict | list) else value

    def given(self, at: Location) -> bool:
        """True if the configuration says something at `at`."""
        return look_up(self.source.data, at) is not None

    def items(self, at: Location, values: Sequence[T]) -> Iterator[tuple[Location, T]]:
        """Items of a list with their locations."""
        return self.salvage.items(at, values)

    def each(self, at: Location, value: T | tuple[T, ...] | None) -> Iterator[tuple[Location, T]]:
        """The values of a `OneOrMany` with their locations: a single one stands at `at` itself."""
        if isinstance(value, tuple):
            yield from self.items(at, value)
        elif value is not None:
            yield at, value

    def members(self, service: str) -> tuple[Member, ...]:
        """The backends of a service whose regions are sound."""
        return members(self.services[service], self.regions)

    def groups_at(self, service: str, region: str) -> Location:
        """Where the groups of a service in a region stand: in its own `backends` if it brings some, else in the region."""
        own = (*SERVICES, service, "backends", region, "groups")
        return own if self.given(own) else (*REGIONS, region, "groups")

    def complete(self, service: str) -> bool:
        """True if every region of the service is known and sound, so that one can speak about all its backends."""
        wanted = region_names(self.services[service], self.regions)
        whole = self.services[service].regions != "all" or not self.salvage.rests_on_broken((REGIONS,))
        return whole and all(name in self.regions for name in wanted)


def draft(source: Source) -> Draft:
    """The draft of what was read."""
    salvage = Salvage(source.data)
    salvage.note_absent()

    def word(*at: str) -> str | None:
        value = look_up(source.data, at)
        return value if isinstance(value, str) else None

    routes: list[tuple[Location, RouteConfig]] = []
    listed = look_up(source.data, ROUTES)
    for index in range(len(listed) if isinstance(listed, list) else 0):
        route = salvage.part(RouteConfig, (*ROUTES, index))
        if route is not None:
            routes.append(((*ROUTES, index), route))
    policies = salvage.parts(Policy, POLICIES)
    if look_up(source.data, POLICIES) is None:
        policies = {"default": Policy()}
    return Draft(
        source=source,
        salvage=salvage,
        cloud=word("cloud"),
        project=word("project"),
        name=word("name") or "spillway",
        existing=salvage.part(NamesConfig, NAMES) or NamesConfig(),
        daemon=salvage.part(DaemonConfig, ("daemon",))
        or (DaemonConfig() if look_up(source.data, ("daemon",)) is None else None),
        sandbox=salvage.part(SandboxConfig, ("sandbox",)),
        address=salvage.part(AddressConfig, ("topology", "address")) or AddressConfig(),
        frontends=salvage.part(FrontendsConfig, FRONTENDS),
        default_service=word("topology", "default_service"),
        default_bucket=word("topology", "default_bucket"),
        routes=tuple(routes),
        url_map=salvage.part(UrlMapConfig, URL_MAP) or UrlMapConfig(),
        health_checks=salvage.parts(HealthCheckConfig, HEALTH_CHECKS),
        regions=salvage.parts(RegionConfig, REGIONS),
        services=salvage.parts(ServiceConfig, SERVICES),
        buckets=salvage.parts(BucketConfig, BUCKETS),
        policies=policies,
    )
