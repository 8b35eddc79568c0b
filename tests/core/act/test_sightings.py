"""What the listing shows otherwise than wanted: believed by two readings, and not at all where it cannot be so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import nan

import pytest

from spillway.core.act.reconcile import Reading, Reconciled, reconcile
from spillway.core.act.sightings import LOOKS_APART, Crowd
from spillway.core.observe.attachments import attachments
from spillway.core.observe.rows import ListedGroup, ListedService
from spillway.core.values.overlay import BackendSetting, Posture, ServiceSetting
from spillway.core.values.policy import Policy
from spillway.core.values.snapshot import (
    Absence,
    BackendView,
    HealthCount,
    Minute,
    Missing,
    ObservedBackend,
    ObservedPolicy,
    Seen,
    ServiceView,
)
from spillway.core.values.state import BackendMemory, Estimate, ServiceMemory
from spillway.core.values.topology import Backend, BalancingMode, GroupKey, Preference, Service, Target

AT = 100_000.0
REGIONS = ("a", "b", "c", "d")
POLICY = Policy()
TIMING = POLICY.timing
Settings = Mapping[str, float | None]
"""Scaler by region; None where it is detached."""
ALL_OPEN: Settings = dict.fromkeys(REGIONS, 1.0)


@dataclass
class Listings:
    """A service at scaler 1 everywhere, and readings of it one after the other."""

    setting: ServiceSetting = field(
        default_factory=lambda: ServiceSetting(
            service="pool",
            posture=Posture.NORMAL,
            backends=tuple(BackendSetting(region=r, member=True, scaler=1.0) for r in REGIONS),
        )
    )
    memory: ServiceMemory = field(
        default_factory=lambda: ServiceMemory(
            service="pool",
            backends=tuple(BackendMemory(region=r, estimate=Estimate(served=50.0)) for r in REGIONS),
        )
    )
    at: float = AT
    rates: dict[str, float] = field(default_factory=lambda: dict.fromkeys(REGIONS, 50.0))
    """Requests/s that Monitoring shows in the newest minutes."""
    policy: ObservedPolicy | None = field(
        default_factory=lambda: ObservedPolicy(failover_threshold=70, auto_drain=True)
    )

    def read(
        self,
        shown: Settings | Missing,
        fingerprint: str = "f1",
        *,
        after: float = 60.0,
        told: bool = False,
        fleet: Crowd = Crowd(),  # noqa: B008 - a frozen value
    ) -> Reconciled:
        """One reading, `after` seconds after the one before; the loop goes on with what it gives."""
        self.at += after
        view = self.view(shown, fingerprint)
        found = reconcile(
            self.setting, self.memory, view, POLICY, Reading(at=self.at, edit_told=told, fleet=fleet)
        )
        self.setting, self.memory = found.setting, found.memory
        return found

    def view(self, shown: Settings | Missing, fingerprint: str) -> ServiceView:
        return ServiceView(
            service="pool",
            backends=tuple(self._backend(r, shown) for r in REGIONS),
            policy=Missing(absence=Absence.NOT_ASKED)
            if self.policy is None
            else Seen(value=self.policy, age=0.0, evidence=1),
            places=Missing(absence=Absence.NOT_ASKED),
            unassigned=Missing(absence=Absence.NO_SERIES),
            fingerprint=fingerprint,
        )

    def _backend(self, region: str, shown: Settings | Missing) -> BackendView:
        if isinstance(shown, Missing):
            return BackendView(region=region, observed=shown, health=shown, traffic=shown)
        scaler = shown.get(region)
        newest = self.at - TIMING.visibility_delay
        rate = self.rates[region]
        minutes = tuple(
            Minute(
                end=newest - 60.0 * back,
                ok=60.0 * rate,
                client_error=0.0,
                too_many=0.0,
                server_error=0.0,
                latency=None,
            )
            for back in (2, 1, 0)
        )
        return BackendView(
            region=region,
            observed=Seen(
                value=ObservedBackend(
                    member=scaler is not None,
                    scaler=scaler or 0.0,
                    mixed=False,
                    preference=Preference.DEFAULT,
                ),
                age=0.0,
                evidence=1,
            ),
            health=Missing(absence=Absence.NOT_MEMBER)
            if scaler is None
            else Seen(value=HealthCount(healthy=10, total=10), age=1.0, evidence=10),
            traffic=Seen(value=minutes, age=TIMING.visibility_delay, evidence=1000)
            if rate
            else Missing(absence=Absence.NO_SERIES),
        )

    def scalers(self) -> dict[str, float | None]:
        return {b.region: b.scaler if b.member else None for b in self.setting.backends}

    def wanted(self) -> Listings:
        """A reading in which all is as wanted."""
        found = self.read(self.scalers(), "f0")
        assert (found.trust.panic, found.trust.doubt, self.memory.sighting) == (None, None, None)
        return self


def edited(**scalers: float | None) -> Settings:
    return {**ALL_OPEN, **scalers}


# --- one look, two looks


def test_one_reading_convinces_nobody_and_stops_all_writes() -> None:
    cloud = Listings().wanted()
    found = cloud.read(edited(a=0.5))
    assert cloud.scalers() == ALL_OPEN
    assert found.trust.doubt is not None
    assert found.trust.doubt.code == "unconfirmed"
    assert found.trust.doubted == {"a"}
    assert (found.alarms, found.news) == ((), True)
    sighting = cloud.memory.sighting
    assert sighting is not None
    assert (sighting.at, sighting.fingerprint) == (cloud.at, "f1")


def test_a_second_reading_that_agrees_is_believed_and_nothing_is_written_in_its_pass() -> None:
    cloud = Listings().wanted()
    cloud.read(edited(a=0.5))
    found = cloud.read(edited(a=0.5), after=LOOKS_APART)
    assert cloud.scalers() == edited(a=0.5)
    assert cloud.memory.sighting is None
    assert found.trust.doubt is not None
    assert found.trust.doubt.code == "just-adopted"
    assert [a.code for a in found.alarms] == ["outside-edit-alarm"]
    pin = cloud.memory.backend("a").pin
    assert pin is not None
    assert (pin.since, pin.until) == (cloud.at, cloud.at + POLICY.drift.pin_for)
    after = cloud.read(edited(a=0.5))
    assert (after.trust.doubt, after.alarms, after.news) == (None, (), False)


@pytest.mark.parametrize(
    ("second", "fingerprint", "after"),
    [
        (edited(a=0.5), "f1", LOOKS_APART - 0.5),
        (edited(a=0.6), "f1", 60.0),
        (edited(a=0.5), "f2", 60.0),
        (edited(a=0.5, b=0.9), "f1", 60.0),
    ],
    ids=["too-soon", "another-value", "another-fingerprint", "another-region-too"],
)
def test_a_second_reading_that_does_not_agree_is_a_first_one(
    second: Settings, fingerprint: str, after: float
) -> None:
    cloud = Listings().wanted()
    cloud.read(edited(a=0.5))
    cloud.read(second, fingerprint, after=after)
    assert cloud.scalers() == ALL_OPEN
    assert cloud.memory.sighting is not None


def test_a_difference_that_is_gone_is_forgotten_and_all_goes_on() -> None:
    cloud = Listings().wanted()
    cloud.read(edited(a=0.5))
    found = cloud.read(ALL_OPEN, "f0")
    assert cloud.memory.sighting is None
    assert (found.trust.doubt, found.trust.panic) == (None, None)
    cloud.read(edited(a=0.5))
    assert cloud.scalers() == ALL_OPEN


def test_while_the_listing_cannot_be_read_what_was_seen_stays_in_doubt() -> None:
    cloud = Listings().wanted()
    cloud.read(edited(a=0.5))
    before = cloud.memory.sighting
    found = cloud.read(Missing(absence=Absence.QUERY_FAILED))
    assert cloud.memory.sighting == before
    assert found.trust.doubt is not None


def test_after_a_write_that_met_an_edit_one_reading_is_enough() -> None:
    cloud = Listings().wanted()
    found = cloud.read(edited(a=0.5), told=True)
    assert cloud.scalers() == edited(a=0.5)
    assert found.trust.doubt is not None
    assert found.trust.doubt.code == "just-adopted"


# --- what cannot be so


def test_another_content_under_the_same_fingerprint_is_never_believed() -> None:
    cloud = Listings().wanted()
    for _ in range(50):
        found = cloud.read(edited(a=0.5), "f0", told=True)
        assert found.trust.panic is not None
        assert [a.code for a in found.alarms] == ["listing-panic-alarm"]
    assert cloud.scalers() == ALL_OPEN


MUCH: dict[str, Settings] = {
    "no-backends": dict.fromkeys(REGIONS),
    "half-and-more-missing": edited(a=None, b=None, c=None),
    "all-scalers-0": dict.fromkeys(REGIONS, 0.0),
    "most-closed": edited(a=0.0, b=0.0, c=0.0),
}


@pytest.mark.parametrize("shown", MUCH.values(), ids=MUCH)
@pytest.mark.parametrize("fingerprint", ["f1", ""])
def test_much_at_once_is_not_believed_while_the_regions_answer(shown: Settings, fingerprint: str) -> None:
    cloud = Listings().wanted()
    for _ in range(100):
        found = cloud.read(shown, fingerprint)
        assert found.trust.panic is not None
        assert "listing-panic-alarm" in {a.code for a in found.alarms}
    assert cloud.scalers() == ALL_OPEN
    found = cloud.read(ALL_OPEN, "f0")
    assert (found.trust.panic, cloud.memory.sighting) == (None, None)


@pytest.mark.parametrize("shown", MUCH.values(), ids=MUCH)
def test_much_at_once_is_believed_once_the_closed_regions_answer_nobody(shown: Settings) -> None:
    cloud = Listings().wanted()
    cloud.read(shown)
    cloud.rates = {r: 0.0 if not shown[r] else 50.0 for r in REGIONS}
    first = cloud.at
    while cloud.scalers() == ALL_OPEN and cloud.at < first + 3600.0:
        cloud.read(shown)
    if any(cloud.rates.values()):  # somebody else shows how far Monitoring is seen
        assert cloud.scalers() == shown
        assert cloud.at - first >= TIMING.effect + TIMING.sample_period
    else:
        assert cloud.scalers() == ALL_OPEN


def test_many_open_scalers_are_believed_after_a_dead_time_under_a_new_fingerprint() -> None:
    shown = edited(a=0.8, b=0.8, c=0.8)
    cloud = Listings().wanted()
    cloud.read(shown)
    first = cloud.at
    while cloud.scalers() == ALL_OPEN and cloud.at < first + 3600.0:
        cloud.read(shown)
    assert cloud.scalers() == shown
    assert TIMING.dead_time <= cloud.at - first <= TIMING.dead_time + 60.0
    nameless = Listings().wanted()
    for _ in range(60):
        nameless.read(shown, "")
    assert nameless.scalers() == ALL_OPEN


def test_two_of_four_are_people_and_most_of_the_fleet_is_a_lie() -> None:
    cloud = Listings().wanted()
    cloud.read(edited(a=0.5, b=0.5))
    cloud.read(edited(a=0.5, b=0.5))
    assert cloud.scalers() == edited(a=0.5, b=0.5)
    cloud = Listings().wanted()
    found = cloud.read(edited(a=0.0), fleet=Crowd(changed=6, members=10))
    assert found.trust.panic is not None
    assert cloud.read(edited(a=0.0), fleet=Crowd(changed=5, members=10)).trust.panic is None


def test_a_detached_region_that_still_answers_is_never_believed() -> None:
    cloud = Listings().wanted()
    panics = []
    for _ in range(60):
        found = cloud.read(edited(a=None))
        panics.append(found.trust.panic is not None)
        assert found.trust.doubt is not None or panics[-1]
    assert cloud.scalers() == ALL_OPEN
    assert panics[-1]
    assert panics == sorted(panics), "what was on its way does not count against it"


def test_a_detachment_whose_traffic_ends_is_believed_and_left_alone() -> None:
    cloud = Listings().wanted()
    cloud.read(edited(a=None))
    cloud.rates["a"] = 0.0
    while cloud.scalers() == ALL_OPEN and cloud.at < AT + 3600.0:
        cloud.read(edited(a=None))
    assert cloud.scalers() == edited(a=None)
    pin = cloud.memory.backend("a").pin
    assert pin is not None
    assert (pin.member, pin.until, pin.wanted_scaler) == (False, None, 1.0)


def test_a_detachment_of_a_region_without_traffic_needs_two_readings_alone() -> None:
    cloud = Listings().wanted()
    cloud.rates["a"] = 0.0
    cloud.memory = cloud.memory.with_backend(replace(cloud.memory.backend("a"), estimate=Estimate()))
    cloud.read(edited(a=None))
    cloud.read(edited(a=None))
    assert cloud.scalers() == edited(a=None)


# --- malformed


def listed(scaler: float) -> ServiceView:
    """The view of a service whose region a is listed with this scaler."""
    groups = {r: GroupKey(name=f"{r}-g", scope=f"{r}-a") for r in REGIONS}
    service = Service(
        name="pool",
        resource="pool",
        policy="default",
        backends=tuple(
            Backend(
                service="pool",
                region=r,
                groups=(groups[r],),
                target=Target(mode=BalancingMode.RATE, per_endpoint=10.0),
            )
            for r in REGIONS
        ),
    )
    shown = ListedService(
        resource="pool",
        groups=tuple(ListedGroup(key=groups[r], url=r, scaler=scaler if r == "a" else 1.0) for r in REGIONS),
    )
    values = [a.value for a in attachments(service, shown)]
    view = Listings().view(ALL_OPEN, "f1")
    backends = [
        replace(b, observed=v if isinstance(v, Missing) else Seen(value=v, age=0.0, evidence=1))
        for b, v in zip(view.backends, values, strict=True)
    ]
    return replace(view, backends=tuple(backends))


@pytest.mark.parametrize("scaler", [0.05, 0.0999, 1.01, 100.0, -0.5, nan, float("inf")])
def test_a_scaler_that_google_cannot_have_is_malformed_and_nothing_moves(scaler: float) -> None:
    view = listed(scaler)
    observed = view.backend("a").observed
    assert isinstance(observed, Missing)
    assert observed.absence is Absence.GARBAGE
    cloud = Listings().wanted()
    for told in (False, True):
        found = reconcile(cloud.setting, cloud.memory, view, POLICY, Reading(at=AT + 600.0, edit_told=told))
        assert found.setting == cloud.setting
        assert found.trust.panic is not None
        assert "listing-panic-alarm" in {a.code for a in found.alarms}


@pytest.mark.parametrize("scaler", [0.0, 0.1, 0.55, 1.0])
def test_a_scaler_that_google_can_have_is_read(scaler: float) -> None:
    observed = listed(scaler).backend("a").observed
    assert isinstance(observed, Seen)
    assert observed.value.scaler == scaler


# --- the failover policy


def test_a_foreign_failover_policy_needs_two_readings_and_is_pinned() -> None:
    cloud = Listings().wanted()
    cloud.policy = ObservedPolicy(failover_threshold=50, auto_drain=True)
    found = cloud.read(ALL_OPEN, "f0")
    assert (cloud.setting.posture, cloud.memory.posture_pin) == (Posture.NORMAL, None)
    assert found.trust.doubt is not None
    cloud.policy = None
    assert cloud.read(ALL_OPEN, "f0", after=15.0).trust.doubt is not None, "not asked is not as wanted"
    cloud.policy = ObservedPolicy(failover_threshold=50, auto_drain=True)
    cloud.read(ALL_OPEN, "f0")
    assert cloud.setting.posture is Posture.GUARDED
    pin = cloud.memory.posture_pin
    assert pin is not None
    assert (pin.wanted, pin.until) == (Posture.NORMAL, cloud.at + POLICY.drift.pin_for)
    cloud.policy = ObservedPolicy(failover_threshold=70, auto_drain=True)
    for _ in range(2):
        cloud.read(ALL_OPEN, "f0")
    assert (cloud.setting.posture, cloud.memory.posture_pin) == (Posture.NORMAL, None)


def test_a_failover_policy_that_is_no_posture_is_left_alone_and_found_once() -> None:
    cloud = Listings().wanted()
    cloud.policy = ObservedPolicy(failover_threshold=65, auto_drain=True)
    alarms = [a for _ in range(200) for a in cloud.read(ALL_OPEN, "f0").alarms]
    assert len(alarms) == 1
    pin = cloud.memory.posture_pin
    assert pin is not None
    assert not pin.holds(cloud.at)
    assert cloud.setting.posture is Posture.NORMAL


# --- membership


def test_membership_rests_while_listing_policy_or_health_cannot_be_read() -> None:
    cloud = Listings().wanted()
    plain = cloud.view(ALL_OPEN, "f0")
    failed = Missing(absence=Absence.QUERY_FAILED)
    blind = tuple(replace(b, health=failed) for b in plain.backends)

    def unread(view: ServiceView) -> set[str]:
        found = reconcile(cloud.setting, cloud.memory, view, POLICY, Reading(at=cloud.at))
        return {region for region, _ in found.trust.unread}

    assert unread(plain) == set()
    assert unread(replace(plain, policy=Missing(absence=Absence.NOT_ASKED))) == set()
    assert unread(replace(plain, policy=failed)) == set(REGIONS)
    assert unread(replace(plain, backends=tuple(replace(b, observed=failed) for b in plain.backends))) == set(
        REGIONS
    )
    assert unread(replace(plain, backends=(blind[0], *plain.backends[1:]))) == {"a"}
    assert unread(replace(plain, backends=blind)) == set(REGIONS)
    old = replace(
        plain.backends[0], health=Seen(value=HealthCount(healthy=1, total=1), age=900.0, evidence=1)
    )
    assert unread(replace(plain, backends=(old, *plain.backends[1:]))) == {"a"}
    empty = replace(plain.backends[0], health=Missing(absence=Absence.NOT_PROBED))
    assert unread(replace(plain, backends=(empty, *plain.backends[1:]))) == set()
