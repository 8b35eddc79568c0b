"""Each alert fires for the fault it is for, and no page comes for a fault that it is not for; in virtual time, by a real Prometheus."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import yaml
from tests.kit.files import NAME, PROMETHEUS, alerts, rules
from tests.kit.server import Prometheus, need_prometheus, promtool
from tests.kit.stories import STORIES, Story, recorded, without_loop

pytestmark = pytest.mark.kit

STEP = 60.0
"""Seconds between two evaluations."""

ELSEWHERE = {"SpillwayNotScraped", "SpillwayWritesRefused"}
"""Alerts without a story: `test_nothing_to_scrape` has the one, test_rules.py the other."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> float:
    """Of a duration as Prometheus writes it."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What the rules made of all stories."""

    fired: dict[str, dict[str, float]]
    """By story: when each alert fired first, in seconds after the start."""
    expected: dict[str, str]
    """Stories without a loop, and their alert."""
    absent: bool
    """Whether `absent` told that nothing was scraped, before and after the stories."""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    need_prometheus()
    folder = tmp_path_factory.mktemp("alerts")
    # 1. every story, as Prometheus would have scraped it
    recording = recorded(frozenset(name for rule in rules() for name in NAME.findall(rule["expr"])))
    expected = dict(without_loop(recording))
    recording.write(folder / "stories.om")
    data = folder / "data"
    promtool("tsdb", "create-blocks-from", "openmetrics", folder / "stories.om", data)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "60s"}}), encoding="utf-8")
    with Prometheus(config, data) as server:
        # 2. what the recording rules would have recorded meanwhile
        made = folder / "recorded"
        promtool(
            "tsdb", "create-blocks-from", "rules", f"--start={recording.start:.0f}", f"--end={recording.end:.0f}",
            f"--url={server.url}", "--eval-interval=60s", f"--output-dir={made}", PROMETHEUS / "rules.yml",
        )  # fmt: skip
        server.stop()
        for block in made.iterdir():
            if block.is_dir():
                block.rename(data / block.name)
        server.start()
        # 3. the alerts
        fired: dict[str, dict[str, float]] = {}
        for name, rule in alerts().items():
            for series in server.query_range(rule["expr"], recording.start, recording.end, STEP):
                first = first_fired([float(at) for at, _ in series["values"]], seconds(rule.get("for", "0s")))
                if first is not None:
                    told = fired.setdefault(series["metric"].get("instance", ""), {})
                    told[name] = min(first - recording.start, told.get(name, first))
        nothing = alerts()["SpillwayNotScraped"]["expr"]
        before, meanwhile, after = (
            server.query(nothing, at)
            for at in (recording.start - 3600, recording.start + 600, recording.end + 3600)
        )
    return Evaluated(fired=fired, expected=expected, absent=bool(before and after and not meanwhile))


def first_fired(times: list[float], wait: float) -> float | None:
    """When an alert fires that was true at these evaluations; None where it never is true for so long."""
    since = before = None
    for at in times:
        if before is None or at - before > 1.5 * STEP:
            since = at
        before = at
        if since is not None and at - since >= wait:
            return at
    return None


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_alerts_of_a_story_fire_and_no_others(evaluated: Evaluated, story: Story) -> None:
    told = set(evaluated.fired.get(story.name, ()))
    assert told >= story.fires, sorted(story.fires - told)
    assert told <= story.fires | story.may, sorted(told - story.fires - story.may)


@pytest.mark.parametrize("name", ["gone", "stopped"])
def test_a_daemon_without_a_loop_fires_its_alert_and_no_other(evaluated: Evaluated, name: str) -> None:
    assert set(evaluated.fired[name]) == {evaluated.expected[name]}


def test_nothing_to_scrape(evaluated: Evaluated) -> None:
    assert evaluated.absent


def test_every_alert_has_a_story() -> None:
    told = set().union(*(story.fires for story in STORIES)) | {"SpillwayDown", "SpillwayNotReady"}
    assert told | ELSEWHERE == set(alerts())


def test_first_fired_waits_and_starts_anew_after_a_gap() -> None:
    assert first_fired([0, 60, 120], 120) == 120
    assert first_fired([0, 60, 240, 300], 120) is None
    assert first_fired([], 0) is None
