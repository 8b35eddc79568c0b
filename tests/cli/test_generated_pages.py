"""The generated pages in docs/ say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.cli.document import pages

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(pages(DOCS)))
def test_page_is_fresh(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages(DOCS)[name], (
        f"docs/{name} is stale: run `make docs`"
    )
