"""Backend buckets (Compute API v1 `backendBuckets`). Cloud Storage itself is only a name here: no request reaches a file."""

from __future__ import annotations

from spillway.sandbox.kinds import caching
from spillway.sandbox.kinds.base import CRUD, Action, Draft, Kind
from spillway.sandbox.kinds.security_policies import REFERENCE, refer
from spillway.sandbox.refusals import required
from spillway.sandbox.schema import Link, choice
from spillway.sandbox.shapes import published, under


def check(draft: Draft) -> None:
    """A bucket is named; caching is whole."""
    if not draft.resource.get("bucketName"):
        raise required("resource.bucketName")
    caching.keep_keys(draft)
    caching.check(draft.resource, bool(draft.resource.get("enableCdn")))


BACKEND_BUCKETS = Kind(
    collection="backendBuckets",
    singular="backendBucket",
    verbs=CRUD | {"update", "patch", "aggregatedList"},
    aggregated_kind="compute#backendBucketAggregatedList",
    shape=published(
        "BackendBucket",
        {
            **under("cdnPolicy", caching.POLICY),
            "edgeSecurityPolicy": Link(("securityPolicies",)),
            "loadBalancingScheme": choice("EXTERNAL_MANAGED INTERNAL_MANAGED"),
        },
        unmodelled="params",
    ),
    defaults={"description": "", "enableCdn": False},
    outputs=frozenset({"usedBy", "edgeSecurityPolicy", "region"}),
    check=check,
    actions=(
        Action(
            name="setEdgeSecurityPolicy",
            body=REFERENCE,
            change=refer("edgeSecurityPolicy", "CLOUD_ARMOR_EDGE"),
        ),
        *caching.KEY_ACTIONS,
    ),
)
