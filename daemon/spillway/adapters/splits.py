"""What the URL map says of steered splits, put as a listed service each: the core reads weights as it reads scalers.

A weight counts as its part of the configured one. If somebody has set one above the configured, all parts are scaled down
together, and if all are so small that each would count as closed, all are scaled up together: what counts is the share of the requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spillway.adapters.answers import Object, number, objects, part, text
from spillway.core.observe.rows import ListedGroup, ListedService
from spillway.core.values.topology import Service, legal_scaler

HEAVIEST = 1000
"""Largest weight (py:WeightedBackendService.weight)."""


def listed_splits(
    splits: Sequence[Service], url_map: Object, services: Mapping[str, ListedService]
) -> dict[str, ListedService]:
    """The splits that stand, by resource.

    One that the URL map does not have, or of which a backend service does not exist, says nothing and is left out.

    Args:
        splits: As configured; `resource` ends in the name of the path matcher.
        url_map: As Compute answers it.
        services: The backend services as listed, by name.

    Raises:
        ShapeError: the answer has not the shape that the API documents.
    """
    matchers = {text(item, "name"): item for item in objects(url_map, "pathMatchers")}
    fingerprint = text(url_map, "fingerprint", "")
    found = {}
    for split in splits:
        matcher = matchers.get(split.resource.rpartition("/")[2])
        listed = None if matcher is None else _listed(split, matcher, services)
        if listed is not None:
            found[split.resource] = replace(listed, fingerprint=fingerprint)
    return found


def _listed(split: Service, matcher: Object, services: Mapping[str, ListedService]) -> ListedService | None:
    weighted = objects(part(matcher, "defaultRouteAction"), "weightedBackendServices")
    weights = {
        text(item, "backendService").rpartition("/")[2]: number(item, "weight", 0, most=HEAVIEST)
        for item in weighted
    }
    ratios = {b.region: weights.get(b.resource or "", 0.0) / b.weight for b in split.backends if b.weight}
    if not weighted or not any(ratios.values()):
        return None
    most = max(ratios.values())
    if legal_scaler(most) > 0.0:
        most = max(1.0, most)
    groups: list[ListedGroup] = []
    for backend in split.backends:
        service = services.get(backend.resource or "")
        if service is None:
            return None
        scaler = legal_scaler(ratios[backend.region] / most)
        groups += [replace(group, scaler=scaler) for group in service.groups if group.key in backend.groups]
    return ListedService(resource=split.resource, groups=tuple(groups))
