"""Names of resources: the many ways in which clients write them, and the one that the sandbox keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass

COMPUTE = "https://www.googleapis.com/compute"
_URL = re.compile(r"^(?:https?:)?//[^/]+/(?:compute/(?:v1|beta)/|v1/)?(?P<rest>projects/.+)$")
_PARTS = re.compile(
    r"^projects/(?P<project>[^/]+)/(?P<scope>global|zones/[^/]+|regions/[^/]+|locations/[^/]+(?:/certificateMaps/[^/]+)?)/(?P<collection>[A-Za-z]+)/(?P<name>[^/]+)$",
)
PROJECT = re.compile(r"^(?:[a-z0-9.-]+:)?[a-z0-9][-a-z0-9]{0,61}$")
REGION = re.compile(r"^[a-z]+-[a-z]+[0-9]+$")
ZONE = re.compile(r"^(?P<region>[a-z]+-[a-z]+[0-9]+)-[a-z]$")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which resource: `projects/{project}/{scope}/{collection}/{name}`."""

    project: str
    scope: str
    """`global`, `zones/Z`, `regions/R` or `locations/global`."""
    collection: str
    name: str

    @property
    def path(self) -> str:
        """The relative name, as errors and references give it."""
        return f"projects/{self.project}/{self.scope}/{self.collection}/{self.name}"

    @property
    def region(self) -> str | None:
        """The region that the resource is in; None for a global one."""
        family, _, place = self.scope.partition("/")
        if family == "zones":
            return place.rsplit("-", 1)[0]
        return place if family == "regions" else None


def parse(link: str, project: str) -> Key | None:
    """Read a full URL, a relative name, or one that starts at its scope; None where it is none of these."""
    found = _URL.match(link)
    rest = found["rest"] if found else link
    if rest.startswith(("global/", "zones/", "regions/")):
        rest = f"projects/{project}/{rest}"
    parts = _PARTS.match(rest)
    return Key(parts["project"], parts["scope"], parts["collection"], parts["name"]) if parts else None


def url(path: str, version: str) -> str:
    """The full URL of a relative name, in the version of the request as the real API answers it."""
    return f"{COMPUTE}/{version}/{path}"


def scope_exists(scope: str) -> bool:
    """True for a scope of the right shape. Regions and zones are checked for shape, not against a frozen list."""
    family, _, place = scope.partition("/")
    patterns = {"zones": ZONE, "regions": REGION}
    return scope in {"global", "locations/global"} or (
        family in patterns and bool(patterns[family].match(place))
    )
