"""Routes: every mistake at its place with its remedy, what deserves a second look, and what is sound."""

from __future__ import annotations

from typing import Any

import pytest
from tests.config.sample_config import Change

T = "topology/routes"
R = "topology.routes[0]"
P = f"{R}.paths[0]"
PAGES = {"bucket": "assets", "rules": [{"codes": [404], "path": "/e.html"}]}
BUCKETS = {"topology/buckets": {"assets": {"bucket": "acme-assets"}}}
MIXED = {
    "topology/regions/europe-west4/groups/0": {"zone": "europe-west4-a", "instance_group": "vms"},
    "topology/regions/europe-west4/balancing": {"mode": "RATE", "max_rate_per_instance": 10},
    "topology/services/europe": {"health_check": "ready", "home": "europe-west4"},
    "topology/services/pool/regions": ["us-east4"],
}
"""pool has NEGs, europe an instance group."""
SERVERLESS = {
    "topology/regions/europe-west4": {"groups": [{"serverless_neg": "run"}]},
    "topology/services/europe": {"home": "europe-west4"},
    "topology/services/pool/regions": ["us-east4"],
}


def on_route(**given: Any) -> dict[str, Any]:
    return {T: [{"service": "europe", **given}]}


def on_path(**given: Any) -> dict[str, Any]:
    return {T: [{"paths": [{"paths": ["/a/*"], "service": "europe", **given}]}]}


def split(*weights: int) -> dict[str, Any]:
    return {
        T: [
            {
                "split": [
                    {"service": name, "weight": w}
                    for name, w in zip(("pool", "europe"), weights, strict=True)
                ]
            }
        ]
    }


