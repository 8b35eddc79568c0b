"""What the looks at all parts have found: when it is an alarm, when it is written back, and what it explains.

A part that is gone is an alarm at the first look. Something is written back only where two looks in a row have found the
same, the policy says `revert`, and the mode of all that share the part is `act`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from spillway.core.explain.reasons import alarm
from spillway.core.values.alarms import Alarm
from spillway.core.values.drift import CertificateState, DriftReport, SettingDrift
from spillway.core.values.overlay import Overlay
from spillway.core.values.policy import DriftAnswer, Mode
from spillway.core.values.topology import ServiceName
from spillway.errors import SpillwayError

Look = Callable[[Overlay], DriftReport | None]

EXPIRY_SECONDS = 14 * 86400.0
"""Time to the end of a certificate from which it is an alarm: Google renews its own a month ahead."""
_ALARMS = 20
"""Alarms of one service at most: somebody who has rebuilt everything by hand needs no more."""
_FAILED = ("FAILED", "PROVISIONING_FAILED", "RENEWAL_FAILED")
"""How all states of a managed certificate begin with which Google has trouble (compute v1: SslCertificateManagedSslCertificate)."""


BY_LOOK = frozenset(
    {
        "part-gone",
        "setting-drift",
        "part-held",
        "certificate-expired",
        "certificate-failed",
        "certificate-expires",
        "certificate-waits",
    }
)
"""The alarms that a look can raise."""


class DriftWatch:
    """Remembers the last look."""

    def __init__(self) -> None:
        self.report: DriftReport | None = None
        self._before: frozenset[tuple[str, str, str, str]] = frozenset()
        self._step_before = ""
        self.refused = ""
        """The step of certificates that was refused; it is not tried again."""

    def look(self, look: Look, overlay: Overlay) -> DriftReport | None:
        """Look at all parts; None where nothing can look. What cannot be read is a problem of the report."""
        self._step_before = self.report.certificate_step if self.report is not None else ""
        try:
            report = look(overlay)
        except SpillwayError as error:
            old = replace(self.report or DriftReport(at=0.0), certificate_step="")
            report = replace(old, problems=(f"the parts of the load balancer cannot be read: {error}",))
        self._before = frozenset(_key(drift) for drift in self.report.drifts) if self.report else frozenset()
        self.report = report
        return report

    def due(self, modes: Mapping[ServiceName, Mode]) -> tuple[SettingDrift, ...]:
        """What is to be written back now."""
        drifts = self.report.drifts if self.report is not None else ()
        return tuple(
            drift
            for drift in drifts
            if drift.answer is DriftAnswer.REVERT and _key(drift) in self._before and _acts(drift, modes)
        )

    def certificate_step(self, modes: Mapping[ServiceName, Mode]) -> str:
        """What is to be done now to certificates that are being replaced; empty where nothing is, or somebody only observes."""
        step = self.report.certificate_step if self.report is not None else ""
        acts = all(mode is Mode.ACT for mode in modes.values())
        return step if acts and step == self._step_before and step != self.refused else ""

    @property
    def blind_to(self) -> frozenset[str]:
        """Codes of the alarms that nobody can see at present: all of them until a first look has read the parts."""
        read = self.report is not None and self.report.at > 0.0
        return frozenset() if read else BY_LOOK

    def alarms(self) -> tuple[Alarm, ...]:
        """What the last look has found; without a service where it is about what all services share."""
        report = self.report
        if report is None:
            return ()
        by_service: dict[ServiceName, list[Alarm]] = {}
        for found in _found(report):
            by_service.setdefault(found.service, []).append(found)
        return tuple(found for alarms in by_service.values() for found in islice(alarms, _ALARMS))

    def causes(self) -> tuple[str, ...]:
        """Sentences about what may keep all requests away."""
        report = self.report
        if report is None:
            return ()
        shared = [drift.sentence for drift in report.drifts if drift.gone or drift.service is None]
        flawed = [_certificate(certificate, report.at) for certificate in report.certificates]
        return tuple(shared + [found.sentence for found in flawed if found is not None])


def _found(report: DriftReport) -> Iterator[Alarm]:
    """The alarms of one look."""
    for drift in report.drifts:
        where = f"{drift.kind} {drift.name}"
        if drift.gone:
            yield alarm(
                "part-gone", service=drift.service or "", part=where, kind=drift.kind, name=drift.name
            )
        elif drift.answer is not DriftAnswer.RESPECT:
            yield alarm(
                "setting-drift",
                service=drift.service or "",
                part=f"{where}: {drift.field}",
                kind=drift.kind,
                name=drift.name,
                field=drift.field,
                found=drift.found,
                expected=drift.expected,
            )
    for held in report.held:
        yield alarm(
            "part-held",
            service=held.service or "",
            part=f"{held.kind} {held.name}: {held.field}",
            kind=held.kind,
            name=held.name,
            field=held.field,
        )
    for certificate in report.certificates:
        flawed = _certificate(certificate, report.at)
        if flawed is not None:
            yield flawed
    for wait in report.waits:
        waited = report.at - wait.since
        if waited > wait.limit:
            yield alarm(
                "certificate-waits",
                part=wait.name,
                name=wait.name,
                hours=waited / 3600.0,
                missing=wait.missing,
            )


def _key(drift: SettingDrift) -> tuple[str, str, str, str]:
    return drift.kind, drift.name, drift.field, drift.found


def _acts(drift: SettingDrift, modes: Mapping[ServiceName, Mode]) -> bool:
    concerned = modes.values() if drift.service is None else [modes.get(drift.service)]
    return all(mode is Mode.ACT for mode in concerned)


def _certificate(certificate: CertificateState, at: float) -> Alarm | None:
    """What is wrong with a certificate; the most urgent, where it is several things."""
    name = certificate.name
    left = None if certificate.expires is None else certificate.expires - at
    if left is not None and left <= 0.0:
        return alarm("certificate-expired", part=name, name=name, ago=-left)
    if certificate.status.startswith(_FAILED):
        return alarm("certificate-failed", part=name, name=name, status=certificate.status)
    if left is None or left > EXPIRY_SECONDS:
        return None
    return alarm("certificate-expires", part=name, name=name, days=left / 86400.0)
