"""Whatever stands in a configuration: the answer is a verdict, never an exception, and it is the same each time."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.config.sample_config import SOUND, from_text
from tests.config.test_rules import ERRORS

from spillway.config.check import render_problems
from spillway.config.load import judge

ODD = st.sampled_from(
    [None, True, 0, -1, 0.05, 10**9, "", "x", "us-east4", "5s", "5", "80-443", [], [None], ["a", "a"], {}, {"a": None}, {"neg": "n"}]
)  # fmt: skip


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All locations in plain data, the root apart."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [place for key, value in entries for place in ((*at, key), *places(value, (*at, key)))]


def rich() -> dict[str, Any]:
    """A configuration that has something of most sections."""
    data: dict[str, Any] = yaml.safe_load(SOUND)
    data["topology"]["frontends"]["https"] = {
        "certificates": {"managed": ["a.example.com"]},
        "ssl_policy": {},
    }
    data["topology"]["address"] = {"existing": "203.0.113.7"}
    data["topology"]["services"]["pool"]["backends"] = {"us-east4": {"scaler": 0.5, "standby": False}}
    data["policies"]["default"] = {
        "planned": [{"start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z", "reason": "work", "region": "us-east4"}],
        "rhythm": {"dwell": "8m"},
        "postures": {"scarce": {"failover_threshold": 30}},
    }  # fmt: skip
    data["daemon"] = {"engine": {"kind": "auto"}, "listen": "127.0.0.1:1", "tick": "60s"}
    return data


PLACES = places(rich())


@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=4))
def test_any_value_anywhere_gets_a_verdict(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    data = rich()
    for place, value in changes:
        node: Any = data
        for part in place[:-1]:
            inside = (isinstance(node, dict) and part in node) or (
                isinstance(node, list) and isinstance(part, int) and part < len(node)
            )
            node = node[part] if inside else None
        if isinstance(node, dict) or (
            isinstance(node, list) and isinstance(place[-1], int) and place[-1] < len(node)
        ):
            node[place[-1]] = copy.deepcopy(value)
    text = yaml.safe_dump(data, sort_keys=False)
    config, problems, warnings = judge(from_text(text))
    assert (config is None) == bool(problems)
    assert judge(from_text(text)) == (config, problems, warnings)
    assert list(problems) == sorted(problems, key=lambda p: (p.file, p.line, p.path, p.message))
    for problem in (*problems, *warnings):
        assert problem.message.endswith((".", "?")), problem
        assert problem.remedy.endswith((".", "?", ")")), problem
        assert problem.line > 0, problem
    assert render_problems(problems)


@given(
    st.lists(st.sampled_from([e for e in ERRORS if "missing section" not in e[0]]), min_size=2, max_size=6)
)
def test_any_mistakes_together_are_an_orderly_refusal(
    chosen: list[tuple[str, dict[str, Any], str, str, str]],
) -> None:
    from tests.config.sample_config import changed

    changes: dict[str, Any] = {}
    for entry in chosen:
        for path, value in entry[1].items():
            clash = any(p == path or p.startswith(f"{path}/") or path.startswith(f"{p}/") for p in changes)
            if not clash:
                changes[path] = value
    config, problems, _ = judge(from_text(changed(changes)))
    assert config is None or not problems
    assert len({(p.path, p.message) for p in problems}) == len(problems)


def test_a_large_configuration_is_judged_quickly_enough_to_reload() -> None:
    """Two hundred services in ten regions: every one of them is judged, and its mistakes are found."""
    data: dict[str, Any] = yaml.safe_load(SOUND)
    regions = {
        f"us-east{i}": {
            "groups": [{"zone": f"us-east{i}-a", "neg": "n"}],
            "balancing": {"mode": "RATE", "max_rate": 10},
        }
        for i in range(10)
    }
    services: dict[str, dict[str, Any]] = {
        f"s{i}": {"health_check": "ready", "regions": "all"} for i in range(200)
    }
    data["topology"] |= {"regions": regions, "services": services, "default_service": "s0", "routes": []}
    services["s7"]["timeout"] = 5
    services["s150"]["health_check"] = "redy"
    config, problems, _ = judge(from_text(yaml.safe_dump(data)))
    assert config is None
    assert [p.path for p in problems] == [
        "topology.services.s150.health_check",
        "topology.services.s7.timeout",
    ]
