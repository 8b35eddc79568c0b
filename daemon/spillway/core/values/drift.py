"""What stands in the cloud beside what the configuration says: plain values that page, metrics, log and `plan` are made of."""

from __future__ import annotations

from dataclasses import dataclass

from spillway.core.values.policy import DriftAnswer
from spillway.core.values.topology import ServiceName


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDrift:
    """One field of one part that does not stand as the configuration says, or a part that is gone."""

    kind: str
    """Type of the part in a person's words, such as `URL map`."""
    name: str
    """Name of the part in the cloud."""
    field: str
    """Path of the property, such as `timeoutSec`; empty where the part is gone."""
    expected: str
    found: str
    since: float
    """UTC seconds of the first look that found it so."""
    answer: DriftAnswer
    """What the policy says about it."""
    service: ServiceName | None = None
    """The service whose part it is; None for what all services share."""

    @property
    def gone(self) -> bool:
        """True if the whole part is gone."""
        return not self.field

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        if self.gone:
            return f"{self.kind} {self.name} is gone"
        return f"{self.kind} {self.name}: {self.field} is {self.found} instead of {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSetting:
    """A setting that others have made and that the configuration does not speak of."""

    kind: str
    name: str
    field: str
    value: str
    """As people write it; never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPart:
    """A part that is not written, because a write would take away what somebody has set."""

    kind: str
    name: str
    service: ServiceName | None
    """None for what all services share."""
    field: str
    """The setting that no write can carry."""

    @property
    def sentence(self) -> str:
        """Why nothing is written, and what to do."""
        remedy = f"Take {self.field} away" + (
            f", or name it in topology.services.{self.service}.may_lose." if self.service else "."
        )
        return (
            f"{self.kind} {self.name} is not written: somebody has set {self.field}, which the provider cannot carry and "
            f"every write would remove. {remedy}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateState:
    """A certificate of ours as Google has it."""

    name: str
    status: str
    """ACTIVE, PROVISIONING or one of Google's FAILED states; ACTIVE for a given one."""
    expires: float | None
    """UTC seconds; None where Google does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateWait:
    """A certificate that Google has not issued yet, or a certificate map that does not cover all hosts yet."""

    name: str
    since: float
    """UTC seconds."""
    limit: float
    """Seconds that it may take until it is an alarm."""
    missing: str
    """What is missing, such as the DNS record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """One look at every part of the load balancer."""

    at: float
    """UTC seconds of the look."""
    drifts: tuple[SettingDrift, ...] = ()
    kept: tuple[KeptSetting, ...] = ()
    held: tuple[HeldPart, ...] = ()
    certificates: tuple[CertificateState, ...] = ()
    waits: tuple[CertificateWait, ...] = ()
    """Certificates and maps that are not active yet."""
    certificate_step: str = ""
    """What a build would do now to certificates that are being replaced; empty where nothing is due."""
    problems: tuple[str, ...] = ()
    """Parts that could not be read, and why."""
    parts: int = 0
    """Parts that were read."""
