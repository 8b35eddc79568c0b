"""The generated pages in docs/ say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spillway.cli.document import pages
from spillway.cli.main import group
from spillway.core.explain.reasons import ALARMS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_alarm_has_its_section_and_every_link_inside_leads_to_one() -> None:
    page = pages(DOCS, group)["runbook.md"]
    sections = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sorted(sections) == sorted(ALARMS)
    links = set(re.findall(r"\]\(#([^)]*)\)", page))
    assert links >= set(ALARMS)
    assert links <= set(sections)
    commands = set(re.findall(r"`spillway ([a-z-]+)", page))
    assert commands <= {*group.commands, "history", "explain"}


@pytest.mark.parametrize("name", sorted(pages(DOCS, group)))
def test_page_is_fresh(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages(DOCS, group)[name], (
        f"docs/{name} is stale: run `make docs`"
    )
