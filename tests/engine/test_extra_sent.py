"""Further arguments reach the cloud with every engine, and a second plan is empty."""

from __future__ import annotations

from pathlib import Path

from tests.engine.bench_config import document
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.config.fleet import starting_overlay
from spillway.config.model import Config
from spillway.ports import Outcome
from spillway.sandbox.server import SandboxServer


def test_what_extra_gives_stands(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> None:
    certificates = {"managed": ["api.example.com"], "extra": {"description": "by Google"}}
    raw = document(
        frontends={
            "extra": {"description": "door"},
            "http": {"extra": {"description": "plain"}},
            "https": {"certificates": certificates, "extra": {"description": "secure"}},
        }
    )
    raw["topology"]["services"]["pool"]["extra"] = {"ip_address_selection_policy": "PREFER_IPV6"}
    config = Config.model_validate(raw)
    engine = engine_of(config, tmp_path, kind=kind, endpoint=sandbox.url)
    start = starting_overlay(config)
    built = engine.build(start)
    assert built.outcome is Outcome.DONE, built.sentence
    assert engine.preview(start).changes == ()

    def described(collection: str) -> set[str]:
        return {body["description"] for _, body in sandbox.store.all_of(collection)}

    assert described("forwardingRules") == {"door"}
    assert described("targetHttpProxies") == {"plain"}
    assert described("targetHttpsProxies") == {"secure"}
    assert described("sslCertificates") == {"by Google"}
    ((_, service),) = sandbox.store.all_of("backendServices")
    assert service["ipAddressSelectionPolicy"] == "PREFER_IPV6"

    raw["topology"]["frontends"]["http"]["extra"]["description"] = "other"
    changed = Config.model_validate(raw)
    close = getattr(engine, "close")  # noqa: B009 not part of the port
    close()
    engine = engine_of(changed, tmp_path, kind=kind, endpoint=sandbox.url)
    again = engine.build(start)
    assert again.outcome is Outcome.DONE, again.sentence
    assert described("targetHttpProxies") == {"other"}, "the rule is led to another proxy"
    close = getattr(engine, "close")  # noqa: B009 not part of the port
    close()
