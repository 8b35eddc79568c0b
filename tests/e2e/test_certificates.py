"""Certificates that change under a running daemon: whoever looks at the proxy at any moment finds something that serves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from spillway.cli.demo.environment import Environment

CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo.yaml"
PROJECT = "spillway-demo"
MAP = f"//certificatemanager.googleapis.com/projects/{PROJECT}/locations/global/certificateMaps/acme"
DEADLINE = 90.0
"""Wall seconds for one change; issuing takes ten minutes of the world, and two looks follow."""


class Edge:
    """The balancer's HTTPS frontend as clients meet it."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._session = requests.Session()
        self.looks = 0
        self.gaps: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        url = f"http://{self._environment.addresses.sandbox}/compute/v1/projects/{PROJECT}/global/{path}"
        answer: dict[str, Any] = self._session.get(url, timeout=5).json()
        return answer

    def shown(self) -> tuple[list[str], str | None]:
        """Names of the certificates on the proxy to which the rule leads, and its map."""
        rule = self.get("forwardingRules/demo-https")
        proxy = self.get(f"targetHttpsProxies/{rule['target'].rpartition('/')[2]}")
        names = [url.rpartition("/")[2] for url in proxy.get("sslCertificates", [])]
        return names, proxy.get("certificateMap")

    def active(self, name: str) -> bool:
        found = self.get(f"sslCertificates/{name}")
        return bool(found.get("managed", {}).get("status") == "ACTIVE")

    def serves(self) -> bool:
        """A map serves; without one some certificate does. What is gone meanwhile is looked at again."""
        names, certificate_map = self.shown()
        return certificate_map is not None or any(self.active(name) for name in names)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look all the time, and keep what was wrong."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.02):
                first = self.shown()
                if not self.serves() and self.shown() == first:
                    self.gaps.append(f"nothing serves: {first}")
                self.looks += 1

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(10)


def until(what: str, look: Callable[[], Any]) -> Any:
    """Poll until `look` gives something true; fails with `what` after the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)  # polling child processes, bounded by the deadline
    raise AssertionError(f"not within {DEADLINE:g} s: {what}")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    document = yaml.safe_load(CONFIG.read_text())
    document["sandbox"]["scenario"] = str(CONFIG.parent / document["sandbox"]["scenario"])
    document.setdefault("daemon", {})["observe"] = {"drift_every": "4m"}
    document["topology"]["frontends"] = {"https": {"certificates": {"managed": ["api.example.com"]}}}
    source = tmp_path / "spillway.yaml"
    source.write_text(yaml.safe_dump(document, sort_keys=False))
    with Environment(source, speed=600) as made:
        made.start_sandbox()
        yield made


def certificates(environment: Environment, **section: Any) -> None:
    """Write other certificates into the file that the daemon watches."""
    document = yaml.safe_load(environment.config.read_text())
    document["topology"]["frontends"]["https"]["certificates"] = section
    environment.config.write_text(yaml.safe_dump(document, sort_keys=False))


def make_map(environment: Environment, *hosts: str) -> None:
    """What a person does in Certificate Manager."""
    root = f"projects/{PROJECT}/locations/global"
    url = f"http://{environment.addresses.sandbox}/v1/{root}"
    assert requests.post(f"{url}/certificateMaps?certificateMapId=acme", json={}, timeout=30).ok
    for number, host in enumerate(hosts):
        name = f"acme-{number}"
        managed = {"managed": {"domains": [host]}}
        assert requests.post(f"{url}/certificates?certificateId={name}", json=managed, timeout=30).ok
        entry = {"hostname": host, "certificates": [f"{root}/certificates/{name}"]}
        query = f"certificateMapEntryId={name}"
        path = f"{url}/certificateMaps/acme/certificateMapEntries?{query}"
        assert requests.post(path, json=entry, timeout=30).ok


def test_no_moment_without_a_certificate_that_serves(environment: Environment) -> None:
    environment.provision()
    environment.release()
    edge = Edge(environment)
    ((first,), _) = edge.shown()
    until("the first certificate is issued", lambda: edge.active(first))
    daemon = environment.start_daemon()
    until("the first tick", lambda: (environment.status() or {}).get("tick"))
    with edge.watched():
        # 1. One certificate for two domains takes the place of the one for the first.
        certificates(environment, managed=[["api.example.com", "api.example.org"]])
        until("both on the proxy", lambda: len(edge.shown()[0]) == 2)
        ((second,), _) = until("the old one gone", lambda: len(edge.shown()[0]) == 1 and edge.shown())
        assert (second != first, edge.active(second)) == (True, True)
        # 2. A map takes over.
        make_map(environment, "api.example.com", "api.example.org")
        certificates(environment, map="acme")
        until("the map alone", lambda: edge.shown() == ([], MAP))
        # 3. And back, to a certificate for each domain.
        certificates(environment, managed=["api.example.com", "api.example.org"])
        names, _ = until("the certificates alone", lambda: edge.shown()[1] is None and edge.shown())
        assert len(names) == 2
        assert all(edge.active(name) for name in names)
    assert edge.gaps == []
    assert edge.looks > 50
    log = daemon.log.read_text()
    assert "stays beside" in log
    assert "the certificate map acme is attached beside" in log
    assert "ERROR" not in log
