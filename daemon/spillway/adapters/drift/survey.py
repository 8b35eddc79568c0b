"""One look at all parts of a load balancer: what has drifted, what is kept beside it, and what the program must know of both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from spillway.adapters.drift.compare import Standing, found_at, stand
from spillway.adapters.drift.existing import existing_parts
from spillway.adapters.drift.last_wanted import LastWanted
from spillway.adapters.drift.reader import Reads
from spillway.adapters.drift.wanted import WantedPart
from spillway.adapters.drift.words import value_text
from spillway.adapters.engine.provider.cloud import Body
from spillway.adapters.engine.provider.diff import Difference, compare, is_within, value_at
from spillway.adapters.engine.provider.kinds import Props
from spillway.adapters.engine.provider.kinds_backend import BACKEND_SERVICE, SERVICE_LB_POLICY
from spillway.adapters.engine.provider.kinds_frontend import (
    FORWARDING_RULE,
    GIVEN_CERTIFICATE,
    MANAGED_CERTIFICATE,
)
from spillway.adapters.engine.provider.kinds_url_map import URL_MAP
from spillway.adapters.program.kept import Kept, group_path
from spillway.config import names
from spillway.config.backends import members
from spillway.config.model import Config
from spillway.config.splits import steered_splits
from spillway.core.values.drift import (
    CertificateState,
    CertificateWait,
    DriftReport,
    HeldPart,
    KeptSetting,
    SettingDrift,
)
from spillway.core.values.policy import DriftAnswer
from spillway.errors import SpillwayError

CERTIFICATES = frozenset({MANAGED_CERTIFICATE.token, GIVEN_CERTIFICATE.token})
_ISSUED = frozenset({"ACTIVE", "RENEWAL_FAILED"})
"""States of a managed certificate that is served: one whose renewal failed is, until it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a look has found."""

    report: DriftReport
    standing: tuple[Standing, ...]
    ownership: Ownership

    @property
    def held(self) -> frozenset[tuple[str, str]]:
        """Parts that are not written; a service keeps its policy too, as half a posture is none."""
        held = {part.wanted.part for part in self.standing if self.ownership.held_fields(part)}
        services = {self.ownership.service_of(part) for part in held if part[0] == BACKEND_SERVICE.token}
        return frozenset(held | {self.ownership.policy_of(service) for service in services if service})

    def unwritten_splits(self, written: frozenset[DriftAnswer]) -> tuple[tuple[str, str], ...]:
        """(split, sentence) of steered splits whose weights a write with these answers does not carry, and that stand otherwise.

        The routes of a URL map are kept as a whole where somebody else has changed one of them, or not written at all.
        """
        found = []
        for part in self.standing:
            wanted = part.wanted
            if wanted.token != URL_MAP.token or not part.levers:
                continue
            drifts = [] if self.ownership.answer(wanted) in written else self.ownership.drifts(part)
            reasons = [d.path for d in drifts if d.path.startswith("pathMatchers")]
            reasons += self.ownership.held_fields(part)
            if reasons:
                why = (
                    f"the weights are not written: somebody else has changed {reasons[0]} of the URL map {wanted.name}, "
                    "whose routes are kept as a whole"
                )
                found += [(split.name, why) for split in self.ownership.splits]
        return tuple(found)

    def kept(self, written: frozenset[DriftAnswer]) -> Kept:
        """What the program must leave as it stands; `written` are the answers by which drift is written back now."""
        drifted: dict[tuple[str, str], tuple[str, ...]] = {}
        targets: dict[tuple[str, str], Props] = {}
        groups: dict[str, tuple[Props, ...]] = {}
        given_up: dict[tuple[str, str], tuple[str, ...]] = {}
        imports: dict[tuple[str, str], str] = {}
        elements: dict[tuple[str, str], Mapping[str, str | None]] = {}
        for part in self.standing:
            if paths_before := self.ownership.given_up(part):
                given_up[part.wanted.part] = paths_before
            if part.live is not None and part.wanted.part in self.ownership.existing:
                imports[part.wanted.part] = part.wanted.path
            for group, found in part.elements.items():
                elements[part.wanted.name, group] = found
            if part.off:
                drifted[part.wanted.part] = part.off
            if part.groups:
                groups[part.wanted.name] = part.groups
            if self.ownership.answer(part.wanted) in written:
                continue
            paths = set()
            for difference in self.ownership.drifts(part):
                inside = part.element(difference)
                if inside is None:
                    paths.add(difference.path.partition("[")[0])
                else:
                    targets[part.wanted.name, inside[0]] = part.target(inside[0])
            if paths:
                drifted[part.wanted.part] = tuple(sorted({*paths, *part.off}))
        return Kept(
            drifted=drifted,
            targets=targets,
            groups=groups,
            given_up=given_up,
            held=self.held,
            imports=imports,
            elements=elements,
        )


class Ownership:
    """What is whose, by configuration and last build."""

    def __init__(self, config: Config, last: LastWanted) -> None:
        self._config = config
        self._last = last
        naming = config.naming
        self._services = {
            **{
                (BACKEND_SERVICE.token, names.backend_service(naming, name)): name
                for name in config.topology.services
            },
            **{self.policy_of(name): name for name in config.topology.services},
        }
        self.splits = steered_splits(config.topology)
        self.existing = existing_parts(config.names)
        """Parts that stood before Spillway."""

    def service(self, part: WantedPart) -> str | None:
        """The service whose part it is; None for what all share."""
        return self.service_of(part.part)

    def service_of(self, part: tuple[str, str]) -> str | None:
        """The same by type and name."""
        return self._services.get(part)

    def policy_of(self, service: str) -> tuple[str, str]:
        """The service LB policy of a service, by type and name."""
        return SERVICE_LB_POLICY.token, names.service_lb_policy(self._config.naming, service)

    @property
    def alarm_after(self) -> float:
        """Seconds that a certificate may take to be issued: the shortest that a frontend says."""
        frontends = self._config.topology.frontends.secure
        return min((https.certificates.alarm_after for https in frontends), default=0.0)

    def groups(self, part: WantedPart) -> frozenset[str]:
        """Paths of the groups that are ours in a service: those of its regions, and those that we have attached before."""
        service = self.service(part)
        if service is None:
            return frozenset()
        topology = self._config.topology
        given = members(topology.services[service], topology.regions)
        urls = [names.group_url(self._config.project, m.region, group) for m in given for group in m.groups]
        for inputs in (self._last.built(part) or {}, *self._last.attempts(part)):
            urls += [str(backend["group"]) for backend in inputs.get("backends") or ()]
        return frozenset(group_path(url) for url in urls)

    def answer(self, part: WantedPart) -> DriftAnswer:
        """What the policy says about drift of a part. What services share is decided by all of them, and by alarm where they differ."""
        service = self.service(part)
        topology, policies = self._config.topology, self._config.policies
        given = [topology.services[service]] if service is not None else list(topology.services.values())
        answers = {policies[each.policy].drift.settings for each in given}
        return answers.pop() if len(answers) == 1 else DriftAnswer.ALARM

    def held_fields(self, part: Standing) -> tuple[str, ...]:
        """Fields of a part that no write can carry, and that the configuration does not give up."""
        service = self.service(part.wanted)
        given_up = self._config.topology.services[service].may_lose if service is not None else ()
        return tuple(field for field in part.unknown if field not in given_up)

    def given_up(self, part: Standing) -> tuple[str, ...]:
        """Paths that the configuration gave at the last build and gives no more, where that still stands."""
        wanted, built = part.wanted, self._last.built(part.wanted)
        if built is None or part.live is None:
            return ()
        stands = [d.path for d in compare(wanted.kind, dict(built), part.props, dict(built)).differences]
        return tuple(
            path
            for path in wanted.ignore
            if value_at(path, built) not in (None, False, 0, "", [], {})
            and not any(is_within(different, (path,)) for different in stands)
        )

    def drifts(self, part: Standing) -> tuple[Difference, ...]:
        """Differences that somebody else has made: the configuration says what it said at the last build."""
        return tuple(difference for difference in part.differences if self._is_foreign(difference, part))

    def is_gone(self, part: Standing) -> bool:
        """True for what was built and is not there."""
        return part.live is None and self._last.built(part.wanted) is not None

    def _is_foreign(self, difference: Difference, part: Standing) -> bool:
        wanted, built = part.wanted, self._last.built(part.wanted)
        if built is None:
            return False
        path = difference.path
        if value_at(path, built) != value_at(path, wanted.inputs):
            return False
        return not any(
            not _differs(path, wanted, inputs, part.props) for inputs in self._last.attempts(wanted)
        )


def _differs(path: str, wanted: WantedPart, inputs: Mapping[str, Any], props: Props) -> bool:
    """Whether what stands differs at `path` from other inputs of the same part."""
    spoken = {**dict.fromkeys(wanted.spoken), **inputs}
    return any(d.path == path for d in compare(wanted.kind, spoken, props, spoken, wanted.ignore).differences)


def survey(
    parts: Sequence[WantedPart], reads: Reads, ownership: Ownership, last: LastWanted, at: float
) -> Survey:
    """What all parts together show; `at` in UTC seconds."""
    standing, problems = [], []
    for part in parts:
        read = reads.get(part.path)
        if isinstance(read, SpillwayError):
            problems.append(f"{part.kind.words} {part.shown} cannot be read: {read}")
        else:
            existed = part.part in ownership.existing
            steered = [split.matcher for split in ownership.splits]
            standing.append(stand(part, read, ownership.groups(part), existed=existed, steered=steered))
    drifts = tuple(drift for part in standing for drift in _drifts(part, ownership, last, at))
    return Survey(
        report=DriftReport(
            at=at,
            drifts=drifts,
            kept=tuple(kept for part in standing for kept in _kept(part, ownership)),
            held=tuple(held for part in standing for held in _held(part, ownership)),
            certificates=tuple(
                _certificate(part.wanted.name, part.live)
                for part in standing
                if part.wanted.token in CERTIFICATES and part.live is not None
            ),
            waits=tuple(_waits(standing, ownership.alarm_after, at)),
            problems=tuple(problems),
            parts=len(standing),
        ),
        standing=tuple(standing),
        ownership=ownership,
    )


def _drifts(part: Standing, ownership: Ownership, last: LastWanted, at: float) -> Iterator[SettingDrift]:
    wanted, words = part.wanted, part.wanted.kind.words
    whole = SettingDrift(
        kind=words,
        name=wanted.shown,
        field="",
        expected="there",
        found="gone",
        since=at,
        answer=ownership.answer(wanted),
        service=ownership.service(wanted),
    )
    found = [whole] if ownership.is_gone(part) else []
    found += [
        replace(
            whole,
            field=difference.path,
            expected=value_text(difference.path, value_at(difference.path, wanted.inputs)),
            found=value_text(difference.path, found_at(difference, part)),
        )
        for difference in ownership.drifts(part)
    ]
    for drift in found:
        yield replace(drift, since=last.since(since_key(drift), at))


def since_key(drift: SettingDrift) -> str:
    """What a drift goes by: another value is another drift."""
    return f"{drift.kind} {drift.name} {drift.field} {drift.found}"


def _kept(part: Standing, ownership: Ownership) -> Iterator[KeptSetting]:
    kind, name = part.wanted.kind.words, part.wanted.shown
    ours = ownership.given_up(part)
    for path, value in part.foreign:
        if is_within(path, ours):
            continue
        yield KeptSetting(kind=kind, name=name, field=path, value=value_text(path, value))
    for path in part.unknown:
        yield KeptSetting(kind=kind, name=name, field=path, value="set")
    for group in part.groups:
        place = group_path(str(group.get("group"))).removeprefix("projects/")
        scaler = group.get("capacityScaler", 1)
        yield KeptSetting(kind=kind, name=name, field="backends", value=f"{place} at scaler {scaler:g}")


def _held(part: Standing, ownership: Ownership) -> Iterator[HeldPart]:
    for field in ownership.held_fields(part):
        yield HeldPart(
            kind=part.wanted.kind.words,
            name=part.wanted.shown,
            service=ownership.service(part.wanted),
            field=field,
        )


def _waits(standing: Sequence[Standing], limit: float, at: float) -> Iterator[CertificateWait]:
    """Managed certificates that Google has not issued, each with what its domains lack."""
    numbers = sorted(
        {
            str(part.live["IPAddress"])
            for part in standing
            if part.wanted.token == FORWARDING_RULE.token
            and part.live is not None
            and "IPAddress" in part.live
        },
        key=lambda number: (":" in number, number),
    )
    records = " and ".join(f"{'AAAA' if ':' in number else 'A'} record to {number}" for number in numbers)
    for part in standing:
        managed = (part.live or {}).get("managed") if part.wanted.token == MANAGED_CERTIFICATE.token else None
        if not managed or managed.get("status") in _ISSUED:
            continue
        states = managed.get("domainStatus") or dict.fromkeys(managed.get("domains") or (), "PROVISIONING")
        yield CertificateWait(
            name=part.wanted.name,
            since=_utc((part.live or {}).get("creationTimestamp")) or at,
            limit=limit,
            missing="; ".join(
                _missing(domain, str(state), records)
                for domain, state in sorted(states.items())
                if state != "ACTIVE"
            ),
        )


def _missing(domain: str, state: str, records: str) -> str:
    """What a domain lacks for its certificate, by Google's state of it."""
    if state.startswith("FAILED_CAA"):
        return f"{domain} is {state}: its CAA record must allow pki.goog"
    if state == "FAILED_RATE_LIMITED":
        return f"{domain} is {state}: Google tries again by itself"
    return f"{domain} is {state}: it needs an {records or 'A record to the address'} and no other"


def _certificate(name: str, live: Body) -> CertificateState:
    status = str((live.get("managed") or {}).get("status") or "ACTIVE")
    return CertificateState(name=name, status=status, expires=_utc(live.get("expireTime")))


def _utc(text: object) -> float | None:
    try:
        return datetime.fromisoformat(re.sub(r"Z$", "+00:00", str(text))).timestamp()
    except ValueError:
        return None
