"""A real Prometheus scrapes the real daemon on the sandbox: every query of rules and dashboards is answered, and those that must have data have some."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.kit.files import PROMETHEUS, Named, alerts, filled, queries, rules
from tests.kit.server import Prometheus, need_prometheus

from spillway.cli.demo.environment import Environment

pytestmark = pytest.mark.kit

CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo.yaml"
SPEED = 120
"""World seconds in one real second."""
DEADLINE = 150.0
"""Seconds until every query that must have data has some."""


def may_be_empty(named: Named) -> bool:
    """Whether the demo's first minutes need not answer a query: alerts, moves, orders, drift, and calls that fail."""
    if named.where in alerts():
        return True
    empty = (
        "spillway_alarm", "spillway_decisions_total", "spillway_guard_refusals_total", "spillway_order", "spillway_drift",
        "spillway_certificate_expiry_timestamp_seconds", "spillway_engine_seconds_bucket",
    )  # fmt: skip
    return any(name in named.expr for name in empty) and "vector(0)" not in named.expr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Sandbox, daemon and Prometheus, with the kit's own configuration but for the target and the interval."""
    need_prometheus()
    folder = tmp_path_factory.mktemp("scrape")
    with Environment(CONFIG, speed=SPEED) as environment:
        environment.start_sandbox()
        environment.provision()
        environment.release()
        environment.start_daemon()
        document = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
        document["global"] = {"scrape_interval": "1s", "evaluation_interval": "2s"}
        document["rule_files"] = [str(PROMETHEUS / name) for name in document["rule_files"]]
        (job,) = document["scrape_configs"]
        job["static_configs"] = [{"targets": [environment.addresses.daemon]}]
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        with Prometheus(config, folder / "data") as made:
            yield made


@pytest.fixture(scope="module")
def answered(server: Prometheus) -> dict[str, int]:
    """Samples that each query has by now, asked until all that must have some have them."""
    end = time.monotonic() + DEADLINE
    found: dict[str, int] = {}
    while time.monotonic() < end:
        found = {named.expr: len(server.query(filled(named.expr))) for named in queries()}
        if all(found[named.expr] or may_be_empty(named) for named in queries()):
            break
        time.sleep(2)  # polling a child process, bounded by the deadline
    return found


@pytest.mark.parametrize("named", list(queries()), ids=lambda named: named.where)
def test_every_query_is_answered(answered: dict[str, int], named: Named) -> None:
    """A query with a mistake in it has raised before: its answer is an error."""
    assert answered[named.expr] or may_be_empty(named), filled(named.expr)


def test_prometheus_takes_every_rule(server: Prometheus, answered: dict[str, int]) -> None:
    told = [rule for group in server.rules() for rule in group["rules"]]
    assert {rule["health"] for rule in told} == {"ok"}
    assert len(told) == len(rules())


def test_the_target_is_up_and_no_sample_is_nan(server: Prometheus, answered: dict[str, int]) -> None:
    assert [sample["value"][1] for sample in server.query('up{job="spillway"}')] == ["1"]
    samples = server.query('{__name__=~"(service:)?spillway_.*"}')
    assert len(samples) > 300
    assert not [sample for sample in samples if sample["value"][1] in {"NaN", "+Inf", "-Inf"}]