# name of the rule, changes, path of the problem, words of the message, words of the remedy
ERRORS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("two targets", on_route(redirect={"host": "a.example"}), f"{R}.redirect", "one target", "Keep one"),
    ("unknown bucket", {T: [{"bucket": "asets"}], **BUCKETS}, f"{R}.bucket", "no bucket called 'asets'", "Did you mean assets?"),
    ("bucket as a service", {T: [{"service": "assets"}], **BUCKETS}, f"{R}.service", "assets is a bucket", "Write `bucket: assets`"),
    ("bucket with a share", {T: [{"split": [{"service": "assets", "weight": 1}]}], **BUCKETS}, f"{R}.split[0].service", "assets is a bucket", "on an entry of `paths`"),
    ("bucket as the default", {"topology/default_service": "assets", **BUCKETS}, "topology.default_service", "assets is a bucket", "Write `default_bucket: assets`"),
    ("regular expression as a path", {T: [{"paths": [{"paths": ["/v1/.*/x"], "service": "pool"}]}]}, f"{R}.paths[0].paths[0]", "'/v1/.*/x' is not a path", "no regular expressions"),
    ("split to an unknown service", {T: [{"split": [{"service": "poool", "weight": 1}]}]}, f"{R}.split[0].service", "no service called 'poool'", "Did you mean pool?"),
    ("a share twice", {T: [{"split": [{"service": "pool", "weight": 1}, {"service": "pool", "weight": 2}]}]}, f"{R}.split[1].service", "has a share already", "one entry"),
    ("no weight at all", split(0, 0), f"{R}.split", "all weights are 0", "above 0"),
    ("too much weight", split(1001, 1), f"{R}.split[0].weight", "at most 1000", "1000"),
    ("redirect to nowhere", {T: [{"redirect": {"code": 302}}]}, f"{R}.redirect", "neither host nor path", "Give `host`"),
    ("redirect to itself", {T: [{"hosts": ["a.example"], "redirect": {"host": "a.example"}}]}, f"{R}.redirect.host", "without end", "another host"),
    ("path and prefix", {T: [{"redirect": {"path": "/a", "prefix": "/b"}}]}, f"{R}.redirect.prefix", "`path` and `prefix`", "Keep one"),
    ("status of no redirect", {T: [{"redirect": {"host": "a.example", "code": 200}}]}, f"{R}.redirect.code", "200 is none of 301, 302, 303, 307, 308", "Write one of them"),
    ("redirect to https on HTTPS", {T: [{"redirect": {"https": True}}], "topology/frontends/https": {"certificates": {"map": "m"}}}, f"{R}.redirect.https", "HTTPS frontend has the same routes", "redirect_to_https"),
    ("redirect with a rewrite", {T: [{"redirect": {"host": "a.example"}, "rewrite": "/"}]}, f"{R}.rewrite", "forwards none", "Take it out"),
    ("rewrite of nothing", on_path(rewrite={}), f"{P}.rewrite", "rewrites nothing", "`prefix`"),
    ("rewrite without a slash", on_path(rewrite="v1"), f"{P}.rewrite", "not a path", "/v2/"),
    ("prefix and template", on_path(paths=["/{a=*}"], rewrite={"prefix": "/", "template": "/{a}"}), f"{P}.rewrite.template", "both make the path", "Keep one"),
    ("template of a route", on_route(rewrite={"template": "/{a}"}), f"{R}.rewrite.template", "no path with variables", "`paths`"),
    ("template without variables", on_path(rewrite={"template": "/{a}"}), f"{P}.rewrite.template", "a path here has none", "`prefix`"),
    ("template of another variable", on_path(paths=["/{a=*}"], rewrite={"template": "/{b}"}), f"{P}.rewrite.template", "{b} is not a variable", "one of a"),
    ("broken template", on_path(paths=["/a/{b=*"]), f"{P}.paths[0]", "not a template", "{model=*}"),
    ("variable twice", on_path(paths=["/{a=*}/{a=*}"]), f"{P}.paths[0]", "stands twice", "of its own"),
    ("six variables", on_path(paths=["/{a}/{b}/{c}/{d}/{e}/{f}"]), f"{P}.paths[0]", "Google takes 5", "{rest=**}"),
    ("two stars in the middle", on_path(paths=["/{a=**}/b"]), f"{P}.paths[0]", "not the last part", "last"),
    ("template in any case", on_path(paths=["/{a=*}"], ignore_case=True), f"{P}.paths[0]", "minds the case", "`ignore_case`"),
    ("star in the middle", on_path(paths=["/a/*/b"]), f"{P}.paths[0]", "not a path", "{any=*}"),
    ("long path", on_path(paths=["/" + "a" * 1024]), f"{P}.paths[0]", "1025 characters", "1024"),
    ("no condition", on_path(headers={"x": {}}), f"{P}.headers.x", "has 0 conditions", "exact, prefix, suffix"),
    ("two conditions", on_path(query={"q": {"exact": "a", "present": True}}), f"{P}.query.q", "2 conditions", "exact, present"),
    ("regular expression", on_path(headers={"x": {"regex": "a.*"}}), f"{P}.headers.x.regex", "no key `regex`", "regional and internal"),
    ("header by number", on_path(headers={"x": 5}), f"{P}.headers.x", "5 is not a text", 'quotes: "5"'),
    ("double negation", on_path(headers={"x": {"present": True, "invert": True}}), f"{P}.headers.x.invert", "says already", "present: false"),
    ("empty range", on_path(headers={"x": {"range": {"start": 5, "end": 5}}}), f"{P}.headers.x.range", "no number", "`end`"),
    ("header in two cases", on_path(headers={"x-a": "1", "X-A": "2"}), f"{P}.headers.X-A", "stands here twice", "Keep one"),
    ("odd name of a header", on_path(headers={"x a": "1"}), f"{P}.headers.x a", "name of a header", "x-tier"),
    ("missing parameter", on_path(query={"q": {"present": False}}), f"{P}.query.q.present", "false is none of true", "no condition for one that is missing"),
    ("unknown method", on_path(methods=["FETCH"]), f"{P}.methods[0]", "none of GET", "PATCH"),
    ("same path and conditions", {T: [{"paths": [{"paths": ["/a"], "headers": {"x": "1"}, "service": s} for s in ("pool", "europe")]}]}, f"{R}.paths[1].paths[0]", "listed twice in this route with the same conditions", "Keep it"),
    ("a priority twice", {T: [{"paths": [{"paths": [f"/{s}"], "priority": 5, "service": s} for s in ("pool", "europe")]}]}, f"{R}.paths[1].priority", "has priority 5", "another number"),
    ("priority 0", on_path(priority=0), f"{P}.priority", "at least 1", "1"),
    ("nothing becomes of it", {T: [{"paths": [{"paths": ["/a"]}]}]}, P, "not what becomes of it", "`service`"),
    ("settings on a redirect", {T: [{"redirect": {"host": "a.example"}, "paths": [{"paths": ["/a"], "timeout": "5s"}]}]}, P, "its route has a redirect", "Name a `service`"),
    ("mirror to itself", on_route(mirror={"service": "europe"}), f"{R}.mirror.service", "gets these requests already", "another service"),
    ("mirror of the default to itself", {T: [{"mirror": {"service": "pool"}}]}, f"{R}.mirror.service", "gets these requests already", "another service"),
    ("mirror to an unknown service", on_route(mirror={"service": "shadow"}), f"{R}.mirror.service", "no service called", "There are: europe, pool"),
    ("mirror of a bucket", {T: [{"bucket": "assets", "mirror": {"service": "europe"}}], **BUCKETS}, f"{R}.mirror", "a bucket answers", "paths of a service"),
    ("mirror to another kind", {**MIXED, T: [{"service": "pool", "mirror": {"service": "europe"}}]}, f"{R}.mirror.service", "instance groups, and pool has zonal NEGs", "of that kind"),
    ("mirror to Cloud Run", {**SERVERLESS, T: [{"service": "pool", "mirror": {"service": "europe"}}]}, f"{R}.mirror.service", "Google mirrors to none", "NEGs or instance groups"),
    ("mirror of nothing", on_route(mirror={"service": "pool", "percent": 0}), f"{R}.mirror.percent", "more than 0", "more than 0"),
    ("stream duration", on_route(max_stream_duration="5s"), f"{R}.max_stream_duration", "no key", "service meshes"),
    ("origins by expression", on_route(cors={"allow_origin_regexes": ["x"]}), f"{R}.cors.allow_origin_regexes", "no key", "list the origins"),
    ("unknown condition of a retry", on_route(retries={"on": ["500"]}), f"{R}.retries.on[0]", "none of 5xx", "gateway-error"),
    ("reserved header", on_route(request_headers={"set": {"X-Google-A": "b"}}), f"{R}.request_headers", "Google lets nobody change", "name of your own"),
    ("host by header", on_route(request_headers={"set": {"Host": "b"}}), f"{R}.request_headers", "Google lets nobody change", "`rewrite: {host: ...}`"),
    ("header changed twice", on_route(response_headers={"set": {"x-a": "b"}, "remove": ["X-A"]}), f"{R}.response_headers", "changed twice", "one of `set`"),
    ("header that would replace", on_route(request_headers={"add": {"x-a": "b"}}), f"{R}.request_headers.add.x-a", "no variable", "under `set`"),
    ("extra that has a key", on_route(extra={"retry_policy": {}}), f"{R}.extra.retry_policy", "it is `retries`", "Remove it"),
    ("unknown extra", on_path(extra={"cache_polcy": {}}), f"{P}.extra.cache_polcy", "no argument 'cache_polcy'", "cache_policy"),
    ("extra of the map", {"topology/url_map": {"extra": {"path_matchers": []}}}, "topology.url_map.extra.path_matchers", "they are `routes`", "Remove it"),
    ("extra on a redirect", {T: [{"redirect": {"host": "a.example"}, "extra": {"cache_policy": {}}}]}, f"{R}.extra", "forwards none", "Take it out"),
    ("headers without a change", on_route(response_headers={}), f"{R}.response_headers", "changes no header", "Give `set`"),
    ("pages without a bucket", on_route(errors={"rules": PAGES["rules"]}), f"{R}.errors", "no bucket with the pages", "`topology.buckets`"),
    ("pages in an unknown bucket", on_route(errors=PAGES), f"{R}.errors.bucket", "no bucket called 'assets'", "topology.buckets"),
    ("a status twice", {**on_route(errors={"bucket": "assets", "rules": [{"codes": [404, "5xx"], "path": "/a"}, {"codes": [404], "path": "/b"}]}), **BUCKETS}, f"{R}.errors.rules[1].codes[0]", "has a page already", "one of the pages"),
    ("page without a name", {**on_route(errors={"bucket": "assets", "rules": [{"codes": [404], "path": "/e/"}]}), **BUCKETS}, f"{R}.errors.rules[0].path", "names no file", "/errors/busy.html"),
    ("status of no error", {**on_route(errors={"bucket": "assets", "rules": [{"codes": [200], "path": "/e"}]}), **BUCKETS}, f"{R}.errors.rules[0].codes[0]", "no status of an error", "400 to 599"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "message", "remedy"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])  # fmt: skip
