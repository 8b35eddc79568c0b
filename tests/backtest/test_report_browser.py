"""A report in a real browser, opened from the disk: every kind of plot is drawn, and nothing is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.backtest.test_cli import SCENARIO, run
from tests.browser import browser, needs_browser

from spillway.exits import Exit

pytestmark = needs_browser


def test_a_report_draws_its_plots_from_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.yaml").write_text(SCENARIO.format(name="one"))
    chosen = ("--baseline", "spillway", "--baseline", "static", "--jobs", "1")
    assert run(capsys, str(tmp_path / "one.yaml"), *chosen, "--report", str(tmp_path / "out"))[0] == Exit.OK
    with browser() as chrome:
        chrome.open((tmp_path / "out" / "index.html").as_uri(), height=4000)
        chrome.wait(
            "[...document.querySelectorAll('.plot[data-figure]')].every(p => p.querySelector('.trace'))"
        )
        kinds = chrome.value(
            "[...new Set([...document.querySelectorAll('.plot[data-figure]')].map(p => p.dataset.figure))]"
        )
        assert set(kinds) == {"demand", "bad_so_far", "service", "regions", "scalers"}
        assert "us-east4" in chrome.value("document.querySelector('.plot[data-figure=regions]').textContent")
        assert chrome.value("document.querySelectorAll('.plot[data-figure=service] .point').length") > 0, (
            "writes"
        )
        assert not chrome.said
