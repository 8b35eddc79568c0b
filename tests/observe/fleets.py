"""A small fleet, and rows of it."""

from __future__ import annotations

from typing import Any

from spillway.core.observe.rows import (
    Answer,
    CountRow,
    GroupHealth,
    HealthReads,
    LatencyRow,
    ListedGroup,
    ListedService,
    Listing,
    PlaceRow,
    Policies,
    Readings,
)
from spillway.core.values.histogram import Distribution
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Service, Target

NOW = 1_700_000_040.0
"""A whole minute."""
NEWEST = NOW - 240.0
"""End of the newest minute that is older than 210 s."""
EUROPE = (
    GroupKey(name="pool", scope="europe-west4-a"),
    GroupKey(name="pool", scope="europe-west4-b"),
)
AMERICA = (GroupKey(name="pool-us", scope="us-east4-a"),)


def backend(region: str, groups: tuple[GroupKey, ...], **more: Any) -> Backend:
    target = Target(mode=BalancingMode.RATE, per_endpoint=10.0)
    return Backend(service="pool", region=region, groups=groups, target=target, **more)


FLEET = Fleet(
    services=(
        Service(
            name="pool",
            resource="spillway-pool",
            policy="default",
            backends=(backend("europe-west4", EUROPE), backend("us-east4", AMERICA)),
        ),
    )
)


def latency(count: float, *, mean: float = 0.5) -> Distribution:
    """All samples between 0.4 and 0.8 s."""
    return Distribution(bounds=(0.4, 0.8, 1.6), counts=(0.0, count, 0.0, 0.0), mean=mean)


def ends(count: int = 5, newest: float = NEWEST) -> list[float]:
    """Ends of minutes, newest first as the API gives them."""
    return [newest - 60.0 * i for i in range(count)]


def counts(
    key: GroupKey,
    code: int = 200,
    value: float = 100.0,
    *,
    at: list[float] | None = None,
    target: str = "spillway-pool",
) -> CountRow:
    minutes = tuple(at or ends())
    return CountRow(target, key.name, key.scope, code, minutes, (value,) * len(minutes))


def latencies(key: GroupKey, value: Distribution | None, *, at: list[float] | None = None) -> LatencyRow:
    minutes = tuple(at or ends())
    return LatencyRow("spillway-pool", key.name, key.scope, minutes, (value,) * len(minutes))


def places(scope: str, place: str, value: float = 100.0, *, at: list[float] | None = None) -> PlaceRow:
    minutes = tuple(at or ends())
    return PlaceRow("spillway-pool", scope, place, minutes, (value,) * len(minutes))


def readings(
    count_rows: tuple[CountRow, ...] = (),
    latency_rows: tuple[LatencyRow, ...] = (),
    place_rows: tuple[PlaceRow, ...] = (),
    errors: tuple[str, ...] = (),
) -> Readings:
    return Readings(
        counts=Answer(asked=NOW, rows=count_rows, errors=errors),
        latencies=Answer(asked=NOW, rows=latency_rows),
        places=Answer(asked=NOW, rows=place_rows),
    )


def listing(*keys: GroupKey, scaler: float = 1.0, policy: str = "") -> Listing:
    groups = tuple(ListedGroup(key=key, url=f"url/{key.scope}/{key.name}", scaler=scaler) for key in keys)
    service = ListedService(resource="spillway-pool", groups=groups, policy=policy)
    return Listing(at=NOW, services={"spillway-pool": service})


NO_POLICIES = Policies(at=NOW, policies={})


def health(healthy: int = 3, total: int = 4, keys: tuple[GroupKey, ...] = EUROPE + AMERICA) -> HealthReads:
    return HealthReads(
        at=NOW, groups={("spillway-pool", key): GroupHealth(healthy=healthy, total=total) for key in keys}
    )
