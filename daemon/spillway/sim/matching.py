"""Whether a request's host and path fit a pattern of the URL map; the world and the sandbox's routing read patterns alike.

Patterns of paths are those of path rules (`/a`, `/a/*`), prefixes of route rules (`/a*`, where the star stands for anything),
and templates (`/v1/{model=*}/{rest=**}`). `(?i)` in front means that the case of letters does not matter.
"""

from __future__ import annotations

import re
from functools import lru_cache

ANY_CASE = "(?i)"
"""What a pattern begins with for which the case of letters does not matter."""

_OPERATOR = re.compile(r"\{[^}=]*(?:=(\*\*|\*))?\}|\*\*|\*")


def host_matches(pattern: str, host: str) -> bool:
    """`*` matches all, `*.x` what ends in `.x`, everything else itself."""
    bare = host.partition(":")[0].lower()
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return bare.endswith(pattern[1:].lower())
    return bare == pattern.partition(":")[0].lower()


def path_matches(pattern: str, path: str) -> bool:
    """`/a/*` matches all below `/a/`, `/a*` what starts so, a template what it describes, everything else itself.

    `/a/*` does not match `/a`: Google's ingress controller writes both for a prefix.
    """
    if pattern.startswith(ANY_CASE):
        return path_matches(pattern.removeprefix(ANY_CASE).lower(), path.lower())
    if "{" in pattern:
        return _template(pattern).fullmatch(path) is not None
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


@lru_cache(maxsize=1024)
def _template(pattern: str) -> re.Pattern[str]:
    """A template as a regular expression: `*` and a plain variable are one part of a path, `**` is any number of parts."""
    made, at = "", 0
    for found in _OPERATOR.finditer(pattern):
        made += re.escape(pattern[at : found.start()])
        made += ".*" if "**" in found[0] else "[^/]+"
        at = found.end()
    return re.compile(made + re.escape(pattern[at:]))