def test_mistakes(change: Change, changes: dict[str, Any], path: str, message: str, remedy: str) -> None:
    verdict = change(changes)
    found = verdict.at(path)
    assert message in found.message
    assert remedy in found.remedy
    assert verdict.config is None


WARNINGS: list[tuple[str, dict[str, Any], str, str]] = [
    ("affinity in a split", {**split(9, 1), "topology/services/pool/affinity": "CLIENT_IP"}, "topology.services.pool.affinity", "weights go first"),
    ("headers on a redirect", {T: [{"redirect": {"host": "a.example"}, "response_headers": {"set": {"x": "y"}}}]}, f"{R}.response_headers", "no effect on a redirect"),
    ("attempt longer than all", on_route(timeout="5s", retries={"per_try_timeout": "6s"}), f"{R}.retries.per_try_timeout", "longer than all"),
    ("conditions without retries", on_route(retries={"attempts": 0, "on": ["5xx"]}), f"{R}.retries.on", "retries are off"),
    ("longer than the draining on a route", on_route(timeout="1d"), f"{R}.timeout", "cut after"),
    ("longer than the draining on a path", on_path(timeout="1d"), f"{P}.timeout", "cut after"),
    ("longer than the draining of the route's service", {T: [{"service": "europe", "paths": [{"paths": ["/a/*"], "timeout": "1d"}]}]}, f"{P}.timeout", "when its endpoint of europe leaves"),
    ("no origin", on_route(cors={"allow_methods": ["GET"]}), f"{R}.cors", "no origin"),
    ("credentials for everybody", on_route(cors={"allow_origins": ["*"], "allow_credentials": True}), f"{R}.cors.allow_credentials", "browsers refuse"),
    ("host as a header", on_path(headers={"host": "a.example"}), f"{P}.headers.host", ":authority"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "message"), [row[1:] for row in WARNINGS], ids=[row[0] for row in WARNINGS])  # fmt: skip
