"""Every engine against the sandbox itself: whatever it sends must be understood, and the result be what was wanted.

The forms that need the Pulumi CLI or its plugin are marked `engine` and skip, saying so, where these are missing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.engine.bench_config import document, overlay
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.adapters.engine.pulumi_cli.installation import pulumi_home
from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.core.values.overlay import Posture
from spillway.ports import Deployer, Outcome
from spillway.sandbox.seeds import SeedGroup
from spillway.sandbox.server import SandboxServer


def made(config: Config, folder: Path, kind: EngineForm, sandbox: SandboxServer) -> Deployer:
    return engine_of(config, folder, kind=kind, endpoint=sandbox.url)


def full() -> dict[str, Any]:
    """Most of what a configuration can say."""
    raw = document(
        frontends={
            "http": {"redirect_to_https": True},
            "https": {"certificates": {"managed": ["api.example.com"]}, "ssl_policy": {}},
        },
        health_checks={
            "ready": {"log": True}, "h2": {"type": "http2", "port": 443}, "g": {"type": "grpc", "port": 50051},
            "t": {"type": "tcp"}, "s": {"type": "https"},
        },
        services={
            "pool": {"health_check": "ready", "regions": "all", "outlier_detection": {}, "locality": "LEAST_REQUEST",
                     "log_sample_rate": 0.1},
            "europe": {"health_check": "h2", "home": "europe-west4", "failover": ["us-east4"], "protocol": "HTTP2"},
            "asia": {"health_check": "g", "home": "asia-northeast1", "failover": ["us-east4"], "protocol": "HTTP2"},
            "raw": {"health_check": "t", "regions": ["us-east4", "europe-west4"], "protocol": "HTTPS"},
            "made": {"health_check": "s", "regions": ["europe-west1"], "protocol": "HTTPS"},
        },
        routes=[
            {"paths": [{"paths": ["/europe", "/europe/*"], "service": "europe"}, {"paths": ["/asia/*"], "service": "asia"}]},
            {"hosts": ["raw.example.com"], "service": "raw", "paths": [{"paths": ["/made/*"], "service": "made"}]},
        ],
    )  # fmt: skip
    raw["topology"]["regions"]["europe-west1"] = {
        "groups": [
            {"zone": "europe-west1-b", "neg": "new", "create": {"port": 8080}},
            {"zone": "europe-west1-c", "hybrid_neg": "onprem", "create": {}},
        ],
        "balancing": {"mode": "IN_FLIGHT", "max_in_flight_per_endpoint": 8},
    }
    return raw


def other(certificates: dict[str, Any]) -> dict[str, Any]:
    """What excludes what `full` says: instance groups, groups without a scaler, the other modes and certificates."""
    raw = document(
        frontends={"https": {"certificates": certificates, "quic": "ENABLE"}},
        services={
            "pool": {
                "health_check": "ready",
                "regions": ["us-east4"],
                "affinity": "CLIENT_IP",
            },
            "metrics": {"health_check": "ready", "regions": ["europe-west4"]},
            "run": {"regions": ["asia-northeast1"]},
        },
        routes=[
            {"paths": [{"paths": ["/run/*"], "service": "run"}, {"paths": ["/kv/*"], "service": "metrics"}]}
        ],
    )
    raw["topology"]["regions"] = {
        "us-east4": {
            "groups": [
                {"zone": "us-east4-b", "instance_group": "made", "create": {"named_ports": {"http": 8080}}}
            ],
            "balancing": {"mode": "UTILIZATION", "max_utilization": 0.7, "max_rate_per_instance": 9},
        },
        "europe-west4": {
            "groups": [{"zone": "europe-west4-a", "neg": "api-europe-west4"}],
            "balancing": {
                "mode": "CUSTOM_METRICS",
                "custom_metrics": [{"name": "kv", "max_utilization": 0.8}],
            },
            "preference": "PREFERRED",
        },
        "asia-northeast1": {"groups": [{"serverless_neg": "run"}]},
    }
    return raw


@pytest.mark.parametrize("certificates", ["given", "map"])
def test_what_excludes_the_rest(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path, certificates: str
) -> None:
    wanted: dict[str, Any] = {"map": "certs"}
    if certificates == "given":
        for name in ("CERTIFICATE", "PRIVATE KEY"):
            text = f"-----BEGIN {name}-----\nMIIB\n-----END {name}-----\n"
            (tmp_path / name.replace(" ", "-")).write_text(text)
        files = {
            "certificate_file": str(tmp_path / "CERTIFICATE"),
            "private_key_file": str(tmp_path / "PRIVATE-KEY"),
        }
        wanted = {"given": [{"name": "own", **files}]}
    sandbox.store.seed_groups(
        [SeedGroup(project=PROJECT, zone="asia-northeast1", name="run", kind="serverless_neg", endpoints=0)]
    )
    config = Config.model_validate(other(wanted))
    engine = made(config, tmp_path, kind, sandbox)
    start = starting_overlay(config)
    applied = engine.apply(start)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert engine.apply(start).outcome is Outcome.UNCHANGED
    again = engine.build(start)
    assert again.outcome is Outcome.UNCHANGED, f"a refresh must not make differences: {again.sentence}"
    moved = replace(start.service("pool").backend("us-east4"), scaler=0.4)
    applied = engine.apply(start.with_service(start.service("pool").with_backend(moved)))
    assert applied.changes == (("update", "lb-pool"),), applied.sentence
    applied = engine.destroy()
    assert applied.outcome is Outcome.DONE, applied.sentence
    _close(engine)


def test_build_move_and_destroy(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> None:
    engine = made(Config.model_validate(document()), tmp_path, kind, sandbox)
    assert engine.kind == kind
    assert len(engine.preview(overlay()).changes) == 7
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.engine_processes == (0 if kind == "embedded" else 1)
    assert dict(applied.outputs)["load_balancer_ip"]
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.UNCHANGED, applied.sentence
    applied = engine.apply(overlay({"europe-west4": 0.4, "us-east4": 0.0}, posture=Posture.SCARCE))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert sorted(applied.changes) == [("update", "lb-pool"), ("update", "lb-pool")]
    assert "scaler 1.0 -> 0.4 (europe-west4)" in applied.sentence
    applied = engine.apply(overlay({"us-east4": None}))
    assert "leaves: us-east4" in applied.sentence
    assert engine.recover() is None
    applied = engine.destroy()
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert engine.apply(overlay()).outcome is Outcome.DONE
    _close(engine)


def test_the_folder_of_the_installed_engine_stays_as_it_is(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under systemd and in a container it is read-only."""
    installed = tmp_path / "installed"
    installed.mkdir()
    for part in ("plugins", "versions"):
        (installed / part).symlink_to(pulumi_home() / part)
    before = {file.name for file in installed.iterdir()}
    monkeypatch.setenv("PULUMI_HOME", str(installed))
    engine = made(Config.model_validate(document()), tmp_path, kind, sandbox)
    applied = engine.apply(overlay())
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert engine.destroy().outcome is Outcome.DONE
    assert {file.name for file in installed.iterdir()} == before
    _close(engine)


