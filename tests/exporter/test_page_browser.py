"""The page in a real browser: what is drawn, what is blocked, and that a daemon that is gone cannot look alive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.browser import Browser, browser, needs_browser
from tests.exporter import example_report as example
from tests.exporter.scene import Scene

from spillway.adapters.stopped import Stopped
from spillway.adapters.web import Web

pytestmark = needs_browser

DRAWN = "document.querySelector('.plot.service .main-svg .scatterlayer .trace') !== null"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A daemon whose clock stands at its last tick."""
    made = Scene()
    made.exporter.bind()
    made.exporter.start()
    for number in range(30, 41):
        made.exporter.report(example.quiet(number))
    made.alarms = (replace(example.SHORTAGE, sentence="demand exceeds <i>capacity</i>"),)
    made.exporter.report(example.report(41, alarms=made.alarms))
    made.exporter.set_ready()
    yield made
    with suppress(AssertionError):
        made.exporter.stop()


def violations(chrome: Browser) -> list[str]:
    return [line for line in chrome.said if "ontent Security Policy" in line or "Uncaught" in line]


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)], ids=["desktop", "phone"])
def test_the_page_draws_itself_and_nothing_is_blocked(
    chrome: Browser, scene: Scene, width: int, dark: bool
) -> None:
    chrome.said.clear()
    chrome.open(scene.exporter.url, width=width, dark=dark)
    chrome.wait("!document.getElementById('live').hidden && document.getElementById('first') === null")
    chrome.value("document.querySelector('.plot.service').scrollIntoView()")
    chrome.wait(DRAWN)
    chrome.value("[...document.querySelectorAll('button.region')].at(-1).click()")
    chrome.value("document.querySelector('.plot.area').scrollIntoView()")
    chrome.wait("document.querySelectorAll('.plot.area .main-svg .trace').length >= 4")
    assert not violations(chrome), chrome.said
    assert chrome.value("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    assert chrome.value("document.getElementById('headline').textContent") == "1 alarm, to be answered now"
    assert "<i>capacity</i>" in chrome.value("document.getElementById('alarms').textContent")
    assert chrome.value("document.querySelectorAll('#live i i, #alarms i').length") == 0
    assert chrome.value("document.getElementById('stale').hidden")
    roles = json.loads(
        chrome.value(
            "JSON.stringify([...document.querySelectorAll('.regions [role]')].map(e => e.getAttribute('role')))"
        )
    )
    assert {"row", "rowheader", "columnheader", "cell"} <= set(roles)


def test_a_move_on_a_plot_can_be_read(chrome: Browser, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents of a journal: values at a few moments, and one mark."""
    monkeypatch.setattr(scene.exporter.past, "answer", lambda path, asked: past(scene.now))
    chrome.said.clear()
    chrome.open(scene.exporter.url)
    chrome.wait("document.querySelector('.plot.service') !== null")
    chrome.value("document.querySelector('.plot.service').scrollIntoView()")
    chrome.wait("document.querySelectorAll('.plot.service .scatterlayer .point').length === 1")
    spot = chrome.value(
        "(() => { const r = document.querySelector('.plot.service .point').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2 + 12]; })()"
    )
    for step in (30, 0):  # a move of the pointer has a beginning and an end
        chrome.ask("Input.dispatchMouseEvent", type="mouseMoved", x=spot[0] + step, y=spot[1])
    chrome.wait(
        "document.querySelector('.plot.service .hoverlayer')?.textContent.includes('us-east4 is slow')"
    )
    told = chrome.value("document.querySelector('.plot.service .hoverlayer').textContent")
    assert "<b>bold</b>" in told, "a sentence is text for the plotting library, too"
    assert not violations(chrome), chrome.said


def test_a_time_without_figures_is_not_drawn_as_no_traffic(
    chrome: Browser, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plotting library takes a missing value of a stacked area for 0: a daemon that was away looked like an outage."""
    monkeypatch.setattr(scene.exporter.past, "answer", lambda path, asked: past(scene.now))
    chrome.open(scene.exporter.url)
    chrome.wait("document.querySelector('.plot.service') !== null")
    chrome.value("document.querySelector('.plot.service').scrollIntoView()")
    chrome.wait(DRAWN)
    drawn = chrome.value(
        "JSON.stringify(document.querySelector('.plot.service').data.filter(t => t.fill || t.stackgroup).map(t => [t.name, [...t.y]]))"
    )
    assert json.loads(drawn) == [
        ["us-east4", [90.0, 91.0]],
        ["us-east4", [95.0]],
        ["bad requests", [0.0, 0.1]],
        ["bad requests", [0.0]],
    ]


def past(now: float) -> dict[str, Any]:
    region = {
        "served": [90.0, 91.0, None, 95.0],
        "ceiling": [160.0] * 4,
        "scaler": [1.0] * 4,
        "health": ["ok", "slow", "slow", "ok"],
    }
    service = {
        "demand": [200.0] * 4,
        "served": [200.0] * 4,
        "capacity": [255.0] * 4,
        "bad_share": [0.0, 0.1, None, 0.0],
        "regions": {"us-east4": region},
    }
    mark = {
        "id": "41-0",
        "at": now - 100,
        "service": "pool",
        "region": "us-east4",
        "lever": "scaler",
        "before": "1.00",
        "after": "0.30",
        "code": "shed-slow",
        "sentence": "us-east4 is slow <b>bold</b>",
        "outcome": "done",
    }
    return {
        "schema": 2,
        "since": now - 240,
        "until": now,
        "step": 60,
        "at": [now - 180, now - 120, now - 60, now],
        "services": {"pool": service},
        "marks": [mark],
        "marks_left_out": 0,
    }


def test_a_daemon_that_is_gone_cannot_look_alive(chrome: Browser, scene: Scene) -> None:
    chrome.open(scene.exporter.url)
    chrome.wait("!document.getElementById('live').hidden")
    assert chrome.value("document.title").startswith("!! Spillway")
    scene.exporter.stop()
    assert chrome.value("document.getElementById('stale').hidden"), "a moment without an answer is no alarm"
    chrome.value("void (real => { Date.now = () => real() + 9000; })(Date.now)")  # nine seconds later
    chrome.wait("!document.getElementById('stale').hidden")
    assert chrome.value("document.getElementById('stale-what').textContent") == "The daemon does not answer"
    since = chrome.value("document.getElementById('stale-since').textContent")
    assert since.startswith("Since 11:48:10 UTC, "), "by the world's clock, as all times here"
    assert chrome.value("getComputedStyle(document.getElementById('shown')).filter") == "grayscale(1)"
    assert chrome.value("document.title") == "✕ The daemon does not answer · Spillway"


def test_a_loop_that_stands_still_cannot_look_alive(chrome: Browser, scene: Scene) -> None:
    scene.now += 4 * 60.0
    chrome.open(scene.exporter.url)
    chrome.wait("!document.getElementById('stale').hidden")
    assert chrome.value("document.getElementById('stale-what').textContent") == "No tick has finished"
    scene.now -= 4 * 60.0
    chrome.wait("document.getElementById('stale').hidden")


def test_without_javascript_the_tables_are_there(chrome: Browser, scene: Scene) -> None:
    chrome.open(scene.exporter.url, script=False)
    assert "europe-west4" in chrome.value("document.querySelector('#first table').textContent")
    assert chrome.value("document.getElementById('live').hidden")


def test_a_daemon_that_waits_for_somebody_says_so(chrome: Browser) -> None:
    web = Web("127.0.0.1:0", Stopped("the state cannot be read"))
    web.start()
    try:
        chrome.said.clear()
        chrome.open(web.url)
        chrome.wait("!document.getElementById('live').hidden")
        assert (
            chrome.value("document.getElementById('headline').textContent") == "Stopped until somebody acts"
        )
        assert "The state cannot be read." in chrome.value("document.getElementById('problems').textContent")
        assert not violations(chrome), chrome.said
    finally:
        web.stop()
