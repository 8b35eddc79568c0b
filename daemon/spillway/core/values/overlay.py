"""The overlay: the daemon's own desired state. (config, overlay) determine the load balancer completely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from spillway.core.values.topology import Fleet, Preference, RegionName, ServiceName, is_legal_scaler


class Posture(StrEnum):
    """A named set of failover threshold, auto-drain and outlier detection; the policy says what each sets."""

    NORMAL = "normal"
    GUARDED = "guarded"
    SCARCE = "scarce"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSetting:
    """What is wanted of one backend: membership, ceiling, preference.

    Raises:
        ValueError: the scaler is one that the API refuses.
    """

    region: RegionName
    member: bool
    scaler: float
    preference: Preference = Preference.DEFAULT

    def __post_init__(self) -> None:
        """Refuse a scaler that the API would refuse."""
        if not is_legal_scaler(self.scaler):
            raise ValueError(f"capacity scaler {self.scaler} in {self.region}: must be 0 or 0.1 to 1.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSetting:
    """What is wanted of one service."""

    service: ServiceName
    posture: Posture
    backends: tuple[BackendSetting, ...]
    """One for every backend of the service, member or not, sorted by region."""

    def backend(self, region: RegionName) -> BackendSetting:
        """The setting of `region`.

        Raises:
            KeyError: the service has no backend there.
        """
        for setting in self.backends:
            if setting.region == region:
                return setting
        raise KeyError(region)

    def with_backend(self, setting: BackendSetting) -> ServiceSetting:
        """This service with one backend's setting replaced."""
        return replace(
            self, backends=tuple(setting if b.region == setting.region else b for b in self.backends)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What is wanted of the whole fleet; sorted by service name, equal by value."""

    services: tuple[ServiceSetting, ...]

    def service(self, name: ServiceName) -> ServiceSetting:
        """The setting of service `name`.

        Raises:
            KeyError: there is none.
        """
        for setting in self.services:
            if setting.service == name:
                return setting
        raise KeyError(name)

    def with_service(self, setting: ServiceSetting) -> Overlay:
        """This overlay with one service's setting replaced."""
        return Overlay(services=tuple(setting if s.service == setting.service else s for s in self.services))


def initial_overlay(fleet: Fleet) -> Overlay:
    """The overlay before any decision: every backend a member at scaler 1, standby ones outside at 0."""
    return Overlay(
        services=tuple(
            ServiceSetting(
                service=service.name,
                posture=Posture.NORMAL,
                backends=tuple(
                    BackendSetting(
                        region=backend.region,
                        member=not backend.standby,
                        scaler=0.0 if backend.standby else 1.0,
                        preference=backend.preference,
                    )
                    for backend in service.backends
                ),
            )
            for service in fleet.services
        )
    )
