"""The filter grammar and the pages of lists."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.conftest import Cloud

from spillway.sandbox import listing
from spillway.sandbox.filters import compile_filter
from spillway.sandbox.refusals import Refusal
from spillway.sandbox.routing import resolve
from spillway.sim.matching import path_matches

RESOURCE = {
    "name": "api-europe",
    "port": 8080,
    "enableCDN": True,
    "metadatas": {"team": "search"},
    "backends": [{"capacityScaler": 0.5}, {"capacityScaler": 1.0}],
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name = "api-europe"', True),
        ("name=api-europe", True),
        ("name != api-europe", False),
        ('name eq "api-.*"', True),
        ('name eq "api"', False),
        ('name ne "api"', True),
        (r'name eq ".*\bapi\-europe\b.*"', True),
        (r'name eq ".*\beuro\b.*"', False),
        ("name:euro", True),
        ("name:*", True),
        ("timeoutSec:*", False),
        ("port > 80", True),
        ("port < 8080", False),
        ("port <= 8080", True),
        ("port >= 9000", False),
        ("enableCDN = true", True),
        ("metadatas.team = search", True),
        ("backends.capacityScaler = 0.5", True),
        ("(name = x) OR (port = 8080)", True),
        ("(name:api) (port = 1)", False),
        ("(name:api) AND (port = 8080)", True),
        ("NOT name:api", False),
        ('name = "a" AND port = 8080 OR enableCDN = true', True),
        (r'name = "it\"s"', False),
    ],
)
def test_what_a_filter_finds(text: str, found: bool) -> None:
    assert compile_filter(text, "BackendService")(RESOURCE) is found


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "= x",
        "name ~ x",
        "(name = x",
        "name = x)",
        '"x" "y" "z"',
        "name eq '['",
        'a b" c',
        "7x = 1",
        "nosuch = 1",
        "backends.nosuch = 1",
        "name = x AND name.more = 1",
    ],
)
def test_what_is_no_filter_is_refused_with_the_filter(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        compile_filter(text, "BackendService")
    assert refusal.value.message.startswith(f"Invalid value for field 'filter': '{text}'.")


@given(
    names=st.lists(st.text("abc", min_size=1, max_size=4), unique=True, max_size=30).map(sorted),
    size=st.integers(1, 10),
)
def test_pages_together_are_the_list(names: list[str], size: int) -> None:
    items = [{"name": name} for name in names]
    collected: list[dict[str, Any]] = []
    query = {"maxResults": str(size)}
    while True:
        page, token = listing.page(items, query)
        assert len(page) <= size
        collected += page
        if token is None:
            break
        query = {**query, "pageToken": token}
    assert collected == items


def test_an_order_by_age() -> None:
    items = [
        {"name": name, "creationTimestamp": stamp}
        for name, stamp in (("a", "2026-01-01"), ("b", "2026-01-02"))
    ]
    assert [item["name"] for item in listing.page(items, {"orderBy": "creationTimestamp desc"})[0]] == [
        "b",
        "a",
    ]
    assert listing.page(items, {"maxResults": "0"})[0] == items
    with pytest.raises(Refusal, match="maxResults"):
        listing.page(items, {"maxResults": "501"})


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a", False),
        ("/a/*", "/a/", True),
        ("/a/*", "/ab", False),
        ("/a", "/a", True),
        ("/a", "/a/b", False),
        ("/*", "/", True),
        ("/ab*", "/abc", True),
    ],
)
def test_paths(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches


def test_the_most_specific_host_and_the_longest_path_win() -> None:
    def matcher(name: str) -> dict[str, Any]:
        rules = [
            {"paths": ["/*"], "service": f"{name}-any"},
            {"paths": ["/a/b"], "service": f"{name}-exact"},
            {"paths": ["/a/*"], "service": f"{name}-a"},
        ]
        return {"name": name, "defaultService": f"{name}-default", "pathRules": rules}

    url_map = {
        "defaultService": "nobody",
        "hostRules": [
            {"hosts": [host], "pathMatcher": name}
            for host, name in (("*.example.com", "wild"), ("www.example.com", "exact"))
        ],
        "pathMatchers": [matcher("wild"), matcher("exact")],
    }
    asked = [
        ("www.example.com", "/a/b"),
        ("www.example.com:80", "/a/c"),
        ("api.example.com", "/x"),
        ("other.org", "/a/b"),
    ]
    assert [resolve(url_map, host, path).services for host, path in asked] == [
        ("exact-exact",),
        ("exact-a",),
        ("wild-any",),
        ("nobody",),
    ]


def test_a_list_refuses_a_field_that_the_resource_does_not_have(cloud: Cloud) -> None:
    reason, sentence = cloud.refused("GET", "global/backendServices", filter="nosuch=1")
    assert reason == "invalid"
    assert "there is no field 'nosuch'" in sentence
