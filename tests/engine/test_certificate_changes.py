"""Certificates that are replaced while HTTPS serves: never a moment without an active one, on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.engine.bench_config import document, overlay
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.adapters.drift.guarded import GuardedDeployer
from spillway.config.model import Config
from spillway.ports import Applied, Outcome
from spillway.sandbox import dns
from spillway.sandbox.server import SandboxServer

START = overlay()
PENDING, ISSUED = 1e9, 0.0
"""Seconds that Google takes: for ever, or none."""
MAP = f"//certificatemanager.googleapis.com/projects/{PROJECT}/locations/global/certificateMaps/certs"


def https(*managed: Any, **more: Any) -> Config:
    certificates = {**({"managed": list(managed)} if managed else {}), **more}
    return Config.model_validate(document(frontends={"https": {"certificates": certificates}}))


class Balancer:
    """One load balancer under one configuration after the other, as a daemon that is reloaded."""

    def __init__(
        self, folder: Path, kind: EngineForm, sandbox: SandboxServer, google: pytest.MonkeyPatch
    ) -> None:
        self.folder, self.sandbox = folder, sandbox
        self._kind: EngineForm = kind
        self._google = google
        self._engine: GuardedDeployer | None = None
        self.issuing(ISSUED)

    def issuing(self, seconds: float) -> None:
        """How long Google takes from now on, for all certificates."""
        self._google.setattr(dns, "ISSUING_SECONDS", seconds)

    def of(self, config: Config) -> GuardedDeployer:
        self.close()
        self._engine = engine_of(config, self.folder, kind=self._kind, endpoint=self.sandbox.url)
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def build(self, config: Config) -> Applied:
        applied = self.of(config).build(START)
        assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
        return applied

    def get(self, path: str) -> dict[str, Any]:
        url = f"{self.sandbox.url}/compute/v1/projects/{PROJECT}/global/{path}"
        answer: dict[str, Any] = requests.get(url, timeout=5).json()
        return answer

    @property
    def proxy(self) -> dict[str, Any]:
        target = self.get("forwardingRules/lb-https")["target"].rpartition("/")[2]
        return self.get(f"targetHttpsProxies/{target}")

    @property
    def attached(self) -> list[str]:
        return [url.rpartition("/")[2] for url in self.proxy.get("sslCertificates", [])]

    @property
    def certificates(self) -> set[str]:
        return {item["name"] for item in self.get("sslCertificates").get("items", [])}

    def serves(self) -> bool:
        """Whether the proxy shows an active certificate, or a map."""
        shown = [self.get(f"sslCertificates/{name}") for name in self.attached]
        active = [
            one for one in shown if one["type"] == "SELF_MANAGED" or one["managed"]["status"] == "ACTIVE"
        ]
        return bool(active) or "certificateMap" in self.proxy


@pytest.fixture
def balancer(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Balancer]:
    made = Balancer(tmp_path, kind, sandbox, monkeypatch)
    yield made
    made.close()


def test_a_second_domain_leaves_the_first_alone(balancer: Balancer) -> None:
    balancer.build(https("api.example.com"))
    (first,) = balancer.attached
    applied = balancer.build(https("api.example.com", "api.example.org"))
    assert sorted(operation for operation, _ in applied.changes) == ["create", "update"]
    assert balancer.attached[0] == first
    assert len(balancer.attached) == 2
    applied = balancer.build(https("api.example.com"))
    assert sorted(operation for operation, _ in applied.changes) == ["delete", "update"]
    assert balancer.attached == [first]


def test_another_set_of_domains_comes_beside_the_old_one_until_it_is_issued(balancer: Balancer) -> None:
    """Also the way from one certificate for all domains, as older versions made it, to one for each."""
    both = ["api.example.com", "api.example.org"]
    balancer.build(https(both))
    (old,) = balancer.attached
    balancer.issuing(PENDING)
    later = https(*both)
    planned = balancer.of(later).preview(START)
    assert f"{old} (api.example.com, api.example.org) stays beside" in planned.later[0]
    applied = balancer.build(later)
    assert "stays beside" in applied.sentence
    assert "delete" not in dict(applied.changes)
    assert old == balancer.attached[-1]
    assert len(balancer.attached) == 3
    engine = balancer.of(later)
    again = engine.preview(START)
    assert again.changes == ()
    report = engine.look(START)
    assert (report.certificate_step, report.drifts) == ("", ())
    assert engine.apply(START).outcome is Outcome.UNCHANGED
    balancer.issuing(ISSUED)
    report = engine.look(START)
    assert f"{old} (api.example.com, api.example.org) goes" in report.certificate_step
    assert report.drifts == ()
    assert engine.apply(START).outcome is Outcome.UNCHANGED, "a quick adjustment was asked for something else"
    assert old in balancer.attached
    applied = engine.build(START)
    assert sorted(operation for operation, _ in applied.changes) == ["delete", "update"]
    assert len(balancer.attached) == 2
    assert old not in balancer.certificates
    assert engine.look(START).certificate_step == ""
    assert engine.preview(START).changes == ()


def given(folder: Path, text: str) -> dict[str, Any]:
    files = {"certificate_file": folder / f"{text}.pem", "private_key_file": folder / f"{text}.key"}
    for name, kind in (("certificate_file", "CERTIFICATE"), ("private_key_file", "PRIVATE KEY")):
        files[name].write_text(f"-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    return {"given": [{"name": "own", **{name: str(path) for name, path in files.items()}}]}


def test_a_given_one_stays_until_managed_ones_are_issued_although_its_files_are_gone(
    balancer: Balancer,
) -> None:
    balancer.build(https(**given(balancer.folder, "ONE")))
    (old,) = balancer.attached
    balancer.issuing(PENDING)
    for file in balancer.folder.glob("ONE.*"):
        file.unlink()
    balancer.build(https("api.example.com"))
    assert balancer.serves()
    assert balancer.attached[-1] == old
    assert balancer.of(https("api.example.com")).preview(START).changes == ()
    balancer.issuing(ISSUED)
    balancer.build(https("api.example.com"))
    assert len(balancer.attached) == 1
    assert old not in balancer.certificates


def test_managed_and_given_ones_stand_beside_each_other(balancer: Balancer) -> None:
    config = https("api.example.com", **given(balancer.folder, "ONE"))
    balancer.build(config)
    assert [name.rpartition("-")[0] for name in balancer.attached] == ["lb-own", "lb-managed"]
    assert balancer.of(config).preview(START).changes == ()


def test_to_a_map_and_back(balancer: Balancer) -> None:
    balancer.build(https("api.example.com"))
    (old,) = balancer.attached
    to_map = https(map="certs")
    applied = balancer.build(to_map)
    assert "beside" in applied.sentence
    assert (balancer.attached, balancer.proxy["certificateMap"]) == ([old], MAP)
    engine = balancer.of(to_map)
    assert "goes: the certificate map certs serves" in engine.look(START).certificate_step
    engine.build(START)
    assert (balancer.attached, balancer.proxy["certificateMap"]) == ([], MAP)
    assert balancer.certificates == set()
    assert engine.preview(START).changes == ()
    balancer.issuing(PENDING)
    back = https("api.example.com")
    balancer.build(back)
    assert (len(balancer.attached), balancer.proxy["certificateMap"]) == (1, MAP)
    assert balancer.of(back).preview(START).changes == ()
    balancer.issuing(ISSUED)
    engine = balancer.of(back)
    assert "the certificate map certs goes" in engine.look(START).certificate_step
    engine.build(START)
    assert "certificateMap" not in balancer.proxy
    assert len(balancer.attached) == 1
    assert engine.preview(START).changes == ()


def test_a_map_waits_for_every_host_that_is_served_now(balancer: Balancer) -> None:
    balancer.build(https("api.example.com", "api.example.org"))
    before = balancer.attached
    to_map = https(map="certs")
    applied = balancer.build(to_map)
    assert applied.outcome is Outcome.UNCHANGED
    assert "api.example.org has no entry" in applied.sentence
    assert balancer.attached == before
    assert "certificateMap" not in balancer.proxy
    report = balancer.of(to_map).look(START)
    assert [(wait.name, wait.missing) for wait in report.waits] == [
        ("the certificate map of lb-https", "api.example.org has no entry")
    ]
    url = f"{balancer.sandbox.url}/v1/projects/{PROJECT}/locations/global"
    certificate = f"projects/{PROJECT}/locations/global/certificates/org"
    managed = {"managed": {"domains": ["api.example.org"]}}
    assert requests.post(f"{url}/certificates?certificateId=org", json=managed, timeout=5).ok
    entry = {"hostname": "api.example.org", "certificates": [certificate]}
    query = "certificateMapEntryId=org"
    made = requests.post(f"{url}/certificateMaps/certs/certificateMapEntries?{query}", json=entry, timeout=5)
    assert made.ok
    engine = balancer.of(to_map)
    assert "the certificate map certs is attached beside" in engine.look(START).certificate_step
    engine.build(START)
    assert balancer.proxy["certificateMap"] == MAP


def test_a_map_that_does_not_exist_is_waited_for(balancer: Balancer) -> None:
    balancer.build(https("api.example.com"))
    applied = balancer.build(https(map="none"))
    assert applied.outcome is Outcome.UNCHANGED
    assert "it does not exist" in applied.sentence
    assert balancer.serves()


def test_another_proxy_takes_over_what_the_old_one_shows(balancer: Balancer) -> None:
    """Keep-alive makes another proxy: one reload that changes both leaves no gap either."""
    balancer.build(https("api.example.com"))
    (old,) = balancer.attached
    balancer.issuing(PENDING)
    raw = document(
        frontends={"https": {"certificates": {"managed": ["api.example.org"]}, "keep_alive": "30s"}}
    )
    config = Config.model_validate(raw)
    balancer.build(config)
    assert balancer.proxy["httpKeepAliveTimeoutSec"] == 30
    assert balancer.attached[-1] == old
    assert len(balancer.get("targetHttpsProxies")["items"]) == 1
    assert balancer.of(config).preview(START).changes == ()


def test_a_certificate_that_somebody_attached_is_drift_and_no_step(balancer: Balancer) -> None:
    config = https("api.example.com")
    balancer.build(config)
    url = f"{balancer.sandbox.url}/compute/v1/projects/{PROJECT}"
    own = {"name": "by-hand", "managed": {"domains": ["other.example.com"]}}
    assert requests.post(f"{url}/global/sslCertificates", json=own, timeout=5).ok
    both = [f"global/sslCertificates/{name}" for name in (*balancer.attached, "by-hand")]
    path = "targetHttpsProxies/lb-https/setSslCertificates"
    assert requests.post(f"{url}/{path}", json={"sslCertificates": both}, timeout=5).ok
    report = balancer.of(config).look(START)
    assert report.certificate_step == ""
    assert [drift.field.partition("[")[0] for drift in report.drifts] == ["sslCertificates"]


def test_a_map_that_somebody_attached_is_drift_and_no_step(balancer: Balancer) -> None:
    config = https("api.example.com")
    balancer.build(config)
    url = f"{balancer.sandbox.url}/compute/v1/projects/{PROJECT}/global/targetHttpsProxies/lb-https"
    assert requests.post(f"{url}/setCertificateMap", json={"certificateMap": MAP}, timeout=5).ok
    report = balancer.of(config).look(START)
    assert report.certificate_step == ""
    assert [drift.field for drift in report.drifts] == ["certificateMap"]


def test_an_old_one_stays_also_where_nobody_remembers_what_was_built(balancer: Balancer) -> None:
    balancer.build(https("api.example.com"))
    (old,) = balancer.attached
    for file in balancer.folder.rglob("wanted/*.json"):
        file.unlink()
    balancer.issuing(PENDING)
    balancer.build(https("api.example.org"))
    assert balancer.attached[-1] == old


def test_what_google_waits_for_is_told_with_the_record(balancer: Balancer) -> None:
    balancer.issuing(PENDING)
    url = f"{balancer.sandbox.url}/sandbox/v1/faults"
    fault = {"kind": "dns-missing", "domain": "api.example.org"}
    assert requests.post(url, json=fault, timeout=5).ok
    engine = balancer.of(https(["api.example.com", "api.example.org"]))
    engine.build(START)
    (wait,) = engine.look(START).waits
    address = balancer.get("forwardingRules/lb-https")["IPAddress"]
    assert wait.missing == (
        f"api.example.com is PROVISIONING: it needs an A record to {address} and no other; "
        f"api.example.org is FAILED_NOT_VISIBLE: it needs an A record to {address} and no other"
    )
    assert wait.limit == 86400.0
