"""What the tests of the exporter share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.exporter.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """An exporter that serves."""
    made = Scene()
    made.exporter.bind()
    made.exporter.start()
    yield made
    made.exporter.stop()
