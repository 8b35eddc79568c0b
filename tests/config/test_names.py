"""Names of what stands: every part is called by them, and each stands for something that the configuration has."""

from __future__ import annotations

from typing import Any

import pytest
from tests.config.sample_config import Change

from spillway.config import names
from spillway.config.load import fleet

S = "topology/services/"


def test_what_is_named_keeps_its_name(change: Change) -> None:
    verdict = change(
        {
            "names": {
                "url_map": "web",
                "http": {"rule": "web-rule"},
                "services": {"pool": "web-backend"},
                "health_checks": {"ready": "hc"},
            }
        }
    )
    assert verdict.problems == ()
    assert verdict.config is not None
    naming = verdict.config.naming
    assert names.url_map(naming) == "web"
    assert (names.proxy(naming, "http"), names.rule(naming, "http")) == ("spillway-http", "web-rule")
    assert names.health_check(naming, "ready") == "hc"
    assert [s.resource for s in fleet(verdict.config).services] == ["spillway-europe", "web-backend"]


# changes, path of the problem, words of the message, words of the remedy
ERRORS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"names/services": {"pol": "x"}}, "names.services.pol", "no service called 'pol'", "Did you mean pool?"),
    ({"names/health_checks": {"redy": "x"}}, "names.health_checks.redy", "no health check", "ready"),
    ({"names/services": {"pool": "x", "europe": "x"}}, "names.services.europe", "x stands for pool already", "one of the two"),
    ({"names/https": {"proxy": "x"}}, "names.https", "no frontend https", "Remove it"),
    ({"names/redirect_map": "x"}, "names.redirect_map", "no frontend redirects", "redirect_to_https"),
    ({"names/ssl_policy": "x"}, "names.ssl_policy", "has no `ssl_policy`", "Remove it here"),
    ({"names/address": "x", "topology/address": {"name": "y"}}, "names.address", "says which address", "Keep one"),
    ({"names/lb_policies": {"pool": "x"}, f"{S}pool/lb_policy": "none"}, "names.lb_policies.pool", "lb_policy: none", "Remove it here"),
    ({f"{S}pool/lb_policy": "keep", f"{S}pool/algorithm": "SPRAY_TO_REGION"}, f"{S}pool/algorithm".replace("/", "."), "Spillway makes none", "lb_policy: made"),
    ({f"{S}pool/leave": ["log_config"], f"{S}pool/log_sample_rate": 0.1}, "topology.services.pool.leave[0]", "`log_sample_rate` sets it", "Keep one"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "message", "remedy"), ERRORS)
def test_what_does_not_belong_there(
    changes: dict[str, Any], path: str, message: str, remedy: str, change: Change
) -> None:
    problem = change(changes).at(path)
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(("lb_policy", "has_posture"), [("made", True), ("none", False), ("keep", False)])
def test_a_service_without_a_policy_of_ours_has_no_posture(
    lb_policy: str, has_posture: bool, change: Change
) -> None:
    config = change({f"{S}pool/lb_policy": lb_policy}).config
    assert config is not None
    assert fleet(config).service("pool").has_posture is has_posture
