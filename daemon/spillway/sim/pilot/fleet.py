"""The fleet that a scenario describes, as a configuration of the same load balancer would."""

from __future__ import annotations

from spillway.core.values.overlay import BackendSetting, Overlay, Posture, ServiceSetting
from spillway.core.values.policy import Policy, PostureSet
from spillway.core.values.topology import Backend, BalancingMode, Fleet, GroupKey, Preference, Service, Target
from spillway.sim.control import BackendControl, ServiceControl
from spillway.sim.plant import RegionPlant
from spillway.sim.scenario import ScenarioService
from spillway.sim.scenario_check import place_of
from spillway.sim.setup import Setup

GROUP = "model"
"""Name of every zonal group; zones tell them apart."""


def zone_name(region: str, index: int) -> str:
    """The zone of a region's group: a, b, c ... in order."""
    return f"{region}-{chr(ord('a') + index)}"


def fleet_of(setup: Setup) -> Fleet:
    """All services of a scenario; resource names are service names."""
    services = setup.scenario.services or {"pool": ScenarioService()}
    return Fleet(services=tuple(_service(name, services[name], setup) for name in sorted(services)))


def _service(name: str, service: ScenarioService, setup: Setup) -> Service:
    names = (
        (service.home, *service.failover)
        if service.home
        else (tuple(service.weights) or service.regions or tuple(setup.scenario.regions))
    )
    plants = {plant.name: plant for plant in setup.regions}
    return Service(
        name=name,
        resource=name,
        policy="default",
        backends=tuple(
            _backend(name, plants[r], setup, service) for r in sorted(n for n in names if n is not None)
        ),
        home=service.home,
        has_policy=not any(plants[n].serverless for n in names if n is not None),
    )


def _backend(name: str, plant: RegionPlant, setup: Setup, service: ScenarioService) -> Backend:
    place = place_of(plant.name, setup.scenario.regions[plant.name])
    pinned = service.home is not None
    told = None if plant.serverless else plant.target / plant.endpoints
    return Backend(
        service=name,
        region=plant.name,
        groups=tuple(GroupKey(name=GROUP, scope=zone_name(plant.name, i)) for i in range(plant.zones)),
        target=Target(mode=BalancingMode.RATE, per_endpoint=told),
        has_scaler=not plant.serverless,
        weight=service.weights.get(plant.name),
        preference=Preference.PREFERRED if service.home == plant.name else Preference.DEFAULT,
        cost=plant.cost,
        standby=plant.name != service.home if pinned else plant.standby,
        latitude=place[0] if place else None,
        longitude=place[1] if place else None,
    )


def overlay_of(fleet: Fleet, controls: tuple[ServiceControl, ...]) -> Overlay:
    """The overlay under which the balancer was told `controls`; a region at 0 that is standby is no member."""
    told = {control.service: {b.region: b for b in control.backends} for control in controls}

    def setting(service: Service, backend: Backend) -> BackendSetting:
        found = told.get(service.name, {}).get(backend.region)
        member = found is not None and not (backend.standby and found.scaler == 0.0)
        return BackendSetting(
            region=backend.region,
            member=member,
            scaler=found.scaler if found is not None else 0.0,
            preference=backend.preference,
        )

    return Overlay(
        services=tuple(
            ServiceSetting(
                service=s.name, posture=Posture.NORMAL, backends=tuple(setting(s, b) for b in s.backends)
            )
            for s in fleet.services
        )
    )


def posture_set(policy: Policy, posture: Posture) -> PostureSet:
    """The settings behind a posture."""
    sets: dict[Posture, PostureSet] = {
        Posture.NORMAL: policy.postures.normal,
        Posture.GUARDED: policy.postures.guarded,
        Posture.SCARCE: policy.postures.scarce,
    }
    return sets[posture]


def controls_of(fleet: Fleet, overlay: Overlay, policy: Policy) -> tuple[ServiceControl, ...]:
    """What the balancer is told under an overlay, as the Pulumi program would."""
    weights = {(b.service, b.region): b.weight for s in fleet.services for b in s.backends}
    return tuple(
        ServiceControl(
            service=setting.service,
            backends=tuple(
                BackendControl(
                    region=b.region,
                    scaler=b.scaler,
                    preferred=b.preference is Preference.PREFERRED,
                    weight=weights.get((setting.service, b.region)),
                )
                for b in setting.backends
                if b.member
            ),
            failover_threshold=posture_set(policy, setting.posture).failover_threshold / 100.0,
            auto_drain=posture_set(policy, setting.posture).auto_drain,
            outlier_ejection=posture_set(policy, setting.posture).outlier_ejection / 100.0,
        )
        for setting in overlay.services
    )
