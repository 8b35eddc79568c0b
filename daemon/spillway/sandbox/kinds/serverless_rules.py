"""What Google refuses of a backend service with serverless groups (gcp.md 2.4)."""

from __future__ import annotations

from spillway.sandbox.kinds.base import Resource
from spillway.sandbox.refusals import invalid

_SUCCESS_RATE = (
    "enforcingSuccessRate",
    "successRateMinimumHosts",
    "successRateRequestVolume",
    "successRateStdevFactor",
)
_OWN_TIMEOUT = 30


def check(service: Resource, backends: list[Resource]) -> None:
    """What runs behind a serverless group has its own timeout and no success rate, and each region has one (gcp.md 2.4).

    Clients that write out the API's own timeout, as gcloud does, are let through.
    """
    if service["timeoutSec"] != _OWN_TIMEOUT:
        raise invalid(
            "resource.timeoutSec",
            service["timeoutSec"],
            "Timeout sec is not supported for a backend service with Serverless network endpoint groups.",
        )
    for name in _SUCCESS_RATE:
        if name in service.get("outlierDetection", {}):
            raise invalid(
                f"resource.outlierDetection.{name}",
                service["outlierDetection"][name],
                "The field is not supported for a backend service with Serverless network endpoint groups.",
            )
    regions: set[str] = set()
    for at, backend in enumerate(backends):
        region = backend["group"].partition("/regions/")[2].partition("/")[0]
        if region in regions:
            raise invalid(
                f"resource.backends[{at}].group",
                backend["group"],
                f"There is a Serverless network endpoint group of {region} in this backend service already.",
            )
        regions.add(region)
