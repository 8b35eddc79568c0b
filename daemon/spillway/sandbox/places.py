"""Regions and zones, as far as clients look them up. Any name of the right shape is a place; the list holds known ones."""

from __future__ import annotations

import hashlib
from typing import Any

from spillway.sandbox import links
from spillway.sandbox.refusals import not_found

_NAMES = """
africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2
asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1 europe-north2
europe-southwest1 europe-west1 europe-west10 europe-west12 europe-west2 europe-west3 europe-west4 europe-west6
europe-west8 europe-west9 me-central1 me-west1 northamerica-northeast1 northamerica-northeast2 northamerica-south1
southamerica-east1 southamerica-west1 us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3
us-west4
"""
REGIONS = tuple(_NAMES.split())
"""Regions in which a network has subnetworks by itself (recordings); others are accepted by shape."""
_ODD_ZONES = {"us-central1": "abcf", "us-east1": "bcd", "europe-west1": "bcd"}
_CREATED = "1969-12-31T16:00:00.000-08:00"


def zones_of(region: str) -> list[str]:
    """The zones of a region: a, b and c, with the known exceptions."""
    return [f"{region}-{letter}" for letter in _ODD_ZONES.get(region, "abc")]


def _frame(project: str, family: str, name: str, version: str) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).digest()
    return {
        "kind": f"compute#{family[:-1]}",
        "id": str(1000 + int.from_bytes(digest[:2], "big")),
        "name": name,
        "description": name,
        "status": "UP",
        "creationTimestamp": _CREATED,
        "selfLink": links.url(f"projects/{project}/{family}/{name}", version),
    }


def region(project: str, name: str, version: str) -> dict[str, Any]:
    """One region.

    Raises:
        Refusal: the name has another shape (404).
    """
    if not links.REGION.match(name):
        raise not_found(f"projects/{project}/regions/{name}")
    zones = [links.url(f"projects/{project}/zones/{zone}", version) for zone in zones_of(name)]
    return {**_frame(project, "regions", name, version), "zones": zones, "supportsPzs": False}


def zone(project: str, name: str, version: str) -> dict[str, Any]:
    """One zone.

    Raises:
        Refusal: the name has another shape (404).
    """
    match = links.ZONE.match(name)
    if match is None:
        raise not_found(f"projects/{project}/zones/{name}")
    return {
        **_frame(project, "zones", name, version),
        "region": links.url(f"projects/{project}/regions/{match['region']}", version),
        "supportsPzs": False,
    }


def project(name: str, version: str) -> dict[str, Any]:
    """A project, as far as `gcloud compute project-info describe` shows one."""
    digest = hashlib.sha256(name.encode()).digest()
    return {
        "kind": "compute#project",
        "id": str(10**18 + int.from_bytes(digest[:6], "big")),
        "name": name,
        "creationTimestamp": _CREATED,
        "defaultNetworkTier": "PREMIUM",
        "selfLink": links.url(f"projects/{name}", version),
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
    }


def all_places(project: str, family: str, version: str) -> list[dict[str, Any]]:
    """All known regions or zones, by name."""
    if family == "regions":
        return [region(project, name, version) for name in REGIONS]
    return [zone(project, name, version) for home in REGIONS for name in zones_of(home)]
