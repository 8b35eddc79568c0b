"""The page's files and its first state, as a client without JavaScript gets them."""

from __future__ import annotations

import gzip
import re
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.exporter import example_report as example
from tests.exporter.scene import Scene

from spillway import plotting
from spillway.adapters.page import assets, first_state
from spillway.adapters.page.first_state import MOST_LINES, MOST_ROWS
from spillway.adapters.stopped import Stopped
from spillway.control.told import STATE_WORDS
from spillway.core.values.policy import CalendarWindow, Policy
from spillway.errors import SpillwayError

FOLDER = Path(assets.__file__).parent
OWN = (
    *(FOLDER / name for name in assets.NAMES if (FOLDER / name).exists()),
    plotting.FIGURE,
    plotting.STYLE,
    FOLDER / "index.html",
)


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, dict(answer.headers.items()), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers.items()), error.read()


class Outline(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_of_the_page_comes_from_elsewhere_or_runs_inline(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"""(?:src|href|url|import|from)\s*[=(]?\s*["']?\s*(?:https?:)?//""", text)
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert word not in text, "data must never become markup or code"
    if path.suffix == ".html":
        outline = Outline(text)
        assert "style" not in dict(outline.tags)
        for tag, attributes in outline.tags:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
            assert tag != "script" or str(attributes["src"]).startswith("page/")


def test_every_file_is_served_packed_with_its_type_and_not_sent_twice(scene: Scene) -> None:
    for name in assets.NAMES:
        url = f"{scene.exporter.url}/page/{name}"
        status, headers, packed = fetch(url, **{"Accept-Encoding": "gzip"})
        assert status == 200
        assert headers["content-type"].startswith("text/css" if name.endswith("css") else "text/javascript")
        assert headers["content-encoding"] == "gzip"
        assert headers["content-security-policy"] == assets.POLICY
        assert headers["cache-control"] == "private, no-cache"
        found = assets.asset(name)
        assert found is not None
        assert gzip.decompress(packed) == found.plain()
        assert fetch(url, **{"If-None-Match": headers["etag"]})[0] == 304
    assert len(fetch(f"{scene.exporter.url}/page/page.js")[2]) == (FOLDER / "page.js").stat().st_size


def test_the_python_side_of_the_plotting_library_is_never_imported(scene: Scene) -> None:
    """Figures are made in the browser; a start must not pay for the other way to make them."""
    assert fetch(f"{scene.exporter.url}/page/plotly.js")[0] == 200
    assert not [name for name in sys.modules if name.partition(".")[0] in {"plotly", "_plotly_utils"}]


def test_only_the_files_of_the_page_are_served(scene: Scene) -> None:
    for name in ("index.html", "assets.py", "..%2fweb.py", "../web.py", "none.js", ""):
        assert fetch(f"{scene.exporter.url}/page/{name}")[0] == 404, name


def test_an_installation_without_the_plotting_library_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plotting, "find_spec", lambda _: None)
    with pytest.raises(SpillwayError, match="plotly is not installed whole"):
        plotting.library()
    assets.asset.cache_clear()
    monkeypatch.setitem(
        vars(assets), "_PLACES", {**assets._PLACES, "plotly.js": (plotting.library, "text/javascript")}
    )
    status, _, body = fetch(f"{scene.exporter.url}/page/plotly.js")
    assert status == 503
    assert b"plotly is not installed whole" in body
    assets.asset.cache_clear()


def test_without_javascript_the_page_has_the_state_in_tables(scene: Scene) -> None:
    scene.alarms = (replace(example.SHORTAGE, sentence="demand exceeds <b>capacity</b>"),)
    scene.exporter.report(example.report(alarms=scene.alarms))
    scene.exporter.set_ready()
    text = fetch(scene.exporter.url)[2].decode()
    outline = Outline(text)
    assert "1 alarm" in outline.text
    assert "demand exceeds <b>capacity</b>" in outline.text
    assert "<b>capacity" not in text, "what the daemon says is text"
    assert "drain us-east4 in all services, by ana, until 2026-11-18 13:06:40 UTC: new kernel" in outline.text
    assert "pool: mode act, posture guarded, demand 184.0 requests/s" in outline.text
    for word in ("europe-west4", "capped", "4.71 s", "74.4", "4 min old"):
        assert word in outline.text, word
    headers = [attributes for tag, attributes in outline.tags if tag == "th"]
    assert headers
    assert all(attributes.get("scope") in {"row", "col"} for attributes in headers)
    assert ("meta", {"http-equiv": "refresh", "content": "30"}) in outline.tags


def test_the_first_state_is_bounded(scene: Scene) -> None:
    scene.exporter.report(example.report())
    status = scene.json("/status")
    (pool,) = status["services"]
    big = {**pool, "backends": pool["backends"] * MOST_ROWS}
    text = first_state.first_state({**status, "services": [big, big], "problems": ["a"] * 10_000})
    assert text.count('<th scope="row">') == MOST_ROWS
    assert f"and {6 * MOST_ROWS - MOST_ROWS} more regions" in text
    assert f"and {10_000 - MOST_LINES} more" in text


def test_silenced_alarms_stand_apart_and_the_worst_comes_first(scene: Scene) -> None:
    scene.exporter.report(example.report())
    status = scene.json("/status")

    def alarm(severity: str, until: float | None = None) -> dict[str, Any]:
        return {
            "service": "",
            "sentence": f"a {severity}",
            "severity": severity,
            "since": example.AT,
            "silenced_until": until,
        }

    alarms = [alarm("note"), alarm("ticket", example.AT), alarm("page")]
    text = Outline(first_state.first_state({**status, "alarms": alarms})).text
    assert "2 alarms" in text
    assert text.index("[page] a page (since 2026-11-18 11:06:40 UTC)") < text.index("[note] a note")
    assert text.index("Silenced alarms") < text.index("[ticket] a ticket")


def test_freezes_and_planned_work_in_force_are_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def window(start: float, **changes: Any) -> CalendarWindow:
        return CalendarWindow(
            start=scene.now + start, end=scene.now + start + 600, reason="release", **changes
        )

    policy = replace(Policy(), freezes=(window(-60), window(60)), planned=(window(-1, region="us-east4"),))
    monkeypatch.setattr(scene.exporter._document, "_policies", lambda: {"pool": policy})
    scene.exporter.report(example.report())
    (pool,) = scene.json("/status")["services"]
    assert [(w["start"] - scene.now, w["region"]) for w in pool["calendar"]] == [
        (-60, None),
        (-1, "us-east4"),
    ]
    text = Outline(first_state.first_state(scene.json("/status"))).text
    assert "pool: nothing moves until 2026-11-18 11:57:10 UTC: release" in text
    assert "pool: us-east4 is kept empty until 2026-11-18 11:58:09 UTC: release" in text


def test_a_daemon_that_waits_for_somebody_says_so() -> None:
    text = Outline(first_state.first_state(Stopped("the state cannot be read").status())).text
    assert "Stopped until somebody acts" in text
    assert "the state cannot be read" in text


def test_the_scripts_say_the_same_words_of_a_state_as_the_commands() -> None:
    text = (FOLDER / "services.js").read_text()
    table = re.search(r"const LEVER_WORDS = \{ (.*) \};", text)
    assert table is not None
    assert dict(re.findall(r'(\w+): "([^"]+)"', table[1])) == STATE_WORDS
