"""Names that follow their content, and full names of what lives in Certificate Manager."""

from __future__ import annotations

import hashlib

from spillway.config.names import HASH_LENGTH, NAME_LIMIT


def hashed(name: str, *content: str) -> str:
    """`name` with eight digits of the hash of its content.

    A certificate cannot be changed, only replaced, and while a proxy uses it its name is taken: a new content
    needs a new name, so that the new one stands before the old one goes.
    """
    digest = hashlib.sha256("\0".join(content).encode()).hexdigest()[: HASH_LENGTH - 1]
    return f"{name[: NAME_LIMIT - HASH_LENGTH]}-{digest}"


def certificate_map(project: str, name: str) -> str:
    """The full name of a certificate map, as target proxies want it."""
    if name.startswith("//"):
        return name
    return f"//certificatemanager.googleapis.com/projects/{project}/locations/global/certificateMaps/{name}"
