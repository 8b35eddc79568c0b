"""The one method of Cloud Resource Manager that the sandbox serves: which of some permissions the caller has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spillway.sandbox.access import Access
from spillway.sandbox.methods import SYSTEM_PARAMETERS
from spillway.sandbox.refusals import invalid, unknown_method, unknown_parameter

_TEST = re.compile(r"projects/[^/]+:testIamPermissions")
_MOST = 100
"""Permissions that one request may name."""
_PERMISSION = re.compile(r"[a-z]+\.[A-Za-z]+\.[A-Za-z]+")


class ProjectsApi:
    """Answers `POST /v1/projects/P:testIamPermissions`."""

    def __init__(self, access: Access) -> None:
        """Bind the roles."""
        self._access = access

    def serves(self, path: str) -> bool:
        """True if a path below `/v1/` belongs to this API."""
        return _TEST.fullmatch(path) is not None

    async def answer(
        self, http: str, path: str, *, query: Mapping[str, str], body: dict[str, Any], token: str = ""
    ) -> dict[str, Any]:
        """Answer one request; without any granted permission the list is left out, as Google does with what is empty.

        Raises:
            Refusal: the request is wrong.
        """
        if http != "POST":
            raise unknown_method(http, f"/v1/{path}")
        for name in query:
            if name not in SYSTEM_PARAMETERS:
                raise unknown_parameter(name)
        wanted = body.get("permissions", [])
        if not isinstance(wanted, list) or len(wanted) > _MOST:
            raise invalid("permissions", wanted, f"It must be a list of {_MOST} permissions at most.")
        for permission in wanted:
            if not isinstance(permission, str) or not _PERMISSION.fullmatch(permission):
                raise invalid("permissions", permission, "A permission has the form service.resource.verb.")
        granted = [permission for permission in wanted if self._access.holds(token, permission)]
        return {"permissions": granted} if granted else {}
