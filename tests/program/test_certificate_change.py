"""What a proxy shows while certificates are replaced: every case of the decision, without a cloud."""

from __future__ import annotations

from typing import Any

import pytest

from spillway.adapters.drift.certificate_change import (
    Attached,
    CertificateMap,
    MapCertificate,
    MapEntry,
    Standing,
    Target,
    step_of,
)
from spillway.adapters.program.certificates import Configured
from spillway.adapters.program.kept import Shown
from spillway.config.frontends import GivenCertificateConfig

MAP = "//certificatemanager.googleapis.com/projects/p/locations/global/certificateMaps/m"
OTHER = MAP.replace("/m", "/o")


def managed(name: str, *domains: str) -> Configured:
    return Configured(name=name, domains=domains or (f"{name}.example.com",))


def given(name: str) -> Configured:
    files = {"certificate_file": "c.pem", "private_key_file": "k.pem"}
    return Configured(name=name, given=GivenCertificateConfig(name=name, **files))


def target(*certificates: Configured, to: str | None = None, hosts: tuple[str, ...] = ()) -> Target:
    return Target(frontend="lb-https", certificates=certificates, certificate_map=to, hosts=hosts)


def issued(name: str, *domains: str, active: bool = True) -> tuple[str, Attached]:
    names = domains or (f"{name}.example.com",)
    return name, Attached(is_managed=True, is_active=active, domains=names)


def standing(
    *attached: str, known: Any = (), to: str | None = None, covers: CertificateMap | None = None
) -> Standing:
    found = dict(issued(name) for name in attached) | dict(known)
    return Standing(attached=attached, certificate_map=to, known=found, next_map=covers or CertificateMap())


def ours(name: str) -> bool:
    return not name.startswith("hand")


def names(shown: Shown | None) -> list[str]:
    return [one.name for one in shown.old] if shown is not None else []


def covering(*hosts: str, active: bool = True) -> CertificateMap:
    return CertificateMap(
        entries=tuple(MapEntry(hostname=host, is_active=active, certificates=("c",)) for host in hosts),
        certificates={
            "c": MapCertificate(is_active=active, domains=hosts, trouble="" if active else "PROVISIONING")
        },
    )


def test_nothing_stands_yet() -> None:
    step = step_of(target(managed("a")), None, ours)
    assert (step.held, step.next) == (None, None)
    assert "a (a.example.com) once Google has issued it" in step.told[0]
    assert step_of(target(to=MAP), None, ours).told == ()


def test_what_is_as_configured_needs_no_step() -> None:
    step = step_of(target(managed("a"), managed("b")), standing("b", "a"), ours)
    assert (step.held, step.next, step.told) == (None, None, ())


def test_an_old_one_stays_while_any_new_one_is_pending() -> None:
    step = step_of(target(managed("a"), managed("n")), standing("a", "old"), ours)
    assert (names(step.held), names(step.next), step.is_due) == (["old"], ["old"], False)
    later = step_of(target(managed("a"), managed("n")), standing("a", "n", "old"), ours)
    assert (names(later.held), later.next, later.is_due) == (["old"], None, True)


def test_a_new_one_that_is_attached_and_not_issued_is_waited_for() -> None:
    known = [issued("n", active=False)]
    step = step_of(target(managed("n")), standing("n", "old", known=known), ours)
    assert names(step.next) == ["old"]


def test_given_ones_take_over_at_once() -> None:
    step = step_of(target(given("new")), standing("old"), ours)
    assert (names(step.held), step.next) == (["old"], None)


def test_what_somebody_attached_stays_through_a_change_and_is_no_step_of_its_own() -> None:
    step = step_of(target(managed("n")), standing("old", "hand"), ours)
    assert [(one.name, one.is_ours) for one in step.next.old] == [("old", True), ("hand", False)]  # type: ignore[union-attr]
    later = step_of(target(managed("n")), standing("n", "hand"), ours)
    assert (later.held, later.next) == (None, None)


