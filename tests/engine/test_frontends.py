"""Several addresses, ports and frontends on every engine: what stood keeps its name, and a second plan is empty."""

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
from spillway.ports import Outcome
from spillway.sandbox.server import SandboxServer

START = overlay()
HTTPS: dict[str, Any] = {"certificates": {"map": "certs"}}


class Edge:
    """A load balancer under one configuration after the other."""

    def __init__(self, folder: Path, kind: EngineForm, sandbox: SandboxServer) -> None:
        self._folder, self._sandbox = folder, sandbox
        self._kind: EngineForm = kind
        self._engine: GuardedDeployer | None = None

    def build(self, **topology: Any) -> list[str]:
        """Operations and names of what changed; a plan after it is empty."""
        self.close()
        config = Config.model_validate(document(**topology))
        engine = self._engine = engine_of(config, self._folder, kind=self._kind, endpoint=self._sandbox.url)
        applied = engine.build(START)
        assert applied.outcome in {Outcome.DONE, Outcome.UNCHANGED}, applied.sentence
        again = engine.preview(START)
        assert (again.changes, again.drift, again.kept) == ((), (), ())
        return sorted(f"{operation} {name}" for operation, name in applied.changes)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def all_of(self, collection: str) -> dict[str, dict[str, Any]]:
        url = f"{self._sandbox.url}/compute/v1/projects/{PROJECT}/global/{collection}"
        items: list[dict[str, Any]] = requests.get(url, timeout=5).json().get("items", [])
        return {item["name"]: item for item in items}


@pytest.fixture
def edge(kind: EngineForm, sandbox: SandboxServer, tmp_path: Path) -> Iterator[Edge]:
    made = Edge(tmp_path, kind, sandbox)
    yield made
    made.close()


def test_what_is_added_leaves_what_stands(edge: Edge) -> None:
    edge.build(frontends={"http": {}, "https": HTTPS})
    assert edge.build(
        address={"ip_version": ["IPV4", "IPV6"]},
        frontends={"http": [{}, {"port": 8080}], "https": [HTTPS, {**HTTPS, "port": 8443}]},
    ) == [
        "create lb-address-ipv6",
        "create lb-http-8080",
        "create lb-http-8080",
        "create lb-http-8080-ipv6",
        "create lb-http-ipv6",
        "create lb-https-8443",
        "create lb-https-8443",
        "create lb-https-8443-ipv6",
        "create lb-https-ipv6",
    ]
    rules = edge.all_of("forwardingRules")
    assert {rule["portRange"] for rule in rules.values()} == {"80-80", "443-443", "8080-8080", "8443-8443"}
    assert len({rule["IPAddress"] for rule in rules.values()}) == 2
    assert {proxy["urlMap"] for proxy in edge.all_of("targetHttpProxies").values()} == {
        f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/urlMaps/lb"
    }


def test_what_a_proxy_cannot_change_comes_with_another_proxy(edge: Edge) -> None:
    labels = {"labels": {"team": "inference"}}
    special = {"keep_alive": "30s", "server_tls_policy": "mtls", "tls_early_data": "STRICT"}
    edge.build(frontends={"http": {}, "https": HTTPS})
    changes = edge.build(
        address=labels, frontends={"http": {"keep_alive": "20m"}, "https": {**HTTPS, **special}, **labels}
    )
    assert [change.partition(" ")[0] for change in changes] == ["create"] * 2 + ["delete"] * 2 + [
        "update"
    ] * 3
    ((name, proxy),) = edge.all_of("targetHttpsProxies").items()
    assert name.startswith("lb-https-")
    assert (proxy["httpKeepAliveTimeoutSec"], proxy["tlsEarlyData"]) == (30, "STRICT")
    assert proxy["serverTlsPolicy"].endswith("/serverTlsPolicies/mtls")
    for collection, one in (("addresses", "lb-address"), ("forwardingRules", "lb-https")):
        assert edge.all_of(collection)[one]["labels"]["team"] == "inference"
    edge.build(frontends={"http": {}, "https": HTTPS})
    ((name, proxy),) = edge.all_of("targetHttpsProxies").items()
    assert (name, "serverTlsPolicy" in proxy) == ("lb-https", False)
    assert "team" not in edge.all_of("addresses")["lb-address"]["labels"]
