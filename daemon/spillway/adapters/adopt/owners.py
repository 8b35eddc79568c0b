"""Whose a resource is: other tools mark what they keep right, and would undo what anybody else writes there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from spillway.adapters.adopt.refusals import Refusals

_KUBERNETES = re.compile(r"(k8s\d?|gkegw\d?|gkemc[gi]?\d?|mci|mcg)-")
"""How GKE's controllers for Ingress, Gateway and multi-cluster Ingress begin the names of what they make
(GoogleCloudPlatform/k8s-ingress: `k8s1-`, `k8s2-`, `k8s-`; Gateway: `gkegw1-`, `gkemcg1-`)."""
_CONNECTOR = "managed-by-cnrm"
"""The label that Config Connector sets on what it makes (cloud.google.com/config-connector: labels)."""


def check_owner(what: str, body: Mapping[str, Any], refusals: Refusals) -> None:
    """Note a resource that GKE or Config Connector keeps.

    Args:
        what: kind and name.
        body: as the API answers it.
        refusals: where to note it.
    """
    labels = body.get("labels") or {}
    if str(labels.get(_CONNECTOR, "")).lower() == "true":
        refusals.add(
            what,
            "labels",
            "Config Connector keeps it, and writes back what its object in the cluster says.",
            "Annotate that object with `cnrm.cloud.google.com/deletion-policy: abandon`, delete the object, take the label"
            f" {_CONNECTOR} away, then adopt.",
        )
        return
    name, description = str(body.get("name", "")), str(body.get("description") or "")
    if (
        _KUBERNETES.match(name)
        or _tells_of_kubernetes(description)
        or any("kubernetes.io" in key for key in labels)
    ):
        refusals.add(
            what,
            "name" if _KUBERNETES.match(name) else "description",
            "a controller of GKE keeps it, and writes back what the Ingress, Gateway or Service in the cluster says.",
            "Let GKE keep the endpoint groups alone (Service annotation `cloud.google.com/neg: '{\"exposed_ports\": ...}'`),"
            " build a load balancer on them with `spillway up`, move the DNS record, then delete the Ingress or Gateway.",
        )


def _tells_of_kubernetes(description: str) -> bool:
    """True for the JSON that GKE writes into descriptions, such as `{"kubernetes.io/ingress-name": ...}`."""
    try:
        found = json.loads(description)
    except ValueError:
        return False
    return isinstance(found, dict) and any(
        "kubernetes.io" in str(key) or "k8s.io" in str(key) for key in found
    )
