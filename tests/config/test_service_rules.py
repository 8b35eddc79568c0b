"""Rules of what services may say since each has groups, protection, caching and affinity of its own: as in `test_rules`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.config.sample_config import REMOVE, Change
from tests.config.test_rules import EU, IG, RATE, SERVERLESS, URL, R, S, _said

B = "topology/buckets"
POOL = "topology.services.pool"
REGIONAL = {"regional_instance_group": "eu"}
US = f"{S}pool/backends"
OWN = {"us-east4": {"groups": [{"zone": "us-east4-a", "neg": "own"}]}}
CACHE = {"cache_mode": "CACHE_ALL_STATIC"}

ERRORS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("no groups anywhere", {f"{R}us-east4/groups": REMOVE, f"{S}europe": REMOVE, "topology/routes": REMOVE}, POOL, "no groups in us-east4", "backends: {us-east4: {groups"),
    ("kinds mixed in a region", {f"{R}us-east4/groups": [{"zone": "us-east4-a", "neg": "us"}, {"serverless_neg": "web"}]}, POOL, "cannot combine", "backends: {us-east4: {groups: [{serverless_neg: web}]}}"),
    ("own group twice", {US: {"us-east4": {"groups": [{"zone": "us-east4-a", "neg": "own"}] * 2}}}, f"{POOL}.backends.us-east4.groups[1]", "listed twice", "Remove one"),
    ("own group of another region", {US: {"us-east4": {"groups": [{"zone": "europe-west4-a", "neg": "own"}]}}}, f"{POOL}.backends.us-east4.groups[0].zone", "is not in us-east4", "zone of us-east4"),
    ("own group made otherwise", {EU: {"zone": "europe-west4-a", "neg": "eu", "create": {"port": 80}}, US: {"europe-west4": {"groups": [{"zone": "europe-west4-a", "neg": "eu", "create": {"port": 81}}]}}}, f"{POOL}.backends.europe-west4.groups[0].create", "other settings", "in one of them"),
    ("own groups without a target", {f"{R}us-east4": {}, US: OWN, f"{S}europe/backends": {"us-east4": {**OWN["us-east4"], "balancing": RATE}}}, f"{POOL}.backends.us-east4", "have no `balancing`", "max_rate_per_endpoint"),
    ("own groups that the target does not fit", {US: {"us-east4": {"groups": [{"zone": "us-east4-a", "instance_group": "vm"}]}}, f"{S}pool/regions": ["us-east4"]}, f"{POOL}.backends.us-east4.groups", "max_rate_per_endpoint) does not fit", "Add a `balancing`"),
    ("scaler of an own serverless group", {US: {"us-east4": {"groups": [{"serverless_neg": "web"}], "scaler": 0.5}}, f"{S}pool/regions": ["us-east4"], f"{S}pool/health_check": REMOVE}, f"{POOL}.backends.us-east4.scaler", "no capacity scaler", "Remove `scaler`"),
    ("group of another project", {EU: {"url": f"{URL.replace('my-project', 'other-project')}/zones/europe-west4-a/networkEndpointGroups/eu"}}, "topology.regions.europe-west4.groups[0].url", "in the project other-project", "topology.references"),
    ("zone of a regional group", {**IG, EU: {**REGIONAL, "zone": "europe-west4-a"}, f"{S}europe": {"health_check": "ready", "home": "us-east4"}}, "topology.regions.europe-west4.groups[0].zone", "is regional", "Remove `zone`"),
    ("made regional group", {**IG, EU: {**REGIONAL, "create": {}}, f"{S}europe": {"health_check": "ready", "home": "us-east4"}}, "topology.regions.europe-west4.groups[0].create", "managed instance group", "remove `create`"),
    ("preferred regional group", {**IG, EU: REGIONAL, f"{R}europe-west4/preference": "PREFERRED", f"{S}europe": {"health_check": "ready", "home": "us-east4"}}, "topology.regions.europe-west4.preference", "no preference for a regional", "zonal instance groups"),
    ("inherited preference of a regional group", {**IG, f"{R}europe-west4/preference": "PREFERRED", US: {"europe-west4": {"groups": [REGIONAL]}}}, f"{POOL}.backends.europe-west4.groups", "europe-west4 is preferred", "preference: DEFAULT"),
    ("home in a regional group", {**IG, EU: REGIONAL}, "topology.services.europe.failover", "are regional", "zonal groups at home"),
    ("rate of a whole regional group", {**IG, EU: REGIONAL, f"{R}europe-west4/balancing": {"mode": "RATE", "max_rate": 5}, f"{S}europe": {"health_check": "ready", "home": "us-east4"}}, "topology.regions.europe-west4.balancing.max_rate", "of each VM alone", "max_rate_per_instance"),
    ("algorithm without a policy", {**IG, EU: REGIONAL, f"{S}pool/algorithm": "SPRAY_TO_REGION", f"{S}europe": {"health_check": "ready", "home": "us-east4"}}, f"{POOL}.algorithm", "takes none for these groups", "Remove `algorithm`"),
    ("fractional rate of a group", {f"{R}us-east4/balancing": {"mode": "RATE", "max_rate": 10.5}}, "topology.regions.us-east4.balancing.max_rate", "no whole number", "Write 10 or 11"),
    ("rate past int32", {f"{R}us-east4/balancing": {"mode": "RATE", "max_rate": 3_000_000_000}}, "topology.regions.us-east4.balancing.max_rate", "more than Google takes", "2147483647"),
    ("timeout past int32", {f"{S}pool/timeout": "25000d"}, f"{POOL}.timeout", "out of range", "2147483647s"),
    ("units out of order", {f"{S}pool/timeout": "30m2h"}, f"{POOL}.timeout", "out of order", "2h30m"),
    ("header affinity without a header", {f"{S}pool/affinity": "HEADER_FIELD"}, f"{POOL}.affinity", "none is named", "affinity_header"),
    ("header without its affinity", {f"{S}pool/affinity_header": "x-user"}, f"{POOL}.affinity_header", "looks at no header", "HEADER_FIELD"),
    ("header that is none", {f"{S}pool/affinity": "HEADER_FIELD", f"{S}pool/affinity_header": "x user"}, f"{POOL}.affinity_header", "not the name of a header", "x-conversation"),
    ("cookie affinity without a cookie", {f"{S}pool/affinity": "HTTP_COOKIE"}, f"{POOL}.affinity", "a cookie with a name", "affinity_cookie"),
    ("cookie without its affinity", {f"{S}pool/affinity_cookie": {"ttl": "1h"}}, f"{POOL}.affinity_cookie", "uses no cookie", "Remove it"),
    ("name of Google's cookie", {f"{S}pool/affinity": "GENERATED_COOKIE", f"{S}pool/affinity_cookie": {"name": "own"}}, f"{POOL}.affinity_cookie", "Google names the cookie", "HTTP_COOKIE"),
    ("ring without RING_HASH", {f"{S}pool/affinity": "CLIENT_IP", f"{S}pool/minimum_ring_size": 2048}, f"{POOL}.minimum_ring_size", "only RING_HASH has a ring", "RING_HASH"),
    ("affinity by hash without a hash", {f"{S}pool/affinity": "HEADER_FIELD", f"{S}pool/affinity_header": "x-a", f"{S}pool/locality": "LEAST_REQUEST"}, f"{POOL}.locality", "no effect", "MAGLEV or RING_HASH"),
    ("metrics without weights", {f"{S}pool/custom_metrics": [{"name": "kv"}]}, f"{POOL}.custom_metrics", "WEIGHTED_ROUND_ROBIN alone", "CUSTOM_METRICS"),
    ("locality of a passthrough balancer", {f"{S}pool/locality": "WEIGHTED_MAGLEV"}, f"{POOL}.locality", "none of", "Network Load Balancers"),
    ("circuit breakers", {f"{S}pool/circuit_breakers": {"max_requests": 5}}, f"{POOL}.circuit_breakers", "no key", "global external Application Load Balancer has none"),
    ("subsetting", {f"{S}pool/subsetting": {}}, f"{POOL}.subsetting", "no key", "internal load balancers and service meshes alone"),
    ("stream duration", {f"{S}pool/max_stream_duration": "1h"}, f"{POOL}.max_stream_duration", "no key", "`timeout`"),
    ("no header", {f"{S}pool/custom_request_headers": ["x-country"]}, f"{POOL}.custom_request_headers[0]", "is no header", "Name: value"),
    ("unknown variable", {f"{S}pool/custom_request_headers": ["x-c: {client_regoin}"]}, f"{POOL}.custom_request_headers[0]", "no variable {client_regoin}", "client_region"),
    ("variable of answers", {f"{S}pool/custom_request_headers": ["x-c: {cdn_cache_status}"]}, f"{POOL}.custom_request_headers[0]", "when the answer is sent", "custom_response_headers"),
    ("open brace", {f"{S}pool/custom_request_headers": ["x-c: {client_region"]}, f"{POOL}.custom_request_headers[0]", "brace is left open", "{client_region}"),
    ("header twice", {f"{S}pool/custom_request_headers": ["x-c: a", "X-C: b"]}, f"{POOL}.custom_request_headers[1]", "listed twice", "Keep one"),
    ("Google's own header", {f"{S}pool/custom_request_headers": ["X-Google-Abc: a"]}, f"{POOL}.custom_request_headers[0]", "to itself", "another name"),
    ("Host of an answer", {f"{S}pool/custom_response_headers": ["Host: a.example.com"]}, f"{POOL}.custom_response_headers[0]", "no Host", "custom_request_headers"),
    ("too many headers", {f"{S}pool/custom_request_headers": [f"x-{i}: a" for i in range(17)]}, f"{POOL}.custom_request_headers", "Google takes 16", "Keep 16"),
    ("two security policies", {f"{S}pool/security_policy": "waf", f"{S}pool/rate_limit": {"requests": 5}}, f"{POOL}.rate_limit", "one security policy", "Keep one"),
    ("policy of another project", {f"{S}pool/security_policy": "projects/other-project/global/securityPolicies/waf"}, f"{POOL}.security_policy", "in the project other-project", "Make the policy in my-project"),
    ("interval that is not counted", {f"{S}pool/rate_limit": {"requests": 5, "interval": "90s"}}, f"{POOL}.rate_limit.interval", "does not count over 90s", "60s"),
    ("key without its name", {f"{S}pool/rate_limit": {"requests": 5, "key": "HTTP_HEADER"}}, f"{POOL}.rate_limit", "needs a name", "key_name"),
    ("name without its key", {f"{S}pool/rate_limit": {"requests": 5, "key_name": "x"}}, f"{POOL}.rate_limit.key_name", "has no name", "HTTP_HEADER"),
    ("client without a secret", {f"{S}pool/iap": {"enabled": True, "oauth2_client_id": "c"}}, f"{POOL}.iap", "one of them is missing", "oauth2_client_secret_file"),
    ("secret that is not there", {f"{S}pool/iap": {"enabled": True, "oauth2_client_id": "c", "oauth2_client_secret_file": "none"}}, f"{POOL}.iap.oauth2_client_secret_file", "cannot be read", "daemon's user"),
    ("IAP beside a cache", {f"{S}pool/iap": {"enabled": True}, f"{S}pool/cdn": True}, f"{POOL}.cdn", "no Cloud CDN beside", "cdn: false"),
    ("TLS without TLS", {f"{S}pool/tls_settings": {"sni": "a.example.com"}}, f"{POOL}.tls_settings", "no TLS to the endpoints", "HTTPS"),
    ("SNI that is none", {f"{S}pool/protocol": "HTTPS", f"{S}pool/tls_settings": {"sni": "a b"}}, f"{POOL}.tls_settings.sni", "not a host name", "api.vendor.example"),
    ("six names", {f"{S}pool/protocol": "HTTPS", f"{S}pool/tls_settings": {"subject_alt_names": list("abcdef")}}, f"{POOL}.tls_settings.subject_alt_names", "at most 5", "at most 5"),
    ("fields of no log", {f"{S}pool/log_fields": "ALL"}, f"{POOL}.log_fields", "nothing is logged", "log_sample_rate"),
    ("ttl that the mode refuses", {f"{S}pool/cdn": {"cache_mode": "USE_ORIGIN_HEADERS", "default_ttl": "1h"}}, f"{POOL}.cdn.default_ttl", "takes no default_ttl", "CACHE_ALL_STATIC"),
    ("ttl past the longest", {f"{S}pool/cdn": {**CACHE, "default_ttl": "2d"}}, f"{POOL}.cdn.default_ttl", "longer than max_ttl 1d (Google's own)", "max_ttl of 2d"),
    ("policy of errors that are not kept", {f"{S}pool/cdn": {**CACHE, "negative_caching_policy": [{"code": 404, "ttl": "1m"}]}}, f"{POOL}.cdn.negative_caching_policy", "where errors are kept", "negative_caching: true"),
    ("both lists of parameters", {f"{S}pool/cdn": {"cache_key": {"query_string_whitelist": ["a"], "query_string_blacklist": ["b"]}}}, f"{POOL}.cdn.cache_key", "a whitelist", "Keep one"),
    ("key that is not there", {f"{S}pool/cdn": {"signed_url_keys": [{"name": "k", "key_file": "none"}]}}, f"{POOL}.cdn.signed_url_keys[0].key_file", "cannot be read", "daemon's user"),
    ("cdn that is neither", {f"{S}pool/cdn": "on"}, f"{POOL}.cdn", "section with keys", "indented"),
    ("bucket with a scheme", {B: {"assets": {"bucket": "gs://acme"}}}, "topology.buckets.assets.bucket", "not the name of a bucket", "without gs://"),
    ("bucket called like a service", {B: {"pool": {"bucket": "acme"}}}, "topology.buckets.pool", "a service called pool", "another name"),
    ("reference called like a service", {"topology/references": {"pool": "projects/p/global/backendServices/x"}}, "topology.references.pool", "a service called pool", "another name"),
    ("reference that is a name", {"topology/references": {"chat": "chat"}}, "topology.references.chat", "not the path of a global backend service", "projects/other-project"),
    ("label in capitals", {"topology/labels": {"team": "Inference"}}, "topology.labels.team", "not the value of a label", "small letters"),
]  # fmt: skip

WARNINGS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("weights without a metric", {f"{S}pool/locality": "WEIGHTED_ROUND_ROBIN"}, f"{POOL}.locality", "no metric is named", "custom_metrics"),
    ("IAP without HTTPS", {f"{S}pool/iap": {"enabled": True}}, f"{POOL}.iap", "no HTTPS frontend", "frontends.https"),
    ("timeout past a day", {f"{S}pool/timeout": "2d", f"{S}europe/timeout": "5m"}, f"{POOL}.timeout", "more than a day", "unless this is meant"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "path", "message", "remedy"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_error(change: Change, changes: dict[str, Any], path: str, message: str, remedy: str) -> None:
    verdict = change(changes)
    assert verdict.config is None, "it was accepted"
    found = [p for p in verdict.problems if p.path == path and message in p.message]
    assert len(found) == 1, _said(verdict, path)
    assert remedy in found[0].remedy, _said(verdict, path)
    assert len(verdict.problems) <= 3, _said(verdict, path)


@pytest.mark.parametrize(
    ("changes", "path", "message", "remedy"), [w[1:] for w in WARNINGS], ids=[w[0] for w in WARNINGS]
)
def test_warning(change: Change, changes: dict[str, Any], path: str, message: str, remedy: str) -> None:
    verdict = change(changes)
    assert verdict.problems == (), _said(verdict, path)
    found = [w for w in verdict.warnings if w.path == path and message in w.message]
    assert len(found) == 1, _said(verdict, path)
    assert remedy in found[0].remedy


LAWFUL: dict[str, dict[str, Any]] = {
    "two services share one of two groups": {
        f"{R}us-east4/groups": [{"zone": "us-east4-a", "neg": "us"}, {"zone": "us-east4-b", "neg": "us"}],
        f"{S}europe/backends": {"us-east4": {"groups": [{"zone": "us-east4-a", "neg": "us"}]}},
    },
    "a region without groups of its own": {
        f"{R}us-east4/groups": REMOVE,
        US: OWN,
        f"{S}europe/backends": {"us-east4": {"groups": [{"zone": "us-east4-b", "neg": "mine"}]}},
    },
    "a serverless group where the region says more": {
        f"{R}us-east4": {
            "groups": [{"zone": "us-east4-a", "neg": "us"}],
            "balancing": RATE,
            "scaler": 0.5,
            "preference": "PREFERRED",
        },
        f"{S}web": {
            "regions": ["us-east4"],
            "backends": {"us-east4": {"groups": [{"serverless_neg": "web"}]}},
        },
    },
    "a fraction for each endpoint": {
        f"{R}us-east4/balancing": {"mode": "RATE", "max_rate_per_endpoint": 0.25}
    },
    "a compound duration": {f"{S}pool/draining": "5m30s", f"{S}pool/timeout": "5m30s"},
    "a cookie that holds the endpoint, with any locality": {
        f"{S}pool/affinity": "STRONG_COOKIE_AFFINITY",
        f"{S}pool/affinity_cookie": {"name": "gpu"},
        f"{S}pool/locality": "LEAST_REQUEST",
    },
    "a network of a host project": {
        EU: {
            "zone": "europe-west4-a",
            "neg": "eu",
            "create": {"network": "projects/host-project/global/networks/shared"},
        }
    },
    "a service of another project": {
        "topology/references": {"chat": "projects/other-project/global/backendServices/chat"},
        "topology/routes/0/service": "chat",
    },
    "serverless groups by region": SERVERLESS,
}


@pytest.mark.parametrize("what", LAWFUL)
def test_what_google_takes_is_taken(change: Change, what: str) -> None:
    verdict = change(LAWFUL[what])
    assert verdict.problems == (), _said(verdict, what)


def test_a_secret_is_in_no_message(change: Change, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not-a-key-but-a-secret")
    verdict = change(
        {f"{S}pool/cdn": {"signed_url_keys": [{"name": "k", "key_file": str(tmp_path / "key")}]}}
    )
    found = verdict.at(f"{POOL}.cdn.signed_url_keys[0].key_file")
    assert "128 bits" in found.message
    assert "not-a-key" not in _said(verdict, "")
