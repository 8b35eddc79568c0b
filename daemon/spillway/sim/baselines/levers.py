"""The levers that opponents pull: all regions that may serve a service, their ceilings, and the posture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from spillway.core.values.overlay import Posture
from spillway.core.values.policy import Policy
from spillway.core.values.topology import Fleet, Preference, legal_scaler
from spillway.sim.control import BackendControl, ServiceControl
from spillway.sim.pilot.fleet import fleet_of, posture_set
from spillway.sim.setup import Setup

Key = tuple[str, str]
"""(service, region)."""

Scalers = Mapping[Key, float]
"""A ceiling for every region that may serve a service; 0 for one that is no member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """What may be moved in one scenario, and where it stood at the start."""

    fleet: Fleet
    targets: Mapping[Key, float]
    """Requests/s that the balancer is told at scaler 1."""
    home: Scalers
    """The scalers of time zero: standby and failover regions at 0."""

    @staticmethod
    def of(setup: Setup, controls: tuple[ServiceControl, ...]) -> Levers:
        """From the scenario, and what the balancer is told at time zero."""
        fleet = fleet_of(setup)
        told = scalers_of(controls)
        plants = {p.name: p for p in setup.regions}
        keys = [(s.name, b.region) for s in fleet.services for b in s.backends]
        targets = {(c.service, b.region): b.target_rate for c in controls for b in c.backends}
        return Levers(
            fleet=fleet,
            targets={k: targets.get(k) or plants[k[1]].target for k in keys},
            home={k: told.get(k, 0.0) for k in keys},
        )

    def keys(self, service: str) -> tuple[Key, ...]:
        """The levers of one service, in order of region."""
        return tuple(k for k in self.home if k[0] == service)

    def apply(
        self,
        controls: Iterable[ServiceControl],
        wanted: Scalers,
        posture: Mapping[str, Posture] | None = None,
    ) -> tuple[ServiceControl, ...]:
        """These controls with the wanted scalers, every one made legal; regions join where they rise from 0."""
        return tuple(self._apply(c, wanted, (posture or {}).get(c.service)) for c in controls)

    def _apply(self, control: ServiceControl, wanted: Scalers, posture: Posture | None) -> ServiceControl:
        listed = {b.region: b for b in control.backends}
        preferred = {
            b.region: b.preference is Preference.PREFERRED
            for b in self.fleet.service(control.service).backends
        }
        scaled = {b.region: b.graded for b in self.fleet.service(control.service).backends}
        backends = []
        for _, region in self.keys(control.service):
            scaler = legal_scaler(wanted.get((control.service, region), 0.0))
            if not scaled[region]:  # attached, or not listed at all
                scaler = 1.0 if scaler > 0 else 0.0
                if scaler == 0.0:
                    listed.pop(region, None)
                    continue
            if region in listed:
                backends.append(replace(listed.pop(region), scaler=scaler))
            elif scaler > 0:
                backends.append(
                    BackendControl(region=region, scaler=scaler, preferred=preferred.get(region, False))
                )
        order = {b.region: i for i, b in enumerate(control.backends)}
        backends.sort(key=lambda b: (order.get(b.region, len(order)), b.region))
        changed = replace(control, backends=(*backends, *listed.values()))
        return changed if posture is None else postured(changed, posture)


def scalers_of(controls: Iterable[ServiceControl]) -> dict[Key, float]:
    """The scaler of every member."""
    return {(c.service, b.region): b.scaler for c in controls for b in c.backends}


def postured(control: ServiceControl, posture: Posture) -> ServiceControl:
    """This control with Spillway's settings of a posture: failover threshold, auto-drain, outlier detection."""
    settings = posture_set(Policy(), posture)
    return replace(
        control,
        failover_threshold=settings.failover_threshold / 100.0,
        auto_drain=settings.auto_drain,
        outlier_ejection=settings.outlier_ejection / 100.0,
    )


def careful(controls: tuple[ServiceControl, ...]) -> tuple[ServiceControl, ...]:
    """The start of every opponent that acts: the same posture `normal` that Spillway starts with."""
    return tuple(postured(c, Posture.NORMAL) for c in controls)
