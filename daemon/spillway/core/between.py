"""What is asked of the core between two passes: before a build, and when an operator gives an order. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spillway.core.act.standing import stand as stand_service
from spillway.core.decide.operators import OrderCheck, check_order
from spillway.core.loop import begin, in_force, step_service
from spillway.core.values.alarms import Alarm
from spillway.core.values.orders import Order, Orders
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import Snapshot
from spillway.core.values.state import ControllerMemory, ServiceMemory
from spillway.core.values.topology import Fleet, ServiceName


def foresee(
    fleet: Fleet,
    policies: Mapping[str, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    *,
    orders: Orders,
    order: Order,
) -> tuple[OrderCheck, ...]:
    """What a new order would mean for each service that has its region, by the newest observation. Nothing is remembered of it.

    Args:
        fleet: All services, as configured.
        policies: By name.
        snapshot: The newest full one.
        overlay: What the daemon wants at present.
        memory: As the last step gave it back.
        orders: Those in force beside the new one.
        order: The new one.

    Raises:
        KeyError: a policy or a service is missing from what was given.
    """
    now = begin(fleet, policies, snapshot, (overlay, memory), orders=orders)
    views = {v.service: v for v in snapshot.services}
    found = []
    for service in fleet.services:
        here = any(b.region == order.region for b in service.backends)
        if not here or not order.covers(service.name, order.region) or service.name not in views:
            continue
        standing = overlay.service(service.name), memory.service(service.name)
        policy = in_force(policies, service, orders)
        done = step_service(service, policy, views[service.name], standing, now)
        found.append(check_order(done.accepted.context, order))
    return tuple(found)


def end_edits(memory: ControllerMemory, service: str | None, region: str) -> ControllerMemory:
    """The memory in which nobody's edit of `region` is left alone any more; None for all services.

    An operator's order on a lever ends what somebody else has set there.
    """
    services = []
    for known in memory.services:
        ours = known.backend(region)
        ends = service in {None, known.service} and ours.pin is not None
        services.append(known.with_backend(replace(ours, pin=None)) if ends else known)
    return replace(memory, services=tuple(services))


def stand(
    policies: Mapping[ServiceName, Policy],
    snapshot: Snapshot,
    overlay: Overlay,
    memory: ControllerMemory,
    intended: Overlay | None,
) -> tuple[Overlay, ControllerMemory, tuple[tuple[ServiceName, Alarm], ...]]:
    """What the cloud has, taken over before a build: overlay, memory, and what others have set, by service.

    Args:
        policies: By service.
        snapshot: What two readings showed.
        overlay: What is remembered as wanted, for every service of the snapshot.
        memory: What is remembered.
        intended: What an open intent of ours was to leave; None where there is none.
    """
    told: list[tuple[ServiceName, Alarm]] = []
    known = {s.service: s for s in memory.services}
    meant = {s.service: s for s in intended.services} if intended is not None else {}
    for view in snapshot.services:
        name = view.service
        before = known.get(name) or ServiceMemory(service=name)
        setting, known[name], found = stand_service(
            overlay.service(name),
            before,
            view,
            policies[name],
            at=snapshot.at,
            intended=meant.get(name),
        )
        overlay = overlay.with_service(setting)
        told.extend((name, why) for why in found)
    services = tuple(sorted(known.values(), key=lambda s: s.service))
    return overlay, replace(memory, services=services), tuple(told)
