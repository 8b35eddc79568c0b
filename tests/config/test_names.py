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
                "rules": {"http": "web-rule"},
                "services": {"pool": "web-backend"},
                "health_checks": {"ready": "hc"},
            }
        }
    )
    assert verdict.problems == ()
    assert verdict.config is not None
    naming = verdict.config.naming
    assert names.url_map(naming) == "web"
    plain = names.frontend(naming, "http")
    assert (names.proxy(naming, plain), names.rule(naming, plain, "")) == ("spillway-http", "web-rule")
    assert names.rule(naming, plain, "ipv6") == "spillway-http-ipv6", "on another address it is another rule"
    assert names.health_check(naming, "ready") == "hc"
    assert [s.resource for s in fleet(verdict.config).services] == ["spillway-europe", "web-backend"]


# changes, path of the problem, words of the message, words of the remedy
ERRORS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"names/services": {"pol": "x"}}, "names.services.pol", "no service called 'pol'", "Did you mean pool?"),
    ({"names/health_checks": {"redy": "x"}}, "names.health_checks.redy", "no health check", "ready"),
    ({"names/services": {"pool": "x", "europe": "x"}}, "names.services.europe", "x stands for pool already", "one of the two"),
    ({"names/proxies": {"https": "x"}}, "names.proxies.https", "no frontend called https", "Did you mean http?"),
    ({"names/rules": {"http-ipv6": "x"}}, "names.rules.http-ipv6", "no frontend on an address", "http"),
    ({"names/redirect_map": "x"}, "names.redirect_map", "no frontend redirects", "redirect_to_https"),
    ({"names/ssl_policies": {"https": "x"}}, "names.ssl_policies.https", "with an `ssl_policy`", "Remove it here"),
    ({"names/addresses": {"IPV4": "x"}, "topology/address": {"name": "y"}}, "names.addresses", "another name", "Keep one"),
    ({"names/addresses": {"IPV6": "x"}}, "names.addresses.IPV6", "no IPV6 address", "ip_version"),
    ({"names/buckets": {"assets": "x"}}, "names.buckets.assets", "no bucket called", "Remove it here"),
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


@pytest.mark.parametrize(("lb_policy", "has_policy"), [("made", True), ("none", False), ("keep", False)])
def test_a_service_without_a_policy_of_ours_has_no_posture(
    lb_policy: str, has_policy: bool, change: Change
) -> None:
    config = change({f"{S}pool/lb_policy": lb_policy}).config
    assert config is not None
    assert fleet(config).service("pool").has_policy is has_policy
