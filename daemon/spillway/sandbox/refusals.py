"""Refusals in the form of the real API: HTTP status, reason and sentence.

Reasons and status numbers are those of the table in the facts (gcp.md 5.4) and of the recordings.
"""

from __future__ import annotations

from typing import Any

NAME_PATTERN = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"

_RPC_STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Refusal(Exception):
    """A request that the API answers with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    def compute_body(self) -> dict[str, Any]:
        """The body as the Compute API writes it."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}

    def rpc_body(self) -> dict[str, Any]:
        """The body as the newer APIs (Network Services) write it."""
        status = _RPC_STATUS.get(self.status, "UNKNOWN")
        return {"error": {"code": self.status, "message": self.message, "status": status}}


def invalid(field: str, value: object, why: str) -> Refusal:
    """A value that the API does not take; `field` counts from `resource`."""
    return Refusal(400, "invalid", f"Invalid value for field '{field}': '{value}'. {why}")


def required(field: str) -> Refusal:
    """A field that must be there and is not."""
    return Refusal(400, "required", f"Required field '{field}' not specified")


def unknown_field(path: str, name: str) -> Refusal:
    """A field that the API does not have."""
    return Refusal(
        400,
        "badRequest",
        f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field.",
    )


def unmodelled(field: str) -> Refusal:
    """A field that the real API has and the sandbox does not imitate: refused rather than ignored."""
    return Refusal(
        400,
        "invalid",
        f"Invalid value for field '{field}'. The sandbox does not model this field; leave it out, or try it on Google Cloud.",
    )


def unknown_parameter(name: str) -> Refusal:
    """A query parameter that the method does not have."""
    return Refusal(
        400,
        "badRequest",
        f"Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found in request message.",
    )


def not_found(path: str) -> Refusal:
    """A resource that does not exist; `path` starts with `projects/`."""
    return Refusal(404, "notFound", f"The resource '{path}' was not found")


def unknown_method(method: str, path: str) -> Refusal:
    """A request that the sandbox does not serve."""
    return Refusal(
        404,
        "notFound",
        f"The sandbox does not serve {method} {path}. It imitates the parts of Google Cloud that a global Application Load Balancer needs.",
    )


def forbidden(permission: str, path: str) -> Refusal:
    """A permission that the caller's role lacks."""
    return Refusal(403, "forbidden", f"Required '{permission}' permission for '{path}'")


def already_exists(path: str) -> Refusal:
    """A name that is taken."""
    return Refusal(409, "alreadyExists", f"The resource '{path}' already exists")


def stale_fingerprint() -> Refusal:
    """Somebody wrote in between."""
    return Refusal(412, "conditionNotMet", "Invalid fingerprint.")


def stale_labels() -> Refusal:
    """Somebody labelled in between."""
    return Refusal(
        412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed"
    )


def in_use(label: str, path: str, user: str) -> Refusal:
    """A resource that another one needs."""
    return Refusal(
        400,
        "resourceInUseByAnotherResource",
        f"The {label} resource '{path}' is already being used by '{user}'",
    )


def not_ready(path: str) -> Refusal:
    """Another write to the same resource is under way."""
    return Refusal(400, "resourceNotReady", f"The resource '{path}' is not ready")


def rate_limited() -> Refusal:
    """The API refuses writes for the moment: 403, not 429 (gcp.md 5.4)."""
    return Refusal(403, "rateLimitExceeded", "Rate Limit Exceeded")


def timed_out() -> Refusal:
    """No answer in time; the write may have been carried out."""
    return Refusal(504, "backendError", "The service did not answer in time.")
