"""The two roles, enforced by the sandbox: each suffices for its work, and holds nothing that no work needs."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
from tests.engine.bench_config import REGIONS, document
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of
from tests.engine.test_on_sandbox import full, other
from tests.engine.test_services_said import KEY, OTHER_KEY
from tests.sandbox.conftest import ToyFault, ToyPlant

from spillway.adapters.adopt.reading import CloudReader
from spillway.adapters.compute import ComputeReader
from spillway.adapters.google_http import sandbox_session
from spillway.adapters.permissions import PERMISSIONS, Role, names_of, of_role
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.core.values.overlay import Overlay, Posture
from spillway.ports import Applied, Deployer, Outcome
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer

NOT_ASKED = {
    "compute.globalOperations.get",
    "compute.zoneOperations.get",
    "networkservices.operations.get",
    "monitoring.timeSeries.list",
    "monitoring.metricDescriptors.get",
}
"""The sandbox answers a write when it is done, so nobody polls; Monitoring is not served by this fixture."""


def under(role: Role, raw: dict[str, Any]) -> Config:
    """The same configuration, worked with under this role."""
    raw["sandbox"]["role"] = role.value
    return Config.model_validate(raw)


class Cloud:
    """Somebody's hands on the sandbox, and engines over one state."""

    def __init__(self, sandbox: SandboxServer, folder: Path, kind: EngineForm) -> None:
        self.sandbox, self.folder, self.kind = sandbox, folder, kind

    def engine(self, config: Config) -> Deployer:
        return engine_of(config, self.folder, kind=self.kind, endpoint=self.sandbox.url)

    def build(self, raw: dict[str, Any]) -> Applied:
        """Build it under the role `build`."""
        config = under(Role.BUILD, raw)
        engine = self.engine(config)
        applied = engine.build(starting_overlay(config))
        close(engine)
        assert applied.outcome is Outcome.DONE, applied.sentence
        return applied

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request with a token of no role, as somebody else sends it."""
        url = f"{self.sandbox.url}/compute/v1/projects/{PROJECT}/{path}"
        answer = requests.request(method, url, json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def edit_scaler(self, region: str, scaler: float) -> None:
        """An edit by hand."""
        path = "global/backendServices/lb-pool"
        live = self.send("GET", path)
        for backend in live["backends"]:
            if region in backend["group"]:
                backend["capacityScaler"] = scaler
        self.send("PATCH", path, {"fingerprint": live["fingerprint"], "backends": live["backends"]})

    def scaler(self, region: str) -> float:
        live = self.send("GET", "global/backendServices/lb-pool")
        (found,) = [backend["capacityScaler"] for backend in live["backends"] if region in backend["group"]]
        return float(found)


def close(engine: Deployer) -> None:
    getattr(engine, "close")()  # noqa: B009 not part of the port


def moved(overlay: Overlay, region: str, scaler: float, *, member: bool = True) -> Overlay:
    """The overlay with another scaler in one region of the pool."""
    service = overlay.service("pool")
    backend = replace(service.backend(region), scaler=scaler, member=member)
    return overlay.with_service(service.with_backend(backend))


def given(folder: Path) -> dict[str, Any]:
    """A certificate of our own."""
    for name in ("CERTIFICATE", "PRIVATE KEY"):
        text = f"-----BEGIN {name}-----\nMIIB\n-----END {name}-----\n"
        (folder / name.replace(" ", "-")).write_text(text)
    files = {"certificate_file": str(folder / "CERTIFICATE"), "private_key_file": str(folder / "PRIVATE-KEY")}
    return {"given": [{"name": "own", **files}]}


def protected(raw: dict[str, Any], folder: Path, limit: int, key: str) -> dict[str, Any]:
    """The same with policies, caches, keys that sign URLs, and a bucket."""
    (folder / "key").write_text(key)
    keys = {"signed_url_keys": [{"name": "one", "key_file": str(folder / "key")}]}
    found: dict[str, Any] = copy.deepcopy(raw)
    services = found["topology"]["services"]
    services["pool"] |= {"rate_limit": {"requests": limit}, "cdn": keys}
    services["europe"] |= {"security_policy": "waf", "edge_security_policy": "edge"}
    found["topology"]["labels"] = {"limit": str(limit)}
    bucket = {"bucket": "acme-assets", "edge_security_policy": "edge", "cdn": keys}
    found["topology"]["buckets"] = {
        "assets": {**bucket, "compression": "AUTOMATIC" if limit > 100 else "DISABLED"}
    }
    found["topology"]["routes"][0]["paths"].append({"paths": ["/static/*"], "bucket": "assets"})
    return found


def test_the_role_of_the_daemon_outlives_an_outside_edit_a_crash_and_every_move(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    cloud = Cloud(sandbox, tmp_path, kind)
    cloud.build(full())
    config = under(Role.RUN, full())
    engine, start = cloud.engine(config), starting_overlay(config)
    assert engine.preview(start).changes == (), "every part can be read"
    assert engine.build(start).outcome is Outcome.UNCHANGED

    cloud.edit_scaler("us-east4", 0.5)
    applied = engine.apply(moved(start, "europe-west4", 0.4))
    assert applied.outcome is Outcome.CONFLICT, applied.sentence
    assert cloud.scaler("us-east4") == 0.5
    wanted = moved(moved(start, "us-east4", 0.5), "europe-west4", 0.4)
    for overlay in (
        wanted,
        moved(wanted, "us-east4", 0.0),
        moved(wanted, "us-east4", 0.0, member=False),
        wanted,
        wanted.with_service(replace(wanted.service("pool"), posture=Posture.SCARCE)),
    ):
        applied = engine.apply(overlay)
        assert applied.outcome is Outcome.DONE, applied.sentence

    assert isinstance(sandbox.plant, ToyPlant)
    sandbox.plant.fault = ToyFault("unknown")
    assert engine.apply(start).outcome is Outcome.UNKNOWN
    sandbox.plant.fault = None
    engine.recover()
    applied = engine.apply(moved(start, "europe-west4", 0.3))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert cloud.scaler("europe-west4") == 0.3
    close(engine)
    assert sandbox.access.asked["run"] <= names_of(Role.RUN)


def test_the_role_of_the_daemon_builds_and_removes_nothing(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    cloud = Cloud(sandbox, tmp_path, kind)
    engine = cloud.engine(under(Role.RUN, document()))
    applied = engine.apply(starting_overlay(under(Role.RUN, document())))
    assert applied.outcome is Outcome.REFUSED, applied.sentence
    assert re.search(r"Required '\w+\.\w+\.create' permission", applied.sentence)
    close(engine)
    cloud.build(document())
    engine = cloud.engine(under(Role.RUN, document()))
    applied = engine.destroy()
    assert applied.outcome is Outcome.REFUSED, applied.sentence
    assert "Required 'compute.globalForwardingRules.delete' permission" in applied.sentence
    assert cloud.send("GET", "global/forwardingRules/lb-http")
    close(engine)


def test_the_roles_hold_what_is_used_and_nothing_else(sandbox: SandboxServer, tmp_path: Path) -> None:
    """Every kind of layout, every change in place, and what a hand had changed is set back."""
    cloud = Cloud(sandbox, tmp_path, "embedded")
    sandbox.store.seed_groups(
        [SeedGroup(project=PROJECT, zone="asia-northeast1", name="run", kind="serverless_neg", endpoints=0)]
    )
    # 1. Plain HTTP; then redirect, HTTPS with managed certificates, an SSL policy, created groups; then other settings.
    cloud.build(document())
    cloud.build(full())
    changed = full()
    changed["topology"]["frontends"]["https"] = {
        "certificates": given(tmp_path),
        "ssl_policy": {"profile": "RESTRICTED"},
    }
    cloud.build(changed)
    # What protects and caches: made, changed in place, replaced and taken away.
    for policy in ({"name": "waf"}, {"name": "edge", "type": "CLOUD_ARMOR_EDGE"}):
        cloud.send("POST", "global/securityPolicies", policy)
    for requests_, key in ((100, KEY), (200, OTHER_KEY)):
        cloud.build(protected(changed, tmp_path, requests_, key))
    limits = "global/securityPolicies/lb-pool"
    fingerprint = cloud.send("GET", limits)["labelFingerprint"]
    cloud.send("POST", f"{limits}/setLabels", {"labels": {"by": "hand"}, "labelFingerprint": fingerprint})
    cloud.build(protected(changed, tmp_path, 300, OTHER_KEY))
    cloud.build(changed)
    # 2. A hand sets rule and proxy otherwise; the next build sets them back.
    cloud.send("POST", "global/urlMaps", {"name": "hand", "defaultService": "global/backendServices/lb-pool"})
    cloud.send("POST", "targetHttpsProxies/lb-https/setUrlMap", {"urlMap": "global/urlMaps/hand"})
    cloud.send("POST", "global/targetHttpsProxies/lb-https/setSslPolicy", {})
    rule = "global/forwardingRules/lb-https"
    cloud.send("POST", f"{rule}/setTarget", {"target": "global/targetHttpProxies/lb-http"})
    fingerprint = cloud.send("GET", rule)["labelFingerprint"]
    cloud.send("POST", f"{rule}/setLabels", {"labels": {"by": "hand"}, "labelFingerprint": fingerprint})
    cloud.build(changed)
    cloud.send("DELETE", "global/urlMaps/hand")
    # 3. The other certificates, group kinds and balancing modes.
    engine = cloud.engine(under(Role.BUILD, changed))
    assert engine.destroy().outcome is Outcome.DONE
    close(engine)
    subnetwork = {"name": "models", "network": "global/networks/default", "ipCidrRange": "10.9.0.0/24"}
    cloud.send("POST", "regions/europe-west4/subnetworks", subnetwork)
    raw = other({"map": "certs"})
    raw["topology"]["regions"]["europe-west4"]["groups"].append(
        {"zone": "europe-west4-b", "neg": "new", "create": {"port": 8080, "subnetwork": "models"}}
    )
    cloud.build(raw)
    raw = other(given(tmp_path))
    raw["topology"]["regions"]["us-east4"]["groups"][0]["create"] = {"named_ports": {"http": 8081}}
    del raw["topology"]["frontends"]["https"]["quic"]
    cloud.build(raw)  # the certificates come beside the map
    cloud.build(raw)  # and the map goes
    raw["topology"]["frontends"]["https"]["server_tls_policy"] = "mtls"
    cloud.build(raw)
    # The map once more, while its certificate waits for its DNS record; and mTLS that a hand has taken away.
    manager = f"projects/{PROJECT}/locations/global"
    domain = {"domains": ["*.example.org"], "dnsAuthorizations": [f"{manager}/dnsAuthorizations/org"]}
    for path, body in (
        ("dnsAuthorizations?dnsAuthorizationId=org", {"domain": "example.org"}),
        ("certificates?certificateId=org", {"managed": domain}),
        ("certificateMaps?certificateMapId=org", {}),
        (
            "certificateMaps/org/certificateMapEntries?certificateMapEntryId=org",
            {"matcher": "PRIMARY", "certificates": [f"{manager}/certificates/org"]},
        ),
    ):
        assert requests.post(f"{sandbox.url}/v1/{manager}/{path}", json=body, timeout=5).ok
    raw["topology"]["frontends"]["https"]["certificates"] = {"map": "org"}
    (proxy,) = cloud.send("GET", "global/targetHttpsProxies")["items"]
    hand = {"serverTlsPolicy": None, "fingerprint": proxy["fingerprint"]}
    cloud.send("PATCH", f"global/targetHttpsProxies/{proxy['name']}", hand)
    cloud.build(raw)
    # 4. A posture, what the loop reads, and the end.
    config = under(Role.BUILD, raw)
    engine, start = cloud.engine(config), starting_overlay(config)
    pool = replace(start.service("pool"), posture=Posture.SCARCE)
    assert engine.apply(start.with_service(pool)).outcome is Outcome.DONE
    assert engine.destroy().outcome is Outcome.DONE
    close(engine)
    reader = ComputeReader(
        sandbox_session(2, "build"),
        project=PROJECT,
        compute=f"{sandbox.url}/compute/v1",
        network_services=f"{sandbox.url}/v1",
        deadline=5.0,
        parallel=2,
    )
    reader.listing(sandbox.clock.now())
    reader.policies(sandbox.clock.now())

    # 5. What `adopt` and `init` look through.
    finder = CloudReader(
        lambda: sandbox_session(2, "build"),
        PROJECT,
        compute=f"{sandbox.url}/compute/beta",
        network_services=f"{sandbox.url}/v1",
        deadline=5.0,
        parallel=2,
    )
    for collection in ("forwardingRules", "targetHttpProxies", "targetHttpsProxies", "urlMaps", "addresses"):
        assert finder.listed(collection) == {}, "all is gone"
    assert finder.anywhere("forwardingRules", "web") == finder.anywhere("urlMaps", "web") == ()
    seeded = {*(f"api-{region}" for region in REGIONS), "run"}
    assert {group["name"] for group in finder.everywhere("networkEndpointGroups")} == seeded
    assert finder.everywhere("instanceGroups") == ()
    assert finder.each([f"projects/{PROJECT}/regions/us-east4/networkEndpointGroups/none"]) == {}
    finder.close()

    asked = sandbox.access.asked["build"]
    assert asked <= names_of(Role.BUILD)
    assert names_of(Role.BUILD) - asked == NOT_ASKED


def test_each_permission_stands_once_and_names_its_methods() -> None:
    names = [permission.name for permission in PERMISSIONS]
    assert len(names) == len(set(names))
    assert all(permission.methods and permission.purpose for permission in PERMISSIONS)
    assert names_of(Role.RUN) < names_of(Role.BUILD)
    mutating = {"create", "delete"}
    assert not [each.name for each in of_role(Role.RUN) if each.name.rsplit(".", 1)[-1] in mutating]