def test_a_full_proxy_keeps_who_serves_what_is_waited_for() -> None:
    kept = [managed(f"k{n}") for n in range(13)]
    wanted = target(*kept, managed("new", "x.example.com", "y.example.com"))
    known = [issued("old", "x.example.com"), issued("gone", "z.example.com")]
    shown = standing(*(one.name for one in kept), "old", "gone", known=known)
    step = step_of(wanted, shown, ours)
    assert names(step.next) == ["old"]
    assert step.next is not None
    assert step.next.aside == frozenset()


def test_a_new_one_waits_for_a_place_where_every_place_serves() -> None:
    kept = [managed(f"k{n}") for n in range(14)]
    wanted = target(*kept, managed("new", "x.example.com", "y.example.com"))
    shown = standing(*(one.name for one in kept), "old", known=[issued("old", "x.example.com")])
    step = step_of(wanted, shown, ours)
    assert step.next is not None
    assert (names(step.next), set(step.next.aside)) == (["old"], {"new"})
    assert "waits for a place" in step.told[-1]


def test_a_map_is_attached_first_and_the_certificates_go_after() -> None:
    ready = covering("a.example.com", "r.example.com")
    wanted = target(to=MAP, hosts=("r.example.com",))
    step = step_of(wanted, standing("a", covers=ready), ours)
    assert (names(step.held), step.held.certificate_map if step.held else "") == (["a"], None)
    assert (names(step.next), step.next.certificate_map if step.next else "") == (["a"], MAP)
    after = step_of(wanted, standing("a", to=MAP, covers=ready), ours)
    assert (names(after.held), after.next) == (["a"], None)
    assert step_of(wanted, standing(to=MAP), ours).is_due is False


def test_a_map_takes_the_place_of_another_when_it_covers_all() -> None:
    wanted = target(to=MAP, hosts=("r.example.com",))
    waiting = step_of(wanted, standing(to=OTHER), ours)
    assert waiting.next == Shown(certificate_map=OTHER)
    ready = step_of(wanted, standing(to=OTHER, covers=covering("r.example.com")), ours)
    assert ready.next == Shown(certificate_map=MAP)


def test_certificates_come_beside_a_map_and_it_goes_when_they_are_active() -> None:
    wanted = target(managed("a"))
    first = step_of(wanted, standing(to=MAP), ours)
    assert first.next == Shown(certificate_map=MAP)
    pending = standing("a", to=MAP, known=[issued("a", active=False)])
    assert step_of(wanted, pending, ours).next == Shown(certificate_map=MAP)
    done = step_of(wanted, standing("a", to=MAP), ours)
    assert (done.held, done.next) == (Shown(certificate_map=MAP), None)
    assert step_of(target(given("g")), standing(to=MAP), ours).next == Shown(certificate_map=MAP), (
        "never both in one build"
    )


@pytest.mark.parametrize(
    ("covers", "hosts", "lacks"),
    [
        (covering("a.com"), ["a.com"], ()),
        (covering("*.b.com"), ["a.b.com"], ()),
        (covering("*.b.com"), ["*.b.com"], ()),
        (covering("*.b.com"), ["b.com"], ("b.com has no entry",)),
        (covering("*.b.com"), ["c.a.b.com"], ("c.a.b.com has no entry",)),
        (covering("a.com", active=False), ["a.com"], ("the entry for a.com is not active: PROVISIONING",)),
        (covering("a.com"), [], ()),
        (covering("a.com", active=False), [], ("it has no active entry",)),
        (CertificateMap(), [], ("it has no active entry",)),
        (CertificateMap(unknown="it does not exist"), ["a.com"], ("it does not exist",)),
    ],
)
def test_what_a_map_lacks(covers: CertificateMap, hosts: list[str], lacks: tuple[str, ...]) -> None:
    assert covers.lacking(hosts) == lacks


def test_the_entry_for_all_other_names_serves_what_its_certificate_is_for() -> None:
    entry = MapEntry(hostname="", is_active=True, certificates=("c",))
    covers = CertificateMap(
        entries=(entry,), certificates={"c": MapCertificate(is_active=True, domains=("*.b.com", "d.com"))}
    )
    assert covers.lacking(["a.b.com", "d.com"]) == ()
    assert covers.lacking(["e.com"]) == ("e.com has no entry",)