def test_everything_a_configuration_can_say(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> None:
    config = Config.model_validate(full())
    engine = made(config, tmp_path, kind, sandbox)
    wanted = starting_overlay(config)
    applied = engine.apply(wanted)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert {operation for operation, _ in applied.changes} == {"create"}
    again = engine.apply(wanted)
    assert again.outcome is Outcome.UNCHANGED, again.sentence
    again = engine.build(wanted)
    assert again.outcome is Outcome.UNCHANGED, f"a refresh must not make differences: {again.sentence}"
    setting = wanted.service("pool").with_backend(wanted.service("pool").backend("us-east4"))
    assert engine.preview(wanted.with_service(setting)).changes == ()
    applied = engine.destroy()
    assert applied.outcome is Outcome.DONE, applied.sentence
    _close(engine)


def test_an_outside_edit_is_a_conflict_and_the_next_call_goes_by_what_stands(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    import requests

    engine = made(Config.model_validate(document()), tmp_path, kind, sandbox)
    assert engine.apply(overlay()).outcome is Outcome.DONE
    url = f"{sandbox.url}/compute/v1/projects/{PROJECT}/global/backendServices/lb-pool"
    live = requests.get(url, timeout=5).json()
    edit = requests.patch(url, json={"fingerprint": live["fingerprint"], "timeoutSec": 7}, timeout=5)
    assert edit.status_code == 200, edit.text
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.CONFLICT, applied.sentence
    assert applied.foreign_edit
    assert "backend service lb-pool" in applied.sentence
    assert requests.get(url, timeout=5).json()["timeoutSec"] == 7, "nothing is written over"
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert not applied.foreign_edit
    live = requests.get(url, timeout=5).json()
    assert live["timeoutSec"] == 7, "the policy's answer is `alarm`: a person decides"
    assert sorted(backend["capacityScaler"] for backend in live["backends"]) == [0.5, 1, 1]
    _close(engine)


def test_an_edit_of_what_is_not_ours_costs_one_more_try(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    import requests

    engine = made(Config.model_validate(document()), tmp_path, kind, sandbox)
    assert engine.apply(overlay()).outcome is Outcome.DONE
    url = f"{sandbox.url}/compute/v1/projects/{PROJECT}/global/backendServices/lb-pool"
    live = requests.get(url, timeout=5).json()
    edit = requests.patch(url, json={"fingerprint": live["fingerprint"], "description": "by hand"}, timeout=5)
    assert edit.status_code == 200, edit.text
    applied = engine.apply(overlay({"europe-west4": 0.5}))
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert applied.foreign_edit
    _close(engine)


def test_a_build_looks_first_and_makes_anew_what_somebody_deleted(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    import requests

    engine = made(Config.model_validate(document()), tmp_path, kind, sandbox)
    wanted = overlay({"europe-west4": 0.5})
    assert engine.build(wanted).outcome is Outcome.DONE
    root = f"{sandbox.url}/compute/v1/projects/{PROJECT}/global"
    for gone in (
        "forwardingRules/lb-http",
        "targetHttpProxies/lb-http",
        "urlMaps/lb",
        "backendServices/lb-pool",
    ):
        answer = requests.delete(f"{root}/{gone}", timeout=5)
        assert answer.status_code == 200, answer.text
    edit = requests.patch(f"{root}/healthChecks/lb-ready", json={"checkIntervalSec": 9}, timeout=5)
    assert edit.status_code == 200, edit.text
    preview = engine.preview(wanted)
    told = sorted((change.operation, change.name) for change in preview.changes)
    assert told == [
        ("create", "lb"), ("create", "lb-http"), ("create", "lb-http"), ("create", "lb-pool"), ("update", "lb-ready"),
    ]  # fmt: skip
    assert preview.same == 2
    (edited,) = [change.details for change in preview.changes if change.operation == "update"]
    assert edited == ("checkIntervalSec 9 -> 5",)
    applied = engine.build(wanted)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert sorted(applied.changes) == told
    live = requests.get(f"{root}/backendServices/lb-pool", timeout=5).json()
    assert sorted(backend["capacityScaler"] for backend in live["backends"]) == [0.5, 1, 1]
    assert engine.build(wanted).outcome is Outcome.UNCHANGED
    assert engine.preview(wanted).changes == ()
    assert engine.destroy().outcome is Outcome.DONE
    _close(engine)


def _close(engine: Deployer) -> None:
    getattr(engine, "close")()  # noqa: B009 not part of the port
