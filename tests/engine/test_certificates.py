"""HTTPS with given certificates on every engine: changed while it serves, and no private key where people read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pulumi.automation.events import EngineEvent
from tests.engine.bench_config import document, overlay
from tests.engine.conftest import PROJECT
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.adapters.engine.pulumi_cli.events import Events
from spillway.adapters.engine.verdicts import shorten
from spillway.config.model import Config
from spillway.ports import Deployer, Outcome, Preview
from spillway.sandbox.server import SandboxServer

START = overlay()


def pem(kind: str, text: str) -> str:
    return f"-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n"


def https(folder: Path, *, certificate: str, key: str, **settings: Any) -> Config:
    """One given certificate, from files that are written anew."""
    (folder / "certificate.pem").write_text(pem("CERTIFICATE", certificate))
    (folder / "key.pem").write_text(pem("PRIVATE KEY", key))
    files = {
        "certificate_file": str(folder / "certificate.pem"),
        "private_key_file": str(folder / "key.pem"),
    }
    given = {"certificates": {"given": [{"name": "own", **files}]}, **settings}
    return Config.model_validate(document(frontends={"https": given}))


class Engines:
    """One engine after the other on the same state, as a daemon that was started with another configuration."""

    def __init__(self, folder: Path, kind: EngineForm, sandbox: SandboxServer) -> None:
        self.folder, self._kind, self._sandbox = folder, kind, sandbox
        self._last: Deployer | None = None

    def of(self, config: Config) -> Deployer:
        self.close()
        self._last = engine_of(config, self.folder, kind=self._kind, endpoint=self._sandbox.url)
        return self._last

    def close(self) -> None:
        if self._last is not None:
            getattr(self._last, "close")()  # noqa: B009 not part of the port


@pytest.fixture
def engines(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Engines]:
    made = Engines(tmp_path, kind, sandbox)
    yield made
    made.close()


def told(preview: Preview) -> str:
    return repr(preview.changes)


def test_certificate_and_policy_change_while_it_serves(engines: Engines, sandbox: SandboxServer) -> None:
    def proxy() -> dict[str, Any]:
        url = f"{sandbox.url}/compute/v1/projects/{PROJECT}/global/targetHttpsProxies/lb-https"
        answer: dict[str, Any] = requests.get(url, timeout=5).json()
        return answer

    first = engines.of(https(engines.folder, certificate="MIIB", key="ONE"))
    applied = first.build(START)
    assert applied.outcome is Outcome.DONE, applied.sentence
    (old,) = proxy()["sslCertificates"]
    second = engines.of(https(engines.folder, certificate="MIIC", key="TWO"))
    planned = second.preview(START)
    assert "TWO" not in told(planned)
    applied = second.build(START)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert sorted(applied.changes) == sorted((change.operation, change.name) for change in planned.changes)
    assert [operation for operation, _ in sorted(applied.changes)] == ["create", "delete", "update"]
    (new,) = proxy()["sslCertificates"]
    assert new != old
    third = engines.of(https(engines.folder, certificate="MIIC", key="TWO", ssl_policy={}))
    applied = third.build(START)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert proxy()["sslPolicy"]
    last = engines.of(https(engines.folder, certificate="MIIC", key="TWO"))
    applied = last.build(START)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert "sslPolicy" not in proxy()
    assert last.destroy().outcome is Outcome.DONE


def test_a_private_key_is_never_told(engines: Engines) -> None:
    first = engines.of(https(engines.folder, certificate="MIIB", key="ONE"))
    assert "ONE" not in told(first.preview(START))
    applied = first.build(START)
    assert applied.outcome is Outcome.DONE
    second = engines.of(https(engines.folder, certificate="MIIB", key="TWO"))
    preview = second.preview(START)
    assert "ONE" not in told(preview)
    assert "TWO" not in told(preview)
    certificates = {change.operation for change in preview.changes if change.kind == "certificate"}
    assert certificates == {"create", "delete"}, "the old one is in use: a new key comes under a new name"
    applied = second.build(START)
    assert applied.outcome is Outcome.DONE, applied.sentence
    assert "TWO" not in applied.sentence


def test_a_secret_in_an_event_is_never_told_in_whatever_form_it_comes() -> None:
    kind = "gcp:compute/sSLCertificate:SSLCertificate"
    envelope = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}

    def inputs(text: str) -> dict[str, Any]:
        return {"name": "own", "privateKey": {**envelope, "plaintext": text}}

    states = {side: {"inputs": inputs(side), "outputs": inputs(side)} for side in ("old", "new")}
    step = {
        "op": "replace",
        "urn": "urn:pulumi:main::spillway::t::own",
        "type": kind,
        "diffs": ["privateKey"],
    }
    events = Events()
    event = {
        "sequence": 1,
        "timestamp": 1,
        "resourcePreEvent": {"planning": True, "metadata": {**step, **states}},
    }
    events.on_event(EngineEvent.from_json(event))
    (change,) = events.changes
    assert change.details == ("privateKey changes (secret)",)


def test_a_refusal_that_quotes_a_private_key_is_told_without_it() -> None:
    said = shorten(
        f"Invalid value for field 'resource.privateKey': '{pem('RSA PRIVATE KEY', 'MIIE')}'. Not a key."
    )
    assert said == "Invalid value for field 'resource.privateKey': '[secret] '. Not a key."
    assert "MIIE" not in shorten("cut off: '-----BEGIN PRIVATE KEY-----\nMIIE")
