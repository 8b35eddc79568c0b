"""Ways to check a configuration in a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.config.sample_config import Change, Verdict, changed, verdict_on

from spillway.config.load import judge
from spillway.config.source import read


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """Check the sound configuration with some values changed: `{"topology/regions/us-east4/scaler": 0.05}`."""
    return lambda changes: verdict_on(changed(changes), tmp_path)


@pytest.fixture
def check_text(tmp_path: Path) -> Callable[[str], Verdict]:
    """Check a text."""
    return lambda text: verdict_on(text, tmp_path)


@pytest.fixture
def check_files(tmp_path: Path) -> Callable[[Mapping[str, str]], Verdict]:
    """Check a directory of files."""

    def check(files: Mapping[str, str]) -> Verdict:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        config, problems, warnings = judge(read(tmp_path))
        return Verdict(config, problems, warnings, "")

    return check
