"""A load balancer of backend buckets alone, on the sandbox: built, planned as empty, and watched without a question about traffic."""

from __future__ import annotations

from pathlib import Path

from tests.engine.bench_config import document
from tests.engine.standin_cli import EngineForm, engine_of

from spillway.config.fleet import fleet, starting_overlay
from spillway.config.model import Config
from spillway.core.loop import fresh, step
from spillway.core.values.snapshot import Snapshot
from spillway.ports import Outcome
from spillway.sandbox.server import SandboxServer


def test_it_is_built_and_nothing_is_left_to_do(
    kind: EngineForm, sandbox: SandboxServer, tmp_path: Path
) -> None:
    raw = document(default_bucket="site", buckets={"site": {"bucket": "acme-site"}})
    for key in ("default_service", "regions", "services", "health_checks"):
        del raw["topology"][key]
    config = Config.model_validate(raw)
    engine = engine_of(config, tmp_path, kind=kind, endpoint=sandbox.url)
    start = starting_overlay(config)
    built = engine.build(start)
    assert built.outcome is Outcome.DONE, built.sentence
    assert engine.preview(start).changes == ()
    assert dict(built.outputs)["load_balancer_ip"]
    paths = {key.path for key, _ in sandbox.store.all_of("urlMaps")}
    assert paths == {"projects/demo-project/global/urlMaps/lb"}
    ((_, url_map),) = sandbox.store.all_of("urlMaps")
    assert url_map["defaultService"].endswith("/backendBuckets/lb-site")
    assert list(sandbox.store.all_of("backendServices")) == []
    close = getattr(engine, "close")  # noqa: B009 not part of the port
    close()


def test_a_pass_over_no_service_says_so() -> None:
    raw = document(default_bucket="site", buckets={"site": {"bucket": "acme-site"}})
    for key in ("default_service", "regions", "services"):
        del raw["topology"][key]
    config = Config.model_validate(raw)
    snapshot = Snapshot(at=1e9, lag=270.0, services=(), problems=())
    result = step(fleet(config), config.policies, snapshot, starting_overlay(config), fresh())
    assert result.sentence == "nothing done, because there is no service to steer"
    assert result.plan.empty