def test_warnings(change: Change, changes: dict[str, Any], path: str, message: str) -> None:
    verdict = change(changes)
    assert verdict.problems == ()
    assert message in verdict.warning_at(path).message


def test_a_route_with_a_long_timeout_says_how_long_to_drain(change: Change) -> None:
    pool = "topology/services/europe/draining"
    assert (
        "`draining: 30m` at the service europe"
        in change(on_route(timeout="30m")).warning_at(f"{R}.timeout").remedy
    )
    verdict = change({**on_route(timeout="2h"), pool: "1h"})
    assert "write a timeout of 1h or less" in verdict.warning_at(f"{R}.timeout").remedy
    waits = {"policies/default/membership": {"drain_wait": "30m"}}
    assert change({**on_route(timeout="30m"), pool: "30m", **waits}).warnings == ()


def test_a_service_that_only_gets_shares_or_copies_is_reached(change: Change) -> None:
    for given in (split(9, 1), {T: [{"mirror": {"service": "europe"}}]}):
        verdict = change(given)
        assert verdict.problems == verdict.warnings == ()


def test_conditions_without_paths_are_for_every_path(change: Change) -> None:
    verdict = change({T: [{"paths": [{"headers": {"x-tier": "premium"}, "service": "europe"}]}]})
    assert verdict.problems == ()
    assert verdict.config is not None
    assert verdict.config.topology.routes[0].paths[0].paths == ("/*",)
    assert (
        "catches every path" in change({T: [{"paths": [{"service": "europe"}]}]}).at(f"{P}.paths[0]").message
    )


def test_a_broken_condition_does_not_make_its_entry_one_for_every_path(change: Change) -> None:
    verdict = change({T: [{"paths": [{"methods": "POST", "service": "europe"}]}]})
    assert [problem.path for problem in verdict.problems] == [f"{P}.methods"]


def test_a_mirror_may_be_a_name_alone(change: Change) -> None:
    verdict = change(on_route(mirror="pool"))
    assert verdict.config is not None
    mirror = verdict.config.topology.routes[0].mirror
    assert mirror is not None
    assert (mirror.service, mirror.percent) == ("pool", 100.0)
