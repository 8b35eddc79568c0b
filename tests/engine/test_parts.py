"""The small parts: choosing, rendering, verdicts, locks, pruning, the comparison."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import google.auth.exceptions
import pytest
import requests
from tests.engine.bench_config import config, document

from spillway.adapters.engine.choose import choose
from spillway.adapters.engine.describe import describe, describe_new, render_preview, shown_name, text
from spillway.adapters.engine.provider.cloud import Cloud, CloudError, CloudTimeout, Deadline, Request
from spillway.adapters.engine.provider.diff import UNKNOWN, Difference, DiffKind, compare, value_at
from spillway.adapters.engine.provider.kinds_backend import BACKEND_SERVICE
from spillway.adapters.engine.provider.kinds_frontend import FORWARDING_RULE, HTTPS_PROXY
from spillway.adapters.engine.pulumi_cli.installation import plugin_folder
from spillway.adapters.engine.pulumi_cli.locks import locks_in, locks_told
from spillway.adapters.engine.pulumi_cli.workspace import prune
from spillway.adapters.engine.verdicts import outcome_of, sentence
from spillway.config.model import Config
from spillway.core.values.drift import HeldPart, KeptSetting, SettingDrift
from spillway.core.values.policy import DriftAnswer
from spillway.errors import TemporaryError
from spillway.ports import Outcome, Preview, PreviewedChange


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    return tmp_path


def install(folder: Path, *, plugin: bool) -> None:
    for file in [
        folder / "bin" / "pulumi",
        *([plugin_folder(folder / "home") / "pulumi-resource-gcp"] if plugin else []),
    ]:
        file.parent.mkdir(parents=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)


def test_choice_follows_what_is_installed(nothing_installed: Path) -> None:
    assert choose(config()).kind == "embedded"
    install(nothing_installed, plugin=False)
    choice = choose(config())
    assert choice.kind == "embedded"
    assert "a Pulumi CLI but no gcp plugin" in choice.why
    plugin = plugin_folder(nothing_installed / "home") / "pulumi-resource-gcp"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("")
    plugin.chmod(0o755)
    assert choose(config()).kind == "cli+plugin"
    plugin.parent.with_name(plugin.parent.name + ".partial").touch()
    assert choose(config()).kind == "embedded"
    with pytest.raises(TemporaryError, match="not installed: no plugin in"):
        choose(config(), "cli+plugin")
    assert choose(config(), "embedded").kind == "embedded"


def test_google_accepts_only_the_real_engine(nothing_installed: Path) -> None:
    production = Config.model_validate({**document(), "cloud": "gcp"})
    with pytest.raises(TemporaryError, match="no `pulumi` on PATH") as refused:
        choose(production)
    assert "spillway setup" in refused.value.remedy
    install(nothing_installed, plugin=True)
    assert choose(production).kind == "cli+plugin"
    with pytest.raises(TemporaryError):
        choose(production, "embedded")


def test_an_engine_that_is_missing_is_refused(nothing_installed: Path) -> None:
    with pytest.raises(TemporaryError, match="not installed"):
        choose(config(), "cli+plugin")


def test_render_reads_like_a_plan() -> None:
    preview = Preview(
        changes=(
            PreviewedChange(operation="delete", kind="URL map", name="lb-old"),
            PreviewedChange(
                operation="update",
                kind="backend service",
                name="lb-pool",
                details=("scaler 1.0 -> 0.4 (europe-west4)",),
            ),
            PreviewedChange(operation="create", kind="address", name="lb-address"),
        ),
        same=5,
    )
    assert render_preview(preview, colour=False).splitlines() == [
        "+ address          lb-address",
        "~ backend service  lb-pool",
        "    scaler 1.0 -> 0.4 (europe-west4)",
        "- URL map          lb-old",
        "",
        "1 to create, 1 to update, 1 to delete, 5 unchanged.",
    ]
    beside = replace(
        preview,
        drift=(
            SettingDrift(
                kind="health check",
                name="lb-ready",
                field="checkIntervalSec",
                expected="5",
                found="9",
                since=0.0,
                answer=DriftAnswer.ALARM,
            ),
        ),
        kept=(KeptSetting(kind="backend service", name="lb-pool", field="enableCdn", value="on"),),
        held=(HeldPart(kind="backend service", name="lb-pool", service="pool", field="iap"),),
    )
    assert render_preview(beside, colour=False).splitlines()[-6:] == [
        "",
        "Changed by somebody else:",
        "    health check lb-ready: checkIntervalSec is 9 instead of 5; `spillway up` writes it back",
        "Kept, not managed:",
        "    backend service lb-pool  enableCdn: on",
        (
            "! backend service lb-pool is not written: somebody has set iap, which the provider cannot carry and every write"
            " would remove. Take iap away, or name it in topology.services.pool.may_lose."
        ),
    ]
    assert "\x1b[33m~ backend service" in render_preview(preview, colour=True)
    assert render_preview(Preview(changes=(), same=7), colour=True).startswith("Nothing to change")


def test_a_new_resource_is_described_and_never_told_in_the_sentence() -> None:
    group = "https://www.googleapis.com/compute/v1/projects/p/zones/us-east4-a/networkEndpointGroups/n"
    backends = [
        {"group": group, "balancingMode": "RATE", "maxRatePerEndpoint": 10.0, "capacityScaler": 1.0},
        {"group": UNKNOWN, "balancingMode": "UTILIZATION", "maxUtilization": 0.7, "capacityScaler": 0.0, "preference": "PREFERRED"},
        {"group": group.replace("zones/us-east4-a", "regions/us-east4")},
    ]  # fmt: skip
    details = describe_new({"name": "lb-pool", "backends": backends, "timeoutSec": 30})
    assert details == (
        "us-east4: RATE, 10 requests/s per endpoint, scaler 1.0",
        "a new group: UTILIZATION, 0.7 utilization, scaler 0, filled first",
        "us-east4: no scaler",
    )
    rule = {"paths": ["/europe", "/europe/*"], "service": "projects/p/global/backendServices/lb-europe"}
    assert describe_new({"pathMatchers": [{"pathRules": [rule]}]}) == (
        "paths /europe, /europe/* -> lb-europe",
    )
    assert describe_new({"portRange": "80"}) == ("port 80",)
    assert describe_new({"grpcHealthCheck": {}, "checkIntervalSec": 5}) == ("gRPC",)
    assert describe_new({"managed": {"domains": ["api.example.com"]}}) == ("api.example.com",)
    made = PreviewedChange(operation="create", kind="backend service", name="lb-pool", details=details)
    assert sentence((made,)) == "created backend service lb-pool"


@pytest.mark.parametrize(
    ("error", "done", "outcome"),
    [
        (CloudTimeout("late"), False, Outcome.UNKNOWN),
        (CloudError(412, "Invalid fingerprint."), False, Outcome.CONFLICT),
        (CloudError(400, "no"), False, Outcome.REFUSED),
        (CloudError(403, "no"), True, Outcome.FAILED),
        (CloudError(503, "no"), False, Outcome.FAILED),
        (RuntimeError("x"), False, Outcome.FAILED),
    ],
)
def test_verdicts(error: Exception, done: bool, outcome: Outcome) -> None:
    assert outcome_of(error, anything_done=done)[0] is outcome


def lock_file(state: Path, pid: int, host: str, when: datetime) -> None:
    folder = state / ".pulumi" / "locks" / "organization" / "spillway" / "main"
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"pid": pid, "username": "u", "hostname": host, "timestamp": when.isoformat()}
    (folder / f"{pid}.json").write_text(json.dumps(entry))


def test_locks_of_dead_processes_and_of_the_living(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    now, here = datetime.now(tz=UTC), socket.gethostname()
    lock_file(tmp_path, gone.pid, here, now)
    (lock,) = locks_in(tmp_path, "main")
    assert lock.dead
    lock_file(tmp_path, os.getpid(), here, now)
    assert [lock.dead for lock in locks_in(tmp_path, "main")].count(False) == 1
    lock_file(tmp_path, os.getpid(), here, datetime(2020, 1, 1, tzinfo=UTC))
    assert all(lock.dead for lock in locks_in(tmp_path, "main")), "the number was taken by a younger process"
    lock_file(tmp_path, 2**22 + 1, "elsewhere", now)
    assert not all(lock.dead for lock in locks_in(tmp_path, "main"))
    (told,) = locks_told(
        f"error: the stack is currently locked by 1 lock(s).\n  file:///x: created by u@{here} (pid {gone.pid}) at 2026-11-23T13:00:00Z"
    )
    assert told.dead


def test_an_unreadable_lock_counts_as_alive(tmp_path: Path) -> None:
    lock_file(tmp_path, 1, "x", datetime.now(tz=UTC))
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    (lock,) = locks_in(tmp_path, "main")
    assert not lock.dead


def test_pruning_keeps_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "history" / "spillway" / "main"
    folder.mkdir(parents=True)
    for number in range(10):
        for end in ("history", "checkpoint"):
            (folder / f"main-{number:03}.{end}.json").touch()
    assert prune(tmp_path, "main", keep=3) == 14
    assert sorted(file.name[5:8] for file in folder.iterdir()) == ["007", "007", "008", "008", "009", "009"]


def test_comparison_sees_what_counts_and_nothing_else() -> None:
    group = "https://www.googleapis.com/compute/v1/projects/p/zones/z/networkEndpointGroups/"
    news = {"name": "s", "timeoutSec": 30, "backends": [{"group": group + "a", "capacityScaler": 0.4}]}
    state = {
        "name": "s",
        "timeoutSec": 30,
        "sessionAffinity": "NONE",
        "backends": [
            {
                "group": "projects/p/zones/z/networkEndpointGroups/a",
                "capacityScaler": 0.4,
                "preference": "DEFAULT",
            }
        ],
    }
    assert compare(BACKEND_SERVICE, news, state, news).differences == ()
    state["backends"][0]["capacityScaler"] = 1  # type: ignore[index]
    verdict = compare(BACKEND_SERVICE, news, state, news)
    assert [(d.path, d.change) for d in verdict.differences] == [
        ("backends[0].capacityScaler", DiffKind.UPDATE)
    ]
    assert verdict.replaces == ()
    assert compare(BACKEND_SERVICE, news, state, {**news, "name": "t"}).replaces == ("name",)
    rule = {"portRange": "80", "target": "projects/p/global/targetHttpProxies/x"}
    live = FORWARDING_RULE.live(
        {"portRange": "80-80", "target": "https://h/compute/v1/projects/p/global/targetHttpProxies/x"}
    )
    assert compare(FORWARDING_RULE, rule, live, rule).differences == ()


def test_what_only_repeats_a_change_for_the_provider_is_not_told_twice() -> None:
    group = "projects/p/zones/us-east4-a/networkEndpointGroups/g"
    olds = {"backends": [{"group": group, "preference": "DEFAULT"}]}
    news = {"backends": [{"group": group, "preference": "PREFERRED", "description": "PREFERRED"}]}
    moved = Difference("backends[0].preference", DiffKind.UPDATE)
    repeated = Difference("backends[0].description", DiffKind.UPDATE)
    assert describe((moved, repeated), olds, news) == ("preference DEFAULT -> PREFERRED (us-east4)",)
    assert describe((repeated,), olds, news) == ("description nothing -> PREFERRED (us-east4)",)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1, "1"),
        (1.0, "1"),
        (True, "on"),
        (0.5, "0.5"),
        (31622400.0, "31622400"),
        ("pi\u00e8ce", "pi\u00e8ce"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("abc\u202edef", "abc\\u202edef"),
    ],
)
def test_a_value_is_told_as_people_write_it_and_steers_no_terminal(value: object, told: str) -> None:
    assert text(value) == told


def test_a_label_is_told_with_both_values_though_its_key_has_a_hyphen() -> None:
    olds = {"labels": {"managed-by": "somebody", "team": "a"}}
    news = {"labels": {"managed-by": "spillway", "team": "a"}}
    found = compare(FORWARDING_RULE, olds, olds, news).differences
    assert describe(found, olds, news) == ("labels.managed-by somebody -> spillway",)
    assert value_at(found[0].path, news) == "spillway"


@pytest.mark.parametrize(
    ("old", "new", "phrase"),
    [
        (["a"], [UNKNOWN, "a"], "certificates: adds a new one"),
        (["a", "b"], ["c", "b"], "certificates: adds c; removes a"),
        (["a", "b"], ["b"], "certificates: removes a"),
        (["a", "b"], ["b", "a"], "certificates: another order"),
    ],
)
def test_certificates_of_a_proxy_are_told_as_a_set(old: list[str], new: list[str], phrase: str) -> None:
    olds, news = ({"sslCertificates": [f"projects/p/global/sslCertificates/{n}" if n != UNKNOWN else n for n in part]}
                  for part in (old, new))  # fmt: skip
    found = compare(HTTPS_PROXY, olds, olds, news).differences
    assert describe(found, olds, news) == (phrase,)


class _Answering:
    """A session whose every request ends as `end` says."""

    def __init__(self, end: Callable[[], Any]) -> None:
        self.hooks: Any = {}
        self._end = end

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        return self._end()

    def close(self) -> None:
        """Nothing to close."""


class _Dripping:
    """An answer of which one byte comes at a time and the last one never."""

    status_code = 200
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.raw = self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def read1(self, size: int, *, decode_content: bool) -> bytes:
        time.sleep(0.02)
        return b" "


def _raising(error: Exception) -> Callable[[], Any]:
    def end() -> Any:
        raise error

    return end


@pytest.mark.parametrize(
    ("end", "said", "refused", "doubtful"),
    [
        (_raising(google.auth.exceptions.TransportError("no token")), "credentials", True, False),
        (_raising(google.auth.exceptions.RefreshError("expired")), "credentials", True, False),
        (_raising(requests.ConnectTimeout("slow")), "cannot be reached", True, False),
        (_raising(requests.ReadTimeout("slow")), "no answer within the deadline", False, True),
        (_raising(requests.ConnectionError("reset")), "reset", False, True),
        (_Dripping, "no answer within the deadline", False, True),
    ],
)
def test_a_change_without_an_answer_is_in_doubt_only_if_it_was_sent(
    end: Callable[[], Any], said: str, refused: bool, doubtful: bool
) -> None:
    cloud = Cloud("http://c", "http://s", _Answering(end))
    with pytest.raises(CloudError, match=said) as found:
        cloud.mutate(Request(method="PUT", path="projects/p/global/backendServices/b"), Deadline(0.2))
    assert (found.value.refused, found.value.doubtful) == (refused, doubtful)


def test_a_group_has_the_name_of_the_configuration() -> None:
    """The engine's own name of a group ends with its zone a second time: `llm-us-east4-us-east4-a`."""
    inputs = {"name": "llm-us-east4", "zone": "us-east4-a"}
    assert shown_name("llm-us-east4-us-east4-a", inputs) == "llm-us-east4 in us-east4-a"
    assert shown_name("lb-pool", {"name": "lb-pool"}) == "lb-pool"
