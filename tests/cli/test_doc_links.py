"""Every link of the pages leads somewhere: to a file of the project, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *sorted(page for page in ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_PUNCTUATION = re.compile(r"[^\w\- ]")


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and its like make them."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    headings = [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]
    return {_PUNCTUATION.sub("", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []
